"""A product of matrices a few rows at a time, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

from kernels_ref.dot.flow import each

_WORDS = 1 << 24  # 64 MiB of 32-bit words


def by_rows(some: Callable[[Array, Array], Array], c: Array, a: Array, words: int) -> Array:
    """``some(c, a)`` of (..., M, N) and (..., M, K), which keeps ``words`` 32-bit words for each element of ``c``."""
    rows = max(1, _WORDS * c.shape[-2] // max(1, words * c.size))
    if rows >= c.shape[-2]:
        return some(c, a)

    def one(x: tuple[Array, Array]) -> Array:
        return some(x[0][..., None, :], x[1][..., None, :])[..., 0, :]

    rows_first = jnp.moveaxis(c, -2, 0), jnp.moveaxis(a, -2, 0)
    return jnp.moveaxis(each(one, rows_first, at_a_time=rows), 0, -2)
