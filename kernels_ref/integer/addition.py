"""Residual addition by the rules of published systems in JAX, bit for bit the model's."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike
from numpy.typing import NDArray

from formats.integer_only.additions import AdditionForm, AdditionRule, addition_rule
from formats.results import INT32
from kernels_ref.block_binary32 import divided
from kernels_ref.integer.requantise import requantise
from reference.integer.addition import centred
from reference.integer.network import Affine
from reference.integer.ranges import clamped_range, integer_dtype


def add(
    a: ArrayLike,
    a_affine: Affine,
    b: ArrayLike,
    b_affine: Affine,
    out_affine: Affine,
    *,
    rule: str | AdditionRule,
    clamp: tuple[int, int] | None = None,
) -> Array:
    """`reference.integer.add` in JAX: same arguments, same integers, bit for bit; works under jit and vmap.

    All but ``a`` and ``b`` is part of the compiled code. Errors are those of the model where elements can be looked
    at; under a transformation the ranges are the caller's to keep.

    >>> import formats
    >>> half, one = (Affine(format=formats.get("int8"), scale=scale) for scale in (0.5, 1.0))
    >>> add(jnp.array([3, -7, 120]), half, jnp.array([1, 1, 100]), one, one, rule="tflite")
    Array([  3,  -3, 127], dtype=int8)
    """
    record = addition_rule(rule)
    low, high = clamped_range(out_affine.format, out_affine.zero_point, clamp)
    first, second = (_centred(x, affine, name) for x, affine, name in ((a, a_affine, "a"), (b, b_affine, "b")))
    scales = a_affine.scale, b_affine.scale, out_affine.scale
    if record.form is AdditionForm.BINARY32:
        total = _in_floats(first, second, record.scales(*scales))
    else:
        bits = max(a_affine.format.bits, b_affine.format.bits)
        total = _in_integers(first, second, record, record.ratios(*scales, bits=bits), record.shift(bits))
    moved = _saturating_add(total, out_affine.zero_point) if out_affine.zero_point else total
    return jnp.clip(moved, low, high).astype(integer_dtype(out_affine.format))


def _centred(x: ArrayLike, affine: Affine, name: str) -> Array:
    if not isinstance(x, Tracer):
        centred(np.asarray(x), affine, name)  # its complaints
    return jnp.asarray(x).astype(jnp.int32) - affine.zero_point  # pyright: ignore[reportUnknownMemberType]


def _in_integers(a: Array, b: Array, rule: AdditionRule, ratios: tuple[float, float, float], left: int) -> Array:
    assert rule.requantiser is not None
    first, second = (
        requantise(x << left if left else x, ratio, rule=rule.requantiser, fmt=INT32)
        for x, ratio in ((a, ratios[0]), (b, ratios[1]))
    )
    if rule.form is AdditionForm.SEPARATE:
        return first + second
    return requantise(first + second, ratios[2], rule=rule.requantiser, fmt=INT32)


def _in_floats(a: Array, b: Array, scales: tuple[float, float, float]) -> Array:
    """In binary32, in the order of the definition.

    XLA would contract a product with the sum: a clamp to what is finite stands between. And it would multiply by the
    reciprocal of a divisor that is one number: there is one for each quotient, behind a barrier.
    """
    first, second, out = (np.float32(scale) for scale in scales)
    left, right = (jnp.clip(x.astype(jnp.float32) * s, -_GREATEST, _GREATEST) for x, s in ((a, first), (b, second)))
    divisor = _barrier(np.full(np.broadcast_shapes(a.shape, b.shape), out))
    quotient = lax.round(divided(left + right, divisor), lax.RoundingMethod.TO_NEAREST_EVEN)
    whole = jnp.clip(quotient, -(2.0**31), 2.0**31 - 128).astype(jnp.int32)
    return jnp.where(quotient >= 2.0**31, INT32.maximum, whole)


_GREATEST = float(np.finfo(np.float32).max)
_barrier: Callable[[NDArray[np.float32]], Array] = lax.optimization_barrier  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _saturating_add(x: Array, z: int) -> Array:
    limit = INT32.maximum - z if z > 0 else INT32.minimum - z
    return (jnp.minimum(x, limit) if z > 0 else jnp.maximum(x, limit)) + z
