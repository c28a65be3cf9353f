"""Products of int32 and multipliers below ``2^31``, and their rounding shifts, in 32-bit words but for one product.

A product ``P`` of 62 bits is a high and a low word: ``P = high * 2^32 + low``, with ``low`` taken unsigned. Constants
are NumPy arrays, so that shifts by them are shifts by literals.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

Constant = NDArray[np.int32]

_barrier: Callable[[Constant], Array] = lax.optimization_barrier  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def high_word(x: Array, b: Constant) -> Array:
    """``floor(x * b / 2^32)`` for ``0 <= b < 2^31``: the one operation of 64 bits, whose types are on for it alone.

    Compilers see in it the processor's own product of two words.
    """
    with jax.enable_x64(True):
        word = _barrier(b) if b.ndim else b  # as words: numbers of 64 bits would be folded from them
        product = lax.convert_element_type(x, np.int64) * lax.convert_element_type(word, np.int64)
        high = lax.shift_right_arithmetic(product, jnp.broadcast_to(np.int64(32), product.shape))
        return lax.convert_element_type(high, np.int32)


def logical(x: Array, bits: Constant | int) -> Array:
    """``x`` shifted right with zeros coming in; ``0 <= bits < 32``."""
    return lax.shift_right_logical(x, jnp.broadcast_to(np.asarray(bits, np.int32), x.shape))


def unsigned_less(x: Array, y: Constant | Array) -> Array:
    """``x < y`` of words taken unsigned."""
    return (x ^ _TOP) < (y ^ _TOP)


_TOP = np.int32(-(1 << 31))


def power(bits: Constant) -> Constant:
    """``2^bits`` modulo ``2^32`` for ``0 <= bits``, 0 from 32 on."""
    return np.where(bits < 32, np.int64(1) << np.minimum(bits, 32), 0).astype(np.uint32).view(np.int32)


def half_up(high: Array, low: Array, c: Constant) -> Array:
    """The low 32 bits of ``floor(P / 2^c + 1/2)``, for ``0 <= c <= 62``."""
    if (c > 32).all():
        return (high + power(c - 33)) >> (c - 32)
    half = power(np.where((c >= 1) & (c <= 32), c - 1, 32))
    rounded = low + half
    carried = high + unsigned_less(rounded, half).astype(jnp.int32) + power(np.where(c > 32, c - 33, 32))
    return shifted(carried, rounded, c)


def shifted(high: Array, low: Array, c: Constant) -> Array:
    """The low 32 bits of ``floor(P / 2^c)``, for ``0 <= c <= 62``."""
    far = high >> np.clip(c - 32, 0, 31)
    if (c >= 32).all():
        return far
    near = logical(low, np.minimum(c, 31)) | ((high << 1) << np.clip(31 - c, 0, 31))
    return near if (c < 32).all() else jnp.where(c >= 32, far, near)


def is_half(high: Array, low: Array, c: Constant) -> Array:
    """Whether ``P mod 2^c`` is ``2^(c-1)``: a tie. ``0 <= c <= 62``."""
    mask, half = power(c) - np.int32(1), power(np.where(c > 0, c - 1, 32))
    near = (low & mask) == half
    far = (low == 0) & ((high & (power(np.maximum(c - 32, 0)) - np.int32(1))) == power(np.maximum(c - 33, 0)))
    return jnp.where(c > 32, far, near & (c > 0))


def to_53_bits(high: Array, low: Array) -> tuple[Array, Array]:
    """``P >= 0``, below ``2^62``, rounded to 53 significant bits, half to even: as a product in binary64 is."""
    drop = jnp.maximum(11 - lax.clz(high), 0)
    unit = jnp.int32(1) << drop
    rest, half = low & (unit - 1), unit >> 1
    up = (rest > half) | ((rest == half) & (drop > 0) & ((low & unit) != 0))
    raised = low - rest + jnp.where(up, unit, 0)
    return high + (up & (raised == 0)).astype(jnp.int32), raised
