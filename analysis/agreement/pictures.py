"""The picture of a map: which scale each rule picks over a binade, and what it costs on each collection of tensors."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from analysis.agreement.intervals import BINADE, Interval
from analysis.agreement.map import Map
from analysis.plots import plain

#: by the headroom of an interval: every rule of the map takes one of two scales
_SHADES = {0: ("OCP's scale", "#c7d7ee"), -1: ("twice that", "#1f4e9c")}
_COLOURS = ("#be123c", "#0b6e4f", "#a16207", "#7b2d8b")


def picture(found: Map) -> Figure:
    """A row for each MX format: bars over the significand of the block's largest magnitude, and costs in decibels."""
    names = list(found.choices)
    heights = [len(found.choices[name]) for name in names]
    figure = Figure(figsize=(9, 0.6 + 0.25 * sum(heights) + 0.3 * len(names)), layout="constrained")
    grid: Any = figure.subplots(len(names), 2, squeeze=False, height_ratios=heights, sharex="col")
    for axes, name in zip(grid, names, strict=True):
        rules = list(found.choices[name])
        _bars(axes[0], name, [found.choices[name][rule] for rule in rules], rules)
        _costs(axes[1], found, name, rules)
    for text, shade in _SHADES.values():
        grid[0, 0].plot([], [], "s", markersize=9, color=shade, label=text)
    grid[0, 0].legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0.35, 1.0), ncols=2)
    grid[-1, 0].set_xlabel(rf"largest magnitude of the block / $2^{BINADE}$")
    grid[-1, 1].set_xlabel("SNR lost against the best rule, dB")
    handles, sources = grid[0, 1].get_legend_handles_labels()
    of_figure: Any = figure
    style = {"fontsize": 8, "frameon": False, "loc": "outside lower right", "ncols": 3}
    for text in of_figure.legend(handles, sources, **style).get_texts():
        text.set_parse_math(False)
    return figure


def _bars(axes: Any, name: str, choices: list[tuple[Interval, ...]], rules: list[str]) -> None:
    for y, intervals in enumerate(choices):
        for each in intervals:
            width = float(each.stop - each.start)
            axes.barh(y, width, left=float(each.start), height=0.78, color=_SHADES[each.headroom][1], linewidth=0)
    axes.set_xlim(1, 2)
    axes.set_yticks(range(len(rules)), rules, fontsize=8)
    axes.set_ylim(len(rules) - 0.5, -0.5)
    axes.grid(visible=False)
    axes.set_title(name, loc="left", fontsize=9, fontweight="bold")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _costs(axes: Any, found: Map, name: str, rules: list[str]) -> None:
    rows: Any = found.rows
    ours = rows[(rows["format"] == name) & (rows["expected"] == "")]
    for i, (source, group) in enumerate(ours.groupby("data", sort=False)):
        cost = group.set_index("way")["cost_db"].reindex(rules)
        style = {"markersize": max(3, 8 - 2 * i), "color": _COLOURS[i % len(_COLOURS)]}
        axes.plot(cost, range(len(rules)), "o", label=plain(str(source)), **style)
    axes.set_yticks(range(len(rules)), [""] * len(rules))
    axes.set_ylim(len(rules) - 0.5, -0.5)
    axes.grid(alpha=0.25)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
