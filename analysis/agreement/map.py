"""The map of agreement: the exact choices of every rule, their costs on tensors, and the peers beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

from analysis.agreement.intervals import Interval, agreement, intervals
from analysis.agreement.measured import Progress, measure, whole_blocks
from analysis.agreement.peers import peers
from analysis.agreement.ways import MX_FORMATS, ways
from analysis.tensors import Tensor
from formats.block_rules import block_rule

#: formats of the map
FORMATS = (*MX_FORMATS, "nvfp4")


def _silent(done: int, total: int, label: str) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Map:
    """What was found.

    ``choices``: for each MX format and rule the intervals of the largest magnitude's significand. ``rows``: ``data,
    format, way, expected, blocks, snr_db, cost_db``, where ``cost_db`` is the SNR below the best of the
    format. ``pairs``: ``data, format, first, second, blocks, same_scale, same_values``, with ``same_binade``, the part
    of a binade for which both pick the same scale, for pairs of MX rules. ``left_out``: tensors without whole blocks.
    """

    choices: dict[str, dict[str, tuple[Interval, ...]]]
    rows: pd.DataFrame
    pairs: pd.DataFrame
    left_out: dict[str, list[str]]

    @property
    def surprises(self) -> pd.DataFrame:
        """Pairs of a peer and the rule it should equal that are not equal in every bit."""
        expected = {(row.format, row.way): row.expected for row in self.rows.itertuples()}
        due = [expected.get((row.format, row.second)) == row.first for row in self.pairs.itertuples()]
        found = self.pairs[due]
        return found[(found["same_scale"] < 1) | (found["same_values"] < 1)]


def draw_map(
    data: Mapping[str, Sequence[Tensor]],
    *,
    formats: Sequence[str] = FORMATS,
    with_peers: bool = True,
    progress: Progress = _silent,
) -> Map:
    """The map of ``formats`` over named collections of tensors.

    Raises ``KeyError`` for a format that the map does not have, ``ValueError`` as `measure` does.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((8, 64)).astype(np.float32)
    >>> found = draw_map({"normal": [Tensor(name="w", values=x, source="drawn")]}, formats=["mxfp4"], with_peers=False)
    >>> sorted(found.choices["mxfp4"])[:2], found.rows["cost_db"].min()
    (['ceil', 'even'], np.float64(0.0))
    """
    made = {name: [*ways(name), *(peers(name) if with_peers else [])] for name in formats}
    choices = {
        name: {each.name: intervals(each.spec, block_rule(each.name)) for each in each_way if not each.expected}
        for name, each_way in made.items()
        if name in MX_FORMATS
    }
    rows: list[pd.DataFrame] = []
    pairs: list[pd.DataFrame] = []
    left_out: dict[str, list[str]] = {}
    cells = [(source, name) for source in data for name in formats]
    for i, (source, name) in enumerate(cells):
        size = made[name][0].spec.size
        found, left_out[source] = whole_blocks(data[source], 32)
        assert 32 % size == 0

        def heard(done: int, total: int, label: str, i: int = i, name: str = name) -> None:
            progress(1000 * i + 1000 * done // max(total, 1), 1000 * len(cells), f"{name}: {label}")

        measured, agreed = measure(found, made[name], heard)
        measured["format"] = agreed["format"] = name
        measured["cost_db"] = measured["snr_db"].max() - measured["snr_db"]
        agreed["same_binade"] = [_same_binade(choices.get(name, {}), *pair) for pair in _names(agreed)]
        rows.append(measured.assign(data=source))
        pairs.append(agreed.assign(data=source))
    return Map(choices=choices, rows=_joined(rows), pairs=_joined(pairs), left_out=left_out)


def _names(pairs: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(pairs["first"], pairs["second"], strict=True))


def _same_binade(choices: dict[str, tuple[Interval, ...]], first: str, second: str) -> float:
    if first not in choices or second not in choices:
        return float("nan")
    return float(agreement(choices[first], choices[second]))


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True)
