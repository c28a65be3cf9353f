"""The files of a comparison: Parquet, the page, and the Pareto picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

import formats
from analysis import plots
from analysis.comparison.grid import CORE
from analysis.comparison.histogram import histograms
from analysis.comparison.left_out import LeftOut
from analysis.comparison.table import common, pareto, part, summary
from analysis.report import markup
from analysis.report.files import write
from analysis.tensors import Tensor
from reference.quantize import Recipe, recipe, shrink_factors

_MOST_CURVES = 8
_COLUMNS = (
    "format", "granularity", "scheme", "scale_rule", "bits_per_weight", "snr_db", "mean_rel", "max_rel", "mean_ulp",
    "max_ulp", "saturated", "underflowed",
)  # fmt: skip


def save(
    folder: Path, table: pd.DataFrame, tensors: Sequence[Tensor], origin: Mapping[str, str], skipped: Mapping[str, str]
) -> list[Path]:
    """Write ``compare.parquet`` (all rows), ``compare.html`` and ``pareto.png`` into a folder, made if need be.

    ``origin``: see `report.provenance`; ``skipped``: tensors of the input that were not compared, and why.
    """
    cells: Any = summary(table)
    parquet = io.BytesIO()
    cast(Any, table).to_parquet(parquet, index=False)
    front = plots.png(plots.front(cells))
    html = _html(table, cells, tensors, front, origin, skipped)
    return [
        write(folder / "compare.parquet", parquet.getvalue()),
        write(folder / "pareto.png", front),
        write(folder / "compare.html", html.encode("utf-8")),
    ]


def _html(
    table: pd.DataFrame,
    cells: Any,
    tensors: Sequence[Tensor],
    front: bytes,
    origin: Mapping[str, str],
    skipped: Mapping[str, str],
) -> str:
    elements = sum(tensor.values.size for tensor in tensors)
    lead = f"{elements:,} weights in {len(tensors)} tensors, quantised in {len(cells)} ways. Input: {origin['input']}."
    same, blocks = part(common(cells), "scalar"), part(cells, "block")
    curves = pd.concat([_curves(table, same), _block_curves(table)])
    sections = [
        markup.figure("Accuracy against size", "Up and to the left is better.", front),
        *_side_by_side(same, blocks),
        markup.table("The Pareto front", "No other way is as small and as accurate.", _records(pareto(cells))),
        markup.figure("Layer by layer", _layers(same), plots.png(plots.by_tensor(curves))),
        *_errors(tensors, same),
        markup.table("Every way", "All combinations, over all tensors, by SNR.", _records(cells)),
        markup.notes("Definitions", {**_DEFINITIONS, **_search(cells)}),
        markup.notes("Left out", _left_out(table)),
        markup.notes("Tensors of the input that were not compared", skipped),
        markup.notes("Provenance", origin),
    ]
    return markup.page("Assay: how narrow formats treat these weights", lead, sections)


def _side_by_side(same: Any, blocks: Any) -> list[str]:
    """The tables of formats under one combination, and of block formats; none for what was not run."""
    found: list[str] = []
    if len(same):
        found.append(markup.table(f"All formats side by side: {_where(same)}", _MEANING, _records(same)))
    if len(blocks):
        found.append(markup.table("Block formats", _BLOCKS, _records(blocks)))
    return found


def _where(same: Any) -> str:
    return f"scale per {same.iloc[0]['granularity']}, {same.iloc[0]['scheme']}, {same.iloc[0]['scale_rule']}"


def _layers(same: Any) -> str:
    own = "block formats by the rule behind their name"
    return f"SNR of each tensor: {_where(same)}; {own}." if len(same) else f"SNR of each tensor: {own}."


def _errors(tensors: Sequence[Tensor], same: Any) -> list[str]:
    """The histograms, of formats that are scaled per channel."""
    if not len(same):
        return []
    return [markup.figure("Relative errors", _HISTOGRAM, plots.png(plots.errors(histograms(tensors, _recipes(same)))))]


_MEANING = "All tensors taken as one. Columns are defined below."
_BLOCKS = (
    "All tensors taken as one. Each block format has its own blocks, scales, and rule by which numbers get in; it costs"
    " what its scales cost, a number for the whole tensor included."
)
_HISTOGRAM = (
    "A float format's relative error has a ceiling, half a unit in the last place, down to its subnormals; an integer"
    " format's grows as weights get smaller. The rightmost bins hold weights that became 0 (error 1) or, with an"
    " offset, something larger than they were."
)
_DEFINITIONS = {
    "snr_db": "10 log10(sum x^2 / sum (x - y)^2), x the weight and y what it became",
    "mean_rel, max_rel": "|x - y| / |x| over the weights that are not 0",
    "mean_ulp, max_ulp": "|x - y| in units of the format's last place at x / s, times the scale s",
    "saturated": "fraction of the weights whose quotient lies outside the format's finite range before rounding",
    "underflowed": "fraction of all weights that are not 0 but became 0",
    "bits_per_weight": "the code, plus the bits of scale and zero point or offset divided among the group",
    "tensor, channel, group<n>, tile<m>x<n>": "what shares a scale: the tensor; an index of axis 0; n neighbours within"
    " a channel, the last group shorter where n does not divide it; n neighbours in each of m channels, alike",
    "symmetric": "y = s * decode(code), s = absmax / largest finite value, rounded up into the scale format",
    "asymmetric": "integers: y = s * (n - z), z an integer zero point; floats: y = s * decode(code) + o, o the middle"
    " of the range (the least value for unsigned formats), in the scale format",
    "quotient": "x / s is rounded once, from its exact value, by the format's own encoder; for block formats as their"
    " rule says",
    "kind": "scalar: a format whose granularity, scheme and scales are varied; block: a block format, which brings its"
    " own; the scale rule then is the name of a block rule",
}


def _search(cells: Any) -> dict[str, str]:
    cells = part(cells, "scalar")
    if cells.empty:
        return {}
    lists = {shrink_factors(formats.get(name)): formats.get(name).bits for name in cells["format"]}
    factors = "; ".join(
        f"{', '.join(f'{factor:.3g}' for factor in tried)} (formats of {'1 or 2' if bits <= 2 else '3 or more'} bits)"
        for tried, bits in sorted(lists.items(), key=lambda item: -item[1])
    )
    first = cells.iloc[0]
    return {
        "mse": "for each group, the one of these factors on its range with the least squared error over all of the"
        f" group: {factors}",
        "policy": f"rounding {first['rounding']}, saturation {first['saturation']}, scales in {first['scale_format']}",
    }


def _records(cells: Any) -> list[dict[str, Any]]:
    return cells[list(_COLUMNS)].to_dict("records")


def _left_out(table: pd.DataFrame) -> dict[str, str]:
    return {LeftOut(**out).what: out["reason"] for out in table.attrs["left_out"]} or {"nothing": ""}


def _chosen(same: Any) -> list[str]:
    """Formats drawn one by one: the core ones among those side by side, else the first few."""
    names = list(same["format"])
    return ([name for name in names if name in CORE] or names)[:_MOST_CURVES]


def _curves(table: Any, same: Any) -> Any:
    """Rows in the order of the histograms, so that a format has one colour in both pictures."""
    if not len(same):
        return part(table, "block").head(0)
    keys = ["kind", "granularity", "scheme", "scale_rule"]
    rows = table[(table[keys] == same.iloc[0][keys]).all(axis=1)]
    return pd.concat([rows[rows["format"] == name] for name in _chosen(same)])


def _block_curves(table: pd.DataFrame) -> Any:
    """Rows of the first few block formats, which are named with their rules."""
    rows: Any = part(table, "block")
    names = rows["format"] + ", " + rows["scale_rule"]
    return rows.assign(format=names)[names.isin(list(dict.fromkeys(names))[:_MOST_CURVES])]


def _recipes(same: Any) -> list[Recipe]:
    policy = {key: same.iloc[0][key] for key in ("scale_format", "rounding", "saturation")}
    return [recipe(name, scheme=same.iloc[0]["scheme"], **policy) for name in _chosen(same)]
