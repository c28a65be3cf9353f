"""TFLite's int16 softmax in JAX, in 32-bit words."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from formats.integer_only.softmax16_tflite import difference16
from kernels_ref.integer.softmax_tflite import high
from reference.array.integer import softmax16 as steps
from reference.integer.softmax16_tflite import check_rows, tables
from reference.integer.words16 import check_dtype

_WORDS = steps.Words(high, lax.clz)


def softmax16(q: Array, scale: float, *, beta: float = 1.0) -> Array:
    """`reference.integer.softmax16_tflite.softmax16` in JAX: same integers and errors; jit, vmap.

    >>> softmax16(jnp.array([4000, 2000, -500, 0], jnp.int16), 0.0005)
    Array([20370,  7494,  2147,  2757], dtype=int16)
    """
    check_dtype(q.dtype, np.int16)
    check_rows(q.shape)
    pair = difference16(scale, beta)
    words = q.astype(jnp.int32)
    d = words - words.max(axis=-1, keepdims=True)
    exps, reciprocals = (jnp.asarray(table) for table in tables())  # pyright: ignore[reportUnknownMemberType]
    return steps.softmax16(d, pair, (exps, reciprocals), _WORDS, jnp).astype(jnp.int16)
