"""TFLite's int8 softmax in JAX: the fixed point in 32-bit words alone; the table of binary32 numbers as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from formats import parse_enum
from formats.integer_only.softmax_tflite import Difference, SoftmaxForm, difference
from kernels_ref.block_binary32 import divided
from kernels_ref.integer.ibert.words import multiply
from kernels_ref.integer.product import logical
from reference.array.integer import fixed_point
from reference.integer.softmax_tflite import checked, exp_table

control: Any = lax


def softmax(q: Array, scale: float, *, form: SoftmaxForm | str, beta: float = 1.0) -> Array:
    """`reference.integer.softmax_tflite.softmax` in JAX: same integers and errors, bit for bit; jit, vmap.

    >>> softmax(jnp.array([40, 20, -5, 0], jnp.int8), 0.05, form="fixed_point")
    Array([  31,  -69, -111, -106], dtype=int8)
    """
    chosen = parse_enum(SoftmaxForm, form, "form")
    checked(np.broadcast_to(np.zeros((), q.dtype), q.shape))
    made = difference(scale, beta)
    if chosen is SoftmaxForm.BINARY32:
        return _by_floats(q, exp_table(scale, beta))
    return _fixed_point(q, made)


def high(a: Array, b: Array | int) -> Array:
    """``floor(a b / 2^31 + 1/2)``, from both words of the product."""
    product = multiply(a, jnp.int32(b) if isinstance(b, int) else b)
    return ((product.high << 1) | logical(product.low, 31)) + (logical(product.low, 30) & 1)


def _fixed_point_rows(q: Array, made: Difference) -> Array:
    wide = q.astype(jnp.int32)
    d = wide - wide.max(axis=-1, keepdims=True)
    counted = d >= made.least
    x = high(jnp.where(counted, d, 0) << made.shift, made.multiplier)
    e = jnp.where(counted, fixed_point.exp_negative(x, high, jnp), 0)
    total = fixed_point.divide_by_power(e, 12).sum(axis=-1, keepdims=True, dtype=jnp.int32)
    zeros = lax.clz(total)
    inverse = fixed_point.reciprocal((total << zeros) ^ jnp.int32(-(1 << 31)), high, jnp)
    out = fixed_point.divide_by_power(high(jnp.broadcast_to(inverse, e.shape), e), 35 - zeros)
    return jnp.where(counted, jnp.minimum(out, 255) - 128, -128).astype(jnp.int8)


_fixed_point: Callable[..., Array] = jax.jit(  # pyright: ignore[reportUnknownMemberType]
    _fixed_point_rows, static_argnums=1
)


def _by_floats_rows(q: Array, table: NDArray[np.float32]) -> Array:
    """The sum step by step, since a sum of floats in another order is another one."""
    wide = q.astype(jnp.int32)
    terms = jnp.asarray(table)[wide.max(axis=-1, keepdims=True) - wide]  # pyright: ignore[reportUnknownMemberType]
    columns = jnp.moveaxis(terms, -1, 0)

    def add(total: Array, term: Array) -> tuple[Array, None]:
        return total + term, None

    total: Array = control.scan(add, columns[0], columns[1:])[0]
    inverse = divided(jnp.float32(1), total[..., None] * jnp.float32(2.0**-8))
    product = control.optimization_barrier(terms * inverse)  # a fused multiply-add would round once
    return (jnp.minimum((product + jnp.float32(0.5)).astype(jnp.int32), 255) - 128).astype(jnp.int8)


_by_floats: Callable[..., Array] = jax.jit(_by_floats_rows)  # pyright: ignore[reportUnknownMemberType]
