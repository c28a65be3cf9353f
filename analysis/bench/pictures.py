"""Pictures of a record: products beside XLA's bfloat16 one and their byte limit, planes beside the copy.

A picture's file says from which numbers it was drawn, so that a stale one is noticed whatever drew it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from PIL import Image

from analysis.bench.tables import LONG, Row, bases, ceilings, fraction, key, label
from analysis.plots import png

_OURS, _XLA, _MARK = "#1f4e9c", "#b6bcc6", "#c2410c"
#: the PNG text that holds the digest of the numbers
_DRAWN_FROM = "Description"


@dataclass(frozen=True, slots=True)
class Speed:
    """A product at one batch, in times the speed of XLA's bfloat16 product of the same shape."""

    what: str
    m: int
    times: float
    limit: float | None  #: if each operand and result moved once, at the bandwidth of the read


@dataclass(frozen=True, slots=True)
class Share:
    """An element or block kernel, in parts of the copy's bandwidth."""

    what: str
    of_copy: float
    is_xla: bool  #: XLA's compilation of the same


Numbers = tuple[Speed, ...] | tuple[Share, ...]


def speeds(rows: list[Row], n: int, k: int) -> tuple[Speed, ...]:
    """Products of N = ``n`` and K = ``k``, short batches, the fastest first; of equal rows the last, as in tables."""
    base, read = bases(rows), ceilings(rows).get("read")
    some = [row for row in rows if (row.get("n"), row.get("k")) == (n, k) and row["m"] < LONG and key(row) in base]
    chosen = {
        (label(row), row["m"]): row for row in some if label(row) and "median" in row and row["what"] != "XLA bfloat16"
    }
    found = [
        Speed(what, m, base[key(row)] / row["median"], _limit(row, base[key(row)], read))
        for (what, m), row in chosen.items()
    ]
    best = {each.what: max(x.times for x in found if x.what == each.what) for each in found}
    return tuple(sorted(found, key=lambda each: (-best[each.what], each.what, each.m)))


def _limit(row: Row, base: float, read: float | None) -> float | None:
    return base / (1e6 * row["bytes"] / read) if read and "bytes" in row else None


def shares(rows: list[Row]) -> tuple[Share, ...]:
    """Element and block kernels; XLA's first in each pair."""
    top = ceilings(rows)
    some = [row for row in rows if row.get("operations") == 0 and "median" in row and "way" in row]
    found = [Share(row["what"], fraction(row, top) or 0.0, is_xla(row["way"])) for row in some]
    return tuple(sorted(found, key=lambda each: (each.what, not each.is_xla)))


def is_xla(way: str) -> bool:
    """Whether a kernel is XLA's compilation of the golden code: those are no Pallas kernels.

    >>> is_xla("kernels_ref.encode"), is_xla("kernels_ref.mosaic.encode")
    (True, False)
    """
    return not way.startswith(("kernels_ref.hopper.", "kernels_ref.mosaic."))


def products(found: Iterable[Speed]) -> Figure:
    """A panel for each batch; a bar for each product, and a mark where the bytes alone would let it be."""
    points = list(found)
    names = list(dict.fromkeys(each.what for each in points))
    batches = sorted({each.m for each in points})
    figure = Figure(figsize=(2.2 + 2.1 * len(batches), 1.3 + 0.21 * len(names)), layout="constrained")
    grid: Any = figure.subplots(1, len(batches), squeeze=False, sharey=True, sharex=True)[0]
    for axes, m in zip(grid, batches, strict=True):
        some = [each for each in points if each.m == m]
        rows = [names.index(each.what) for each in some]
        colours = [_XLA if each.limit is None else _OURS for each in some]
        axes.barh(rows, [each.times for each in some], color=colours, height=0.72)
        marked = [(row, each.limit) for row, each in zip(rows, some, strict=True) if each.limit is not None]
        axes.plot([x for _, x in marked], [y for y, _ in marked], "|", color=_MARK, markersize=8, markeredgewidth=1.6)
        axes.set_title(f"M = {m}", loc="left", fontsize=10)
        _tidy(axes, len(names))
    grid[0].set_xlim(0, 1.04 * max(max(each.times, each.limit or 0) for each in points))
    grid[0].set_yticks(range(len(names)), names, fontsize=8)
    _below(figure, "times the speed of XLA's bfloat16 product", [("bytes alone, at the speed of a read", "|", _MARK)])
    return figure


def planes(found: Iterable[Share]) -> Figure:
    """Two bars for each contract: XLA's compilation of the golden code, and the kernel."""
    points = list(found)
    names = list(dict.fromkeys(each.what for each in points))
    figure = Figure(figsize=(9, 1.2 + 0.34 * len(names)), layout="constrained")
    axes: Any = figure.subplots()
    for each in points:
        row = names.index(each.what) + (-0.2 if each.is_xla else 0.2)
        axes.barh(row, each.of_copy, color=_XLA if each.is_xla else _OURS, height=0.38)
        text = axes.text(each.of_copy + 0.008, row, f"{each.of_copy:.2f}", va="center", fontsize=7)
        text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    axes.set_xlim(0, 1.05 * max(each.of_copy for each in points))
    axes.set_yticks(range(len(names)), names, fontsize=8)
    _tidy(axes, len(names))
    _below(figure, "bandwidth, as a part of the copy's", [("XLA", "s", _XLA), ("kernel", "s", _OURS)])
    return figure


def _tidy(axes: Any, rows: int) -> None:
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _below(figure: Figure, text: str, entries: list[tuple[str, str, str]]) -> None:
    """What the axis is, and a legend, under all panels."""
    of_figure: Any = figure
    of_figure.supxlabel(text, fontsize=9)
    axes: Any = figure.axes[0]
    style = {"linestyle": "", "markeredgewidth": 1.6}
    handles = [axes.plot([], [], mark, color=colour, label=name, **style)[0] for name, mark, colour in entries]
    of_figure.legend(handles=handles, loc="outside upper right", ncols=len(entries), fontsize=8, frameon=False)


def pictures(rows: list[Row]) -> dict[str, Numbers]:
    """The numbers of every picture that the rows allow, by name: one for each N and K of products, one of planes."""
    sizes = sorted({(row["n"], row["k"]) for row in rows if row.get("operations") and "n" in row}, reverse=True)
    found: dict[str, Numbers] = {f"products_{n}x{k}": speeds(rows, n, k) for n, k in sizes}
    found["planes"] = shares(rows)
    return {name: numbers for name, numbers in found.items() if numbers}


def drawn(numbers: Numbers) -> bytes:
    """The picture as a PNG file that holds the `digest` of its numbers."""
    is_products = isinstance(numbers[0], Speed)
    figure: Figure = products(numbers) if is_products else planes(numbers)  # pyright: ignore[reportArgumentType]
    return png(figure, {_DRAWN_FROM: digest(numbers)})


def digest(numbers: Numbers) -> str:
    """SHA-256 of the numbers as they are written."""
    return hashlib.sha256(repr(numbers).encode()).hexdigest()


def drawn_from(file: Path) -> str | None:
    """The digest that a picture's file holds; None where there is no such file, or no digest in it."""
    if not file.exists():
        return None
    with Image.open(file) as image:
        return image.info.get(_DRAWN_FROM)


def renew(file: Path, numbers: Numbers) -> None:
    """Draw a picture of these numbers, if the file holds one of others or none."""
    if drawn_from(file) != digest(numbers):
        file.write_bytes(drawn(numbers))
