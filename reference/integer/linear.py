"""Integer matrix products on NumPy arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.integer.accumulator import Limits
from reference.integer.affine import check_integers
from reference.integer.convolution import sum_dtype, with_bias
from reference.integer.network import Affine, Linear


def linear(x: ArrayLike, affine: Affine, node: Linear, *, limits: Limits | None = None) -> NDArray[np.int32]:
    """The accumulators of a linear layer: ``sum (x - z) * weight + bias`` over the inputs, int32.

    ``x``: integers of ``affine``, (batch, in); the result is (batch, out). ``limits`` and errors: as of
    `reference.integer.convolution.convolution`.

    >>> import formats
    >>> int8 = formats.get("int8")
    >>> source = Affine(format=formats.get("uint4"), scale=0.2)
    >>> node = Linear(
    ...     name="worked", inputs=("x",), out=source, weight=np.array([[7, -4, 1], [-7, 1, 3]], np.int8),
    ...     weight_scale=(0.1, 0.2), bias=np.array([25, -8], np.int32), weight_format=formats.get("int4"),
    ...     rule="hawq_v3_tvm",
    ... )
    >>> linear([[0, 4, 10]], source, node)
    array([[19, 26]], dtype=int32)
    """
    array = check_integers(x, affine, "x")
    if array.ndim != 2 or array.shape[1] != node.weight.shape[1]:
        raise ValueError(f"node {node.name!r}: x of shape {array.shape} must be (batch, {node.weight.shape[1]})")
    dtype = sum_dtype(node, affine, limits)
    return with_bias((array.astype(dtype) - dtype(affine.zero_point)) @ node.weight.astype(dtype).T, node)
