"""The inputs that peers and judge are compared on."""

from __future__ import annotations

from functools import cache

import numpy as np
from peers.adapters.peer import Values
from rotation import rotate

from formats import Format
from kernels_ref import landmarks

#: further steps from a float64 tie or value, all within half a unit in the last place of float32
_PAST = (1 << 20, 1 << 28)


@cache
def inputs(spec: Format, dtype: str, ticks: int = 0) -> Values:
    """All values of a 16-bit dtype; of a wider one every landmark of the format with its neighbours.

    Landmarks are all representable values, ties, range ends and halves of subnormals, NaN payloads and the dtype's
    own subnormals; float64 has those of float32 besides. ``ticks`` adds the points that cut the gaps between values
    into ``2^ticks`` parts.
    """
    kind = landmarks.dtype_of(dtype)
    word = np.dtype(f"u{kind.itemsize}")
    if kind.itemsize == 2:
        return np.arange(1 << 16, dtype=word).view(kind)
    parts = [landmarks.edges(spec), _ticks(spec, ticks), *map(_share, _lines(spec))]
    points = landmarks.as_dtype(np.concatenate(parts), dtype)
    steps = [-2, -1, 0, 1, 2, *((-_PAST[1], -_PAST[0], *_PAST) if dtype == "float64" else ())]
    around = np.concatenate([landmarks.neighbours(points, step) for step in steps])
    extremes = [landmarks.signed_zeros(dtype), landmarks.nan_payloads(dtype), landmarks.dtype_subnormals(dtype)]
    parts = [around, -around, *extremes]
    if dtype == "float64":
        narrower = inputs(spec, "float32")
        parts.append(narrower[~landmarks.is_nan(narrower)].astype(kind))
    return np.unique(np.concatenate([part.view(word) for part in parts])).view(kind)


def _lines(spec: Format) -> tuple[np.ndarray, ...]:
    return landmarks.subnormals(spec), landmarks.magnitudes(spec), landmarks.midpoints(spec)


def _share(points: np.ndarray) -> np.ndarray:
    """All points of a narrow format, today's share of a 16-bit one's tens of thousands (even and odd codes alike)."""
    return points if points.size < 1 << 10 else np.array(rotate(points.tolist(), 9))


def _ticks(spec: Format, ticks: int) -> np.ndarray:
    values = landmarks.magnitudes(spec)
    parts = np.arange(1, 1 << ticks) / (1 << ticks)
    return (values[:-1, None] + np.diff(values)[:, None] * parts).ravel()
