"""The pictures of a measurement: errors against K, and their distribution at one K."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
from matplotlib.figure import Figure

from analysis.accumulation.measured import Measurement

_COLOURS = ("#be123c", "#c2410c", "#1f4e9c", "#0b6e4f", "#7b2d8b", "#0e7490", "#a16207", "#4d4d4d")
_NORM = r"$\Sigma\,|a_k b_k|$"


def against_k(table: pd.DataFrame) -> Figure:
    """Root mean square error over ``sum |a b|`` (solid), and the largest running bound (dotted), against K."""
    frame: Any = table
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    axes: Any = figure.subplots()
    for i, (name, rows) in enumerate(frame.groupby("accumulator", sort=False)):
        colour = _COLOURS[i % len(_COLOURS)]
        axes.plot(rows["k"], _positive(rows["rms"]), marker="o", markersize=4, color=colour, label=name)
        axes.plot(rows["k"], _positive(rows["running_bound"]), ":", color=colour, linewidth=1.2)
    axes.plot([], [], ":", color="grey", label="bound from the operands")
    axes.set_xscale("log", base=2)
    if (frame[["rms", "running_bound"]] > 0).any(axis=None):
        axes.set_yscale("log", base=2)
    ks = sorted(set(frame["k"]))
    axes.set_xticks(ks, [f"{k}" for k in ks])
    axes.minorticks_off()
    axes.set_xlabel("K, products in each sum")
    axes.set_ylabel(f"rms of error / {_NORM}")
    axes.set_title("What a longer sum loses: measured (lines) and at most (dots)", loc="left", fontsize=11)
    axes.legend(fontsize=8.5, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.grid(alpha=0.25)
    return figure


def distribution(found: Sequence[Measurement]) -> Figure:
    """For each size of error the part of the outputs that have a larger one; a vertical line is a bound."""
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    axes: Any = figure.subplots()
    for i, one in enumerate(found):
        colour = _COLOURS[i % len(_COLOURS)]
        scaled = np.sort((np.abs(one.error) / one.magnitude)[np.isfinite(one.error) & (one.magnitude > 0)])
        lost = scaled[scaled > 0]
        beyond = np.arange(lost.size, 0, -1) / max(scaled.size, 1)
        axes.step(lost, beyond, where="pre", color=colour, label=one.accumulator.name)
        bound = float(np.max(one.running / one.magnitude, initial=0, where=one.magnitude > 0))
        if 0 < bound < np.inf:
            axes.axvline(bound, color=colour, linestyle=":", linewidth=1.2)
    axes.plot([], [], ":", color="grey", label="bound from the operands")
    if any((one.error != 0).any() for one in found):
        axes.set_xscale("log", base=2)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(f"|error| / {_NORM}")
    axes.set_ylabel("part of the outputs with a larger error")
    axes.set_title(f"Errors of {found[0].error.size} sums of K = {found[0].k} products", loc="left", fontsize=11)
    axes.legend(fontsize=8.5, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.grid(alpha=0.25)
    return figure


def _positive(x: Any) -> Any:
    """What a logarithmic axis can show."""
    return x.where((x > 0) & np.isfinite(x))
