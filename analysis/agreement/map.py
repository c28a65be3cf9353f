"""The map of agreement: the exact choices of every rule, their costs on tensors, and the peers beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

from analysis.agreement.intervals import Interval, agreement, intervals
from analysis.agreement.measured import measure, whole_blocks
from analysis.agreement.peers import peers
from analysis.agreement.ways import MX_FORMATS, Way, ways
from analysis.progress import Progress, silent
from analysis.tensors import Tensor
from formats.block_formats.rules import block_rule

#: formats of the map
FORMATS = (*MX_FORMATS, "nvfp4")
#: every block size of the map divides it, so that all formats are measured on the same tensors
_BLOCK = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Map:
    """What was found.

    ``choices``: for each MX format and rule the intervals of the largest magnitude's significand. ``rows``: ``data,
    format, way, expected, blocks, snr_db, cost_db``, where ``cost_db`` is the SNR below the best of the format.
    ``pairs``: ``data, format, first, second, blocks, same_scale, same_values``, with ``same_binade``, the part of a
    binade for which both pick the same scale; NaN stands for values that were not compared, and for pairs that are not
    two MX rules. ``left_out``: names of tensors whose channels are not whole blocks of 32.
    """

    choices: dict[str, dict[str, tuple[Interval, ...]]]
    rows: pd.DataFrame
    pairs: pd.DataFrame
    left_out: dict[str, list[str]]

    @property
    def surprises(self) -> pd.DataFrame:
        """Pairs of a peer and the rule it should equal that are not equal in every bit."""
        pairs: Any = self.pairs
        compared = pairs["same_values"].notna()
        return pairs[compared & ((pairs["same_scale"] < 1) | (pairs["same_values"] < 1))]


def draw_map(
    data: Mapping[str, Sequence[Tensor]],
    *,
    formats: Sequence[str] = FORMATS,
    with_peers: bool = True,
    progress: Progress = silent,
) -> Map:
    """The map of ``formats`` over named collections of tensors.

    Raises ``KeyError`` for a format that the map does not have, ``ValueError`` for no format, no data or a collection
    without a tensor of whole blocks, and as `measure` does.

    >>> x = np.random.default_rng(0).standard_normal((8, 64)).astype(np.float32)
    >>> found = draw_map({"normal": [Tensor(name="w", values=x, source="drawn")]}, formats=["mxint8"], with_peers=False)
    >>> sorted(found.choices["mxint8"])[:2], found.rows["cost_db"].min()
    (['ceil', 'even'], np.float64(0.0))
    """
    made = {name: [*ways(name), *(peers(name) if with_peers else [])] for name in formats}
    whole = {source: whole_blocks(tensors, _BLOCK) for source, tensors in data.items()}
    cells = list(product(whole, made))
    if not cells:
        raise ValueError(f"there is nothing to draw: formats {list(made)}, data {list(whole)}")
    choices = {name: _choices(made[name]) for name in made if name in MX_FORMATS}
    tables = [
        _cell(source, name, whole[source][0], made[name], choices.get(name, {}), _part(progress, i, len(cells), name))
        for i, (source, name) in enumerate(cells)
    ]
    rows, pairs = (pd.concat(part, ignore_index=True) for part in zip(*tables, strict=True))
    return Map(choices=choices, rows=rows, pairs=pairs, left_out={source: out for source, (_, out) in whole.items()})


def _choices(made: Sequence[Way]) -> dict[str, tuple[Interval, ...]]:
    return {each.name: intervals(each.spec, block_rule(each.name)) for each in made if not each.expected}


def _part(progress: Progress, i: int, count: int, name: str) -> Progress:
    """What hears of one of ``count`` cells, and reports thousandths of all."""

    def heard(done: int, total: int, label: str) -> None:
        progress(1000 * i + 1000 * done // total, 1000 * count, f"{name}: {label}")

    return heard


def _cell(
    source: str,
    name: str,
    tensors: Sequence[Tensor],
    made: Sequence[Way],
    choices: Mapping[str, tuple[Interval, ...]],
    progress: Progress,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows and pairs of one format on one collection."""
    if not tensors:
        raise ValueError(f"{source}: no tensor has channels of whole blocks of {_BLOCK}")
    found: tuple[Any, Any] = measure(tensors, made, progress)
    rows, pairs = found
    snr, best = rows["snr_db"], rows["snr_db"].max()
    rows = rows.assign(cost_db=np.where(snr == best, 0.0, best - snr.where(snr != best)))
    binade = [_same_binade(choices, *names) for names in zip(pairs["first"], pairs["second"], strict=True)]
    rows, pairs = (table.assign(data=source, format=name) for table in (rows, pairs.assign(same_binade=binade)))
    return rows, pairs


def _same_binade(choices: Mapping[str, tuple[Interval, ...]], first: str, second: str) -> float:
    if first not in choices or second not in choices:
        return float("nan")
    return float(agreement(choices[first], choices[second]))
