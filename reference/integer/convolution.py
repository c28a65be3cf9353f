"""Integer convolutions on NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.array.integer import convolution as exact_floats
from reference.array.integer.windows import padded
from reference.integer.accumulator import Limits, accumulator_bound, check_accumulator
from reference.integer.affine import check_integers
from reference.integer.network import Affine, Convolution, Weighted

Floats = NDArray[np.floating[Any]]


def convolution(x: ArrayLike, affine: Affine, node: Convolution, *, limits: Limits | None = None) -> NDArray[np.int32]:
    """The accumulators of a convolution: ``sum (x - z) * weight + bias`` over each window, int32.

    A cross-correlation; padding has the integer ``z``, so adds nothing. Group ``g`` of the output channels takes group
    ``g`` of the input's. Rows and columns at the end that fill no window are in none.

    ``x``: integers of ``affine``, (batch, height, width, in); the result is (batch, rows, columns, out). ``limits``:
    the least and greatest integer that ``x`` may hold, the format's where None: where these allow a sum that int32
    does not hold, ``OverflowError`` names the channel, whatever ``x`` is. ``ValueError`` for a shape or an integer
    that does not fit.

    The sums are formed in floats in which they are exact: see `reference.array.integer.convolution`.

    >>> import formats
    >>> int8 = formats.get("int8")
    >>> source = Affine(format=int8, scale=0.1, zero_point=-1)
    >>> node = Convolution(
    ...     name="edges", inputs=("x",), out=source, weight=np.array([[[[1], [-1]]]], np.int8), weight_scale=(1.0,),
    ...     bias=np.array([5], np.int32), weight_format=int8, rule="tflite_double_rounding", padding=((0, 0), (1, 0)),
    ... )
    >>> convolution(np.array([4, 7, 2], np.int8).reshape(1, 1, 3, 1), source, node).ravel()
    array([ 0,  2, 10], dtype=int32)
    """
    array = check_integers(x, affine, "x")
    channels = node.weight.shape[3] * node.groups
    if array.ndim != 4 or array.shape[3] != channels:
        raise ValueError(f"node {node.name!r}: x of shape {array.shape} must be (batch, height, width, {channels})")
    dtype = sum_dtype(node, affine, limits)
    pictures = padded(array.astype(dtype) - dtype(affine.zero_point), node.padding, 0, np)
    window = node.weight.shape[1:3]
    if pictures.shape[1] < window[0] or pictures.shape[2] < window[1]:
        raise ValueError(f"node {node.name!r}: a picture of {pictures.shape[1:3]}, padded, has no window of {window}")
    total = exact_floats.convolution(pictures, node.weight.astype(dtype), node.strides, node.groups)
    return with_bias(total, node)


def sum_dtype(node: Weighted, affine: Affine, limits: Limits | None) -> type[np.floating[Any]]:
    """The float in which the node's sums are exact; ``OverflowError`` where they may leave int32."""
    check_accumulator(node, affine, limits=limits)
    least, greatest = accumulator_bound(node, affine, limits=limits)
    low, high = limits or (affine.format.minimum, affine.format.maximum)
    values = max(abs(low), abs(high), abs(affine.zero_point), high - affine.zero_point, affine.zero_point - low)
    return exact_floats.exact_dtype(max(-int(least.min()), int(greatest.max()), values))


def with_bias(total: Floats, node: Weighted) -> NDArray[np.int32]:
    """Exact sums and the bias, in int32."""
    return total.astype(np.int32) + node.bias
