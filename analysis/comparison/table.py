"""The tables of a comparison: one row a tensor and cell, the sums over all tensors, and the Pareto front."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

from analysis.metrics import snr_db

#: what tells cells apart
CELL = ("kind", "format", "bits", "granularity", "scheme", "scale_rule", "scale_format", "rounding", "saturation")


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One row a cell over all tensors, as if they were one: sorted by SNR, highest first.

    Means weigh each tensor by the elements that they are over (``mean_rel``: by ``nonzero``), maxima are maxima, and
    the SNR is that of the concatenation.
    """
    frame: Any = table  # pandas' types are partly unknown to a strict checker
    groups = frame.groupby(list(CELL), sort=False)
    rows: Any = [_concatenated(dict(zip(CELL, key, strict=True)), group) for key, group in groups]
    return pd.DataFrame(rows).sort_values("snr_db", ascending=False, kind="stable", ignore_index=True)


def _concatenated(cell: dict[str, Any], group: Any) -> dict[str, Any]:
    elements, nonzero = group["elements"].to_numpy(np.float64), group["nonzero"].to_numpy(np.float64)

    def mean(name: str, weights: Any) -> float:
        return float(np.dot(group[name], weights) / max(weights.sum(), 1))

    return {
        **cell,
        "snr_db": snr_db(float(group["signal"].sum()), float(group["noise"].sum())),
        "max_rel": float(group["max_rel"].max()),
        "mean_rel": mean("mean_rel", nonzero),
        "max_ulp": float(group["max_ulp"].max()),
        "mean_ulp": mean("mean_ulp", elements),
        "bits_per_weight": mean("bits_per_weight", elements),
        "saturated": mean("saturated", elements),
        "underflowed": mean("underflowed", elements),
    }


def pareto(cells: pd.DataFrame) -> pd.DataFrame:
    """The rows of a summary that no other row beats: none has a higher SNR at as few bits per weight, cheapest first.

    >>> cells = pd.DataFrame({"bits_per_weight": [8.0, 4.5, 4.5, 9.0], "snr_db": [40.0, 19.0, 20.0, 38.0]})
    >>> pareto(cells).index.tolist()
    [2, 0]
    """
    ordered: Any = cells.sort_values(["bits_per_weight", "snr_db"], ascending=[True, False], kind="stable")
    best = ordered["snr_db"].cummax().shift(fill_value=-np.inf)
    return ordered[ordered["snr_db"] > best]


def common(cells: pd.DataFrame) -> pd.DataFrame:
    """The rows of the combination of granularity, scheme and rule under which most formats were run.

    Among equals: per channel, symmetric, absmax, in this order of importance. Block formats, which have their own, do
    not count; where there is nothing else, all of them are taken.
    """
    keys = ["granularity", "scheme", "scale_rule"]
    frame: Any = part(cells, "scalar")
    if frame.empty:
        return cells
    plain = [(frame[key] == usual).astype(int) for key, usual in zip(keys, _USUAL, strict=True)]
    order = frame.groupby(keys, sort=False)["format"].transform("count") * 8 + plain[0] * 4 + plain[1] * 2 + plain[2]
    return frame[(frame[keys] == frame.loc[order.idxmax(), keys]).all(axis=1)]


def part(cells: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The rows of one kind: ``scalar``, formats whose scales the comparison chooses, or ``block``."""
    frame = cast(Any, cells)
    return frame[frame["kind"] == kind]


_USUAL = ("channel", "symmetric", "absmax")
