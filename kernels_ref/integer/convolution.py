"""Integer convolutions in JAX: int8 by int8 into int32, by the form that is fast for the shape on a CPU.

| convolution | form |
|---|---|
| one pixel | a matrix product |
| each channel for itself | products of shifted pictures, added |
| few channels | the neighbourhoods side by side, then a matrix product |
| any other | XLA's convolution of int8, which is a library's from 17 channels on and slow below |

All are exact modulo ``2^32``, so equal.
"""

from __future__ import annotations

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from kernels_ref.integer import linear
from kernels_ref.integer.words import accumulators
from reference.array.integer.windows import padded, places
from reference.integer.network import Affine, Convolution

Weights = NDArray[np.int8]

#: XLA 2026 hands a convolution of int8 to its library where either side has more channels than this
FEW = 16


def convolution(x: Array, affine: Affine, node: Convolution) -> Array:
    """The accumulators of a convolution, int32: NHWC by the node's weight (OHWI).

    ``sum (x - z) * weight + bias``, modulo ``2^32``, where padding has the integer ``z``. ``affine``: the quantisation
    of ``x``.
    """

    def sums(values: Array, zero: int) -> Array:
        return product(padded(values, node.padding, zero, jnp), node.weight, node.strides, node.groups)

    return accumulators(x, affine, node, sums)


def product(x: Array, weight: Weights, strides: tuple[int, int], groups: int) -> Array:
    """int8 NHWC by int8 OHWI -> int32 NHWC, without padding."""
    channels = weight.shape[3]
    if weight.shape[1:3] == (1, 1) and groups == 1:
        return linear.product(x[:, :: strides[0], :: strides[1]], weight[:, 0, 0])
    if channels == 1:
        return _scaled(x, weight, strides)
    if groups > 1:
        parts = zip(jnp.split(x, groups, axis=3), np.split(weight, groups), strict=True)
        return jnp.concatenate([product(values, part, strides, 1) for values, part in parts], axis=3)
    if channels < FEW or max(channels, len(weight)) <= FEW:
        return _gathered(x, weight, strides)
    return _convolved(x, weight, strides)


def _scaled(x: Array, weight: Weights, strides: tuple[int, int]) -> Array:
    """One input channel for each output channel, which is the only one or its own."""
    own = 1 < x.shape[3] < len(weight)
    source = jnp.repeat(x, len(weight) // x.shape[3], axis=3) if own else x
    places = weight.reshape(len(weight), -1).T.astype(np.int32)
    total: Array | None = None
    for pixels, place in zip(_neighbours(source, weight, strides), places, strict=True):
        term = pixels.astype(jnp.int32) * place
        total = term if total is None else total + term
    assert total is not None
    return total


def _gathered(x: Array, weight: Weights, strides: tuple[int, int]) -> Array:
    """The neighbourhood of each output pixel as one row of a matrix."""
    rows = jnp.concatenate(list(_neighbours(x, weight, strides)), axis=3)
    return linear.product(rows, weight.reshape(len(weight), -1))


def _convolved(x: Array, weight: Weights, strides: tuple[int, int]) -> Array:
    """XLA's own, behind a barrier: it would make padding with 0 part of the convolution, and many such ones of int8 are
    wrong in jaxlib 0.10.2 and do not compile in 0.12.
    """
    x = lax.optimization_barrier(x)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return lax.conv_general_dilated(
        x,
        jnp.asarray(weight.transpose(1, 2, 3, 0)),  # pyright: ignore[reportUnknownMemberType]
        strides,
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        preferred_element_type=jnp.int32,
    )


def _neighbours(x: Array, weight: Weights, strides: tuple[int, int]) -> Iterator[Array]:
    """For each place in the window, row by row, the pixels there."""
    window = (weight.shape[1], weight.shape[2])
    return (pixels for _, _, pixels in places(x, window, strides))
