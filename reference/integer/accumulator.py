"""What an accumulator may reach, from the weights and the integers that come in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from formats.results import INT32
from reference.integer.network import Affine, Weighted

Wide = NDArray[np.int64]
Limits = tuple[int, int]


def accumulator_bound(node: Weighted, affine: Affine, *, limits: Limits | None = None) -> tuple[Wide, Wide]:
    """The least and the greatest that each output channel's accumulator may be at any time: int64, one a channel.

    With inputs ``a <= q - z <= b`` and ``a <= 0 <= b``, every sum of some of the products and the bias lies in
    ``[sum min(a w, b w) + min(bias, 0), sum max(a w, b w) + max(bias, 0)]``: whatever the order of summation, and
    whatever of the window is padding. Both ends are attained by some order.

    ``affine``: the quantisation of what comes in; ``limits``: its least and greatest integer, the format's where None.

    >>> import formats
    >>> from reference.integer.network import Linear
    >>> int8 = formats.get("int8")
    >>> x, y = Affine(format=int8, scale=0.1, zero_point=-128), Affine(format=int8, scale=1.0)
    >>> w, b = np.array([[100, -50], [1, 1]], np.int8), np.array([-7, 0], np.int32)
    >>> node = Linear(
    ...     name="y", inputs=("x",), out=y, weight=w, bias=b, weight_scale=(0.1,), weight_format=int8,
    ...     rule="tflite_double_rounding",
    ... )
    >>> accumulator_bound(node, x)
    (array([-12757,      0]), array([25500,   510]))
    """
    least, greatest = sums(node, affine, limits)
    bias = node.bias.astype(np.int64)
    return least + np.minimum(bias, 0), greatest + np.maximum(bias, 0)


def reachable(node: Weighted, affine: Affine, *, limits: Limits | None = None) -> tuple[Wide, Wide]:
    """The least and the greatest that each output channel's finished accumulator may be."""
    least, greatest = sums(node, affine, limits)
    bias = node.bias.astype(np.int64)
    return least + bias, greatest + bias


def sums(node: Weighted, affine: Affine, limits: Limits | None) -> tuple[Wide, Wide]:
    """The bound of `accumulator_bound` without the bias."""
    low, high = limits or (affine.format.minimum, affine.format.maximum)
    a, b = min(low - affine.zero_point, 0), max(high - affine.zero_point, 0)
    rows = node.weight.reshape(len(node.weight), -1).astype(np.int64)
    positive, negative = np.maximum(rows, 0).sum(axis=1), np.minimum(rows, 0).sum(axis=1)
    return a * positive + b * negative, b * positive + a * negative


def check_accumulator(node: Weighted, affine: Affine, *, limits: Limits | None = None) -> None:
    """``OverflowError`` with the first channel whose accumulator may leave int32, and its bound."""
    least, greatest = accumulator_bound(node, affine, limits=limits)
    for channel, (low, high) in enumerate(zip(least.tolist(), greatest.tolist(), strict=True)):
        if low < INT32.minimum or high > INT32.maximum:
            raise OverflowError(
                f"node {node.name!r}: the accumulator of channel {channel} may lie anywhere from {low} to {high}, "
                "which int32 does not hold"
            )
