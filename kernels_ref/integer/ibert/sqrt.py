"""I-BERT's integer square root in JAX: 32-bit words and no others."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from kernels_ref.integer.ibert.words import bit_length
from reference.integer.ibert.sqrt import STEPS


def isqrt(n: Array) -> Array:
    """`reference.integer.ibert.isqrt` in JAX, for uint32: ``floor(sqrt(n))``, as uint32, under jit.

    ``TypeError`` for another type.

    >>> isqrt(jnp.array([0, 15, 16, 99, (1 << 32) - 1], jnp.uint32)).tolist()
    [0, 3, 4, 9, 65535]
    """
    if n.dtype != jnp.uint32:
        raise TypeError(f"n has dtype {n.dtype.name}; isqrt takes uint32")
    one = jnp.uint32(1)
    x = one << ((bit_length(n) + 1) >> 1).astype(jnp.uint32)
    for _ in range(STEPS):
        x = jnp.minimum(x, (x + lax.div(n, jnp.maximum(x, one))) >> one)
    return jnp.where(n > 0, x, jnp.uint32(0))
