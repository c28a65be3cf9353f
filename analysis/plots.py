"""The pictures of a comparison. Tensors' names may be hostile: they are drawn as plain ASCII, never as mathematics."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MultipleLocator

import formats
from analysis.comparison.histogram import EDGES, Histogram
from analysis.comparison.table import pareto
from formats import FloatSpec

_MARKERS = {"tensor": "s", "channel": "o", "group": "^", "tile": "D"}
_FAMILIES = {
    "integer": "#0b6e4f", "float, 8 bits": "#1f4e9c", "float, below 8 bits": "#c2410c", "P3109": "#7b2d8b",
    "block format": "#111111",
}  # fmt: skip
_CYCLE = ("#0b6e4f", "#c2410c", "#1f4e9c", "#7b2d8b", "#a16207", "#0e7490", "#be123c", "#4d4d4d")


def png(figure: Figure, texts: dict[str, str] | None = None) -> bytes:
    """The figure as a PNG file; ``texts`` go into it under PNG's own keywords, such as ``"Description"``."""
    buffer = io.BytesIO()
    cast(Any, figure).savefig(buffer, format="png", dpi=140, metadata={"Software": None, **(texts or {})})
    return buffer.getvalue()


def family(name: str) -> str:
    """What a format is drawn as.

    >>> family("int4"), family("Binary8p4se"), family("float6_e2m3fn")
    ('integer', 'P3109', 'float, below 8 bits')
    """
    spec = formats.get(name)
    if not isinstance(spec, FloatSpec):
        return "integer"
    return "P3109" if name.startswith("Binary") else "float, 8 bits" if spec.bits == 8 else "float, below 8 bits"


def front(cells: pd.DataFrame) -> Figure:
    """SNR against bits per weight, all cells of a summary, with the Pareto front as a step line."""
    figure = Figure(figsize=(10, 6.2), layout="constrained")
    axes: Any = figure.subplots()
    frame: Any = cells
    shown = frame[np.isfinite(frame["snr_db"])]
    kinds = pd.Series(
        ["block format" if row.kind == "block" else family(row.format) for row in shown.itertuples()], shown.index
    )
    extents = shown["granularity"].str.extract("^([a-z]+)", expand=False)
    for (kind, extent), group in shown.groupby([kinds, extents], sort=False):
        style = {"marker": _MARKERS[extent], "color": _FAMILIES[kind], "alpha": 0.65, "linewidths": 0}
        axes.scatter(group["bits_per_weight"], group["snr_db"], s=26, **style)
    best: Any = pareto(shown)
    axes.step(best["bits_per_weight"], best["snr_db"], where="post", color="black", linewidth=1, zorder=0)
    _label_front(axes, best)
    axes.margins(x=0.09)
    axes.xaxis.set_major_locator(MultipleLocator(1))
    axes.set_xlabel("bits per weight, scales and offsets counted")
    axes.set_ylabel("SNR over all weights (dB)")
    axes.set_title("What accuracy costs: every combination, and the Pareto front (line)", loc="left", fontsize=11)
    _legend(axes, set(kinds), set(extents))
    axes.grid(alpha=0.25)
    return figure


def _label_front(axes: Any, best: Any) -> None:
    """The name of each format at its best point on the front: to the left, or to the right where that is taken."""
    left = (-np.inf, -np.inf)
    for _, row in best.groupby("format", sort=False).tail(1).iterrows():
        x, y = row["bits_per_weight"], row["snr_db"]
        taken = x - left[0] < 1.5 and abs(y - left[1]) < 2
        offset, side = ((4, 6), "left") if taken else ((-4, 6), "right")
        style = {"textcoords": "offset points", "fontsize": 9, "ha": side, "parse_math": False}
        text = axes.annotate(row["format"], (x, y), xytext=offset, **style)
        text.set_path_effects([withStroke(linewidth=3, foreground="white")])
        left = left if taken else (x, y)


def _legend(axes: Any, kinds: set[str], extents: set[str]) -> None:
    for kind in (kind for kind in _FAMILIES if kind in kinds):
        axes.scatter([], [], color=_FAMILIES[kind], label=kind)
    for extent in (extent for extent in _MARKERS if extent in extents):
        axes.scatter([], [], color="grey", marker=_MARKERS[extent], label=f"scale per {extent}")
    axes.legend(loc="lower right", fontsize=9, frameon=True)


def by_tensor(rows: pd.DataFrame) -> Figure:
    """SNR of each tensor, one line for each format; ``rows`` are those of one combination."""
    frame: Any = rows
    names = list(dict.fromkeys(frame["tensor"]))
    figure = Figure(figsize=(max(8, min(16, 2 + 0.22 * len(names))), 6.4), layout="constrained")
    axes: Any = figure.subplots()
    for i, (name, group) in enumerate(frame.groupby("format", sort=False)):
        color, turn = _CYCLE[i % len(_CYCLE)], i // len(_CYCLE) % 4
        style, marker = ("-", "--", ":", "-.")[turn], "osD^"[turn]
        finite = group["snr_db"].where(np.isfinite(group["snr_db"]))
        axes.plot(range(len(group)), finite, style, marker=marker, markersize=3.5, color=color, linewidth=1, label=name)
    ticks = range(0, len(names), max(1, len(names) // 80))
    axes.set_xticks(ticks, [plain(names[i]) for i in ticks], rotation=90, fontsize=6.5, parse_math=False)
    axes.margins(x=0.01)
    axes.set_ylabel("SNR (dB)")
    axes.set_title("SNR of each tensor", loc="left", fontsize=11)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)
    axes.grid(alpha=0.25)
    return figure


def plain(name: str, most: int = 44) -> str:
    r"""A tensor's name in printable ASCII, its middle left out if it is long.

    >>> plain("w\u2028\n$x$"), plain("a" * 50, most=9)
    ('w\\u2028\\n$x$', 'aaaa...aa')
    """
    text = name.encode("unicode_escape").decode("ascii")
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-(most - most // 2 - 3) :]}"


def errors(found: Sequence[Histogram]) -> Figure:
    """Histograms of relative errors."""
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes: Any = figure.subplots()
    for i, histogram in enumerate(found):
        name = f"{histogram.recipe.spec.name}, {histogram.recipe.scheme.value}"
        axes.stairs(histogram.fractions, EDGES, color=_CYCLE[i % len(_CYCLE)], label=name, linewidth=1.4)
    axes.set_xlabel("relative error |x - y| / |x|  (leftmost bin: that or less; from 1: mostly weights that became 0)")
    axes.set_xticks(range(-14, 2, 2), [f"$2^{{{e}}}$" for e in range(-14, 2, 2)])
    axes.set_ylabel("fraction of the non-zero weights, per bin of 1/4 octave")
    taken = "every channel" if found[0].stride == 1 else f"one channel in {found[0].stride}"
    axes.set_title(f"Relative errors, scales per channel by absmax, {taken}", loc="left", fontsize=11)
    axes.set_yscale("log")
    axes.set_ylim(1e-5, 1)
    axes.legend(loc="upper left", fontsize=9, frameon=True)
    axes.grid(alpha=0.25)
    return figure
