"""Integer pooling in JAX."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from reference.array.integer.pooling import average
from reference.array.integer.windows import counts, padded, places
from reference.integer.network import Pool

#: the largest window whose pixels are added one by one; the sum over a larger picture is one over rows, then columns
LARGEST = 32


def pool(x: Array, node: Pool) -> Array:
    """`reference.integer.pooling` in JAX: the same integers, in the type of ``x``, which is that of the format."""
    size = (x.shape[1], x.shape[2])
    if node.window is None and size[0] * size[1] > LARGEST and node.kind != "max":
        total = x.sum(axis=1, dtype=jnp.int32).sum(axis=1, dtype=jnp.int32)
        return average(total, _area(size), node.kind, jnp).astype(x.dtype)
    window = node.window or size
    if node.kind == "max":
        pictures = padded(x, node.padding, node.out.format.minimum, jnp)
        result = functools.reduce(jnp.maximum, _pixels(pictures, window, node))
    else:
        total = functools.reduce(operator.add, _pixels(padded(x, node.padding, 0, jnp).astype(jnp.int32), window, node))
        count = counts(size, window, node.strides, node.padding, np)
        result = average(total, count, node.kind, jnp).astype(x.dtype)
    return result[:, 0, 0] if node.window is None else result


def _area(size: tuple[int, int]) -> NDArray[np.int32]:
    return np.array(size[0] * size[1], np.int32)


def _pixels(x: Array, window: tuple[int, int], node: Pool) -> Iterator[Array]:
    return (pixels for _, _, pixels in places(x, window, node.strides))
