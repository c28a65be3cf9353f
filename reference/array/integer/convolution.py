"""Integer convolutions and matrix products as products of exact floats, in NumPy.

A sum of integers whose partial sums all stay within ``2^53`` is exact in binary64, in any order and with or without
fused multiply-add: every partial sum is an integer of 53 bits, so no operation rounds. The same holds in binary32 for
``2^24``. So BLAS, which has no integers, gives the integer result bit for bit. An accumulator of int32 is below
``2^31``, so binary64 always does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.array.integer.windows import places

Floats = NDArray[np.floating[Any]]
Wide = NDArray[np.int64]


def exact_dtype(bound: int) -> type[np.floating[Any]]:
    """The float in which sums are exact whose every partial sum has a magnitude of at most ``bound``.

    >>> exact_dtype(1 << 24).__name__, exact_dtype((1 << 24) + 1).__name__
    ('float32', 'float64')
    """
    if bound > 1 << 53:
        raise ValueError(f"bound={bound} must be at most 2^53, where binary64 stops to be exact")
    return np.float32 if bound <= 1 << 24 else np.float64


def convolution(x: Floats, weight: Floats, strides: tuple[int, int], groups: int) -> Floats:
    """NHWC, padded already, by OHWI of one type: the sums of products, in that type.

    One matrix product for each place in the window; a depthwise one multiplies and adds element by element.
    """
    out, height, width, channels = weight.shape
    total: Any = 0
    for i, j, pixels in places(x, (height, width), strides):
        tap = weight[:, i, j, :]
        total = total + (_depthwise(pixels, tap[:, 0], groups) if channels == 1 else _grouped(pixels, tap, groups))
    return total.reshape(*total.shape[:3], out)


def _depthwise(pixels: Floats, tap: Floats, groups: int) -> Floats:
    """One input channel for each group: (N, H, W, groups) by (out,) -> (N, H, W, groups, out / groups)."""
    return pixels[..., None] * tap.reshape(groups, -1)


def _grouped(pixels: Floats, tap: Floats, groups: int) -> Floats:
    """(N, H, W, in) by (out, in / groups) -> (N, H, W, out)."""
    shape = pixels.shape[:3]
    if groups == 1:
        return (pixels.reshape(-1, tap.shape[1]) @ tap.T).reshape(*shape, len(tap))
    split = pixels.reshape(-1, groups, tap.shape[1]).transpose(1, 0, 2)
    taps = tap.reshape(groups, -1, tap.shape[1]).transpose(0, 2, 1)
    return (split @ taps).transpose(1, 0, 2).reshape(*shape, len(tap))
