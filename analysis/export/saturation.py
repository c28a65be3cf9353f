"""Sums of pairs that saturate to 16 bits: uint8 activations and int8 weights in ONNX Runtime on some processors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.integer.network import Affine, Linear

#: 255 * 64 * 2 = 32640: two products with weights of at most this fit int16, whatever the activations are
SAFE_WEIGHT = 64


def saturated_linear(x: NDArray[np.uint8], source: Affine, node: Linear) -> NDArray[np.int64]:
    """The accumulators of a linear layer whose sums ``x[2i] w[2i] + x[2i+1] w[2i+1]`` are clamped to int16.

    The instruction VPMADDUBSW does that, on the integers as they are; zero points and bias are added exactly. ONNX
    Runtime uses it for QLinearMatMul, and for QLinearConv of one group, on x86-64 without VNNI, where activations are
    uint8; int8 activations are multiplied otherwise, exactly. Weights of at most `SAFE_WEIGHT` in magnitude are safe,
    and so is ``session.x64quantprecision``.

    >>> import formats
    >>> affine = Affine(format=formats.get("uint8"), scale=1.0)
    >>> node = Linear(
    ...     name="y", inputs=("x",), out=affine, weight=np.array([[127, 127]], np.int8), weight_scale=(1.0,),
    ...     bias=np.zeros(1, np.int32), weight_format=formats.get("int8"), rule="onnx_qlinear",
    ... )
    >>> saturated_linear(np.array([[255, 255]], np.uint8), affine, node).item(), 2 * 255 * 127
    (32767, 64770)
    """
    products = x.astype(np.int64)[:, None, :] * node.weight.astype(np.int64)
    even = np.pad(products, ((0, 0), (0, 0), (0, products.shape[2] % 2)))
    pairs: NDArray[Any] = even.reshape(*even.shape[:2], -1, 2).sum(axis=3)
    total = np.clip(pairs, -(1 << 15), (1 << 15) - 1).sum(axis=2)
    return total - source.zero_point * node.weight.astype(np.int64).sum(axis=1) + node.bias
