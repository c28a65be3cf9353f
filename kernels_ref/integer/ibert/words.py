"""Numbers of two 32-bit words in JAX: a high int32 and a low one, ``high * 2^32 + low`` with ``low`` taken unsigned."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike
from numpy.typing import NDArray

from kernels_ref.integer.product import logical
from reference.integer.ibert.words import ACCEPTED, as_words, check_bits


class Wide(NamedTuple):
    """Integers of 64 bits as two arrays of int32."""

    high: Array
    low: Array

    def int64(self) -> NDArray[np.int64]:
        """As one NumPy array; outside of transformations.

        >>> Wide(jnp.array([-1]), jnp.array([-2])).int64()
        array([-2])
        """
        low = np.asarray(self.low).view(np.uint32).astype(np.int64)
        return (np.asarray(self.high).astype(np.int64) << 32) | low


def as_int32(q: ArrayLike) -> Array:
    """``q`` as int32, with the errors of the golden model for types and, where it can be looked at, for ranges."""
    if isinstance(q, Tracer | Array):
        if q.dtype.name not in ACCEPTED:
            raise TypeError(f"q has dtype {q.dtype.name}; accepted: {', '.join(ACCEPTED)}")
        return q.astype(jnp.int32)
    return jnp.asarray(as_words(q).astype(np.int32))  # pyright: ignore[reportUnknownMemberType]


def concrete(*arrays: Array) -> list[NDArray[Any]] | None:
    """The arrays in NumPy, or None under a transformation, where no element can be looked at."""
    return None if any(isinstance(array, Tracer) for array in arrays) else [np.asarray(array) for array in arrays]


def check_int32(what: str, number: int, bits: int = 31) -> None:
    """``OverflowError`` where a constant does not fit the words of the JAX code."""
    check_bits(what, number, bits)


def half_up(x: Array, shift: int) -> Array:
    """``floor(x / 2^shift + 1/2)``, without a sum that could leave int32."""
    return x if not shift else (x >> min(shift, 31)) + ((x >> min(shift - 1, 31)) & 1)


def multiply(x: Array, y: Array) -> Wide:
    """The product of two int32, from halves of 16 bits: no sum leaves int32."""
    x1, x0, y1, y0 = x >> 16, x & 0xFFFF, y >> 16, y & 0xFFFF
    middle = x1 * y0 + logical(x0 * y0, 16)
    return Wide(x1 * y1 + (middle >> 16) + (((middle & 0xFFFF) + x0 * y1) >> 16), x * y)


def half_even(number: Wide, shift: Array, limit: int) -> Array:
    """``number / 2^shift`` to the nearest integer, ties to even, and at most ``limit``.

    ``0 <= number < 2^62``; ``shift``: int32 of 0 to 63.
    """
    high, low = number.high.astype(jnp.uint32), number.low.astype(jnp.uint32)
    far, t = shift >= 32, (shift & 31).astype(jnp.uint32)
    one, last, none = jnp.uint32(1), jnp.uint32(31), jnp.uint32(0)
    lost, word, top = jnp.where(far, low, none), jnp.where(far, high, low), jnp.where(far, none, high)
    down, rest = (word >> t) | ((top << one) << (last - t)), word & ((one << t) - one)
    middle = jnp.where(t > 0, (one << t) >> one, one << last)  # half of what is dropped, in its upper word
    upper, lower = jnp.where(t > 0, rest, lost), jnp.where(t > 0, lost, none)
    above = (upper > middle) | ((upper == middle) & ((lower != 0) | (down & one == 1)))
    up = above & (shift > 0)
    rounded = down + up.astype(jnp.uint32)
    beyond = (top >> t != 0) | (rounded < down) | (rounded > limit)
    return jnp.where(beyond, limit, rounded.astype(jnp.int32))


def bit_length(x: Array) -> Array:
    """The least ``n`` with ``x < 2^n``, of words taken unsigned, as int32."""
    return 32 - lax.clz(x).astype(jnp.int32)
