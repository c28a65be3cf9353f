"""Unsigned 64-bit integers as two uint32 words, once for NumPy and jax.numpy: JAX needs no 64-bit types for them.

Shifts are by uint32 arrays of 0..63 places; none of the words is ever shifted by more than 31.
"""

from __future__ import annotations

from typing import NamedTuple

from reference.array.carrier import Array, Namespace


class Pair(NamedTuple):
    """``high * 2^32 + low``."""

    high: Array
    low: Array


def shift_left(x: Pair, places: Array, xp: Namespace) -> Pair:
    """``x * 2^places`` modulo 2^64."""
    word = xp.uint32
    whole, s = places > word(31), places & word(31)
    high, low = xp.where(whole, x.low, x.high), xp.where(whole, word(0), x.low)
    return Pair((high << s) | ((low >> word(1)) >> (word(31) - s)), low << s)


def shift_right(x: Pair, places: Array, xp: Namespace) -> Pair:
    """``x / 2^places``, rounded down."""
    word = xp.uint32
    whole, s = places > word(31), places & word(31)
    high, low = xp.where(whole, word(0), x.high), xp.where(whole, x.high, x.low)
    return Pair(high >> s, (low >> s) | ((high << word(1)) << (word(31) - s)))


def jam_right(x: Pair, places: Array, xp: Namespace) -> Pair:
    """``x / 2^places`` rounded to odd: the last bit also says whether anything but zeros was dropped."""
    kept = shift_right(x, places, xp)
    back = shift_left(kept, places, xp)
    lost = (back.high != x.high) | (back.low != x.low)
    return Pair(kept.high, kept.low | lost.astype(xp.uint32))


def add(x: Pair, y: Pair) -> Pair:
    """``x + y`` modulo 2^64."""
    low = x.low + y.low
    return Pair(x.high + y.high + (low < x.low), low)


def sub(x: Pair, y: Pair) -> Pair:
    """``x - y`` modulo 2^64."""
    return Pair(x.high - y.high - (x.low < y.low), x.low - y.low)


def less(x: Pair, y: Pair) -> Array:
    """Whether ``x < y``."""
    return (x.high < y.high) | ((x.high == y.high) & (x.low < y.low))


def is_zero(x: Pair) -> Array:
    """Whether ``x = 0``."""
    return (x.high | x.low) == 0


def select(condition: Array, x: Pair, y: Pair, xp: Namespace) -> Pair:
    """``x`` where the condition holds, else ``y``."""
    return Pair(xp.where(condition, x.high, y.high), xp.where(condition, x.low, y.low))


def product(a: Array, b: Array, xp: Namespace) -> Pair:
    """``a * b`` of uint32 factors below 2^24, from 16-bit halves."""
    half, rest = xp.uint32(16), xp.uint32(0xFFFF)
    a1, a0, b1, b0 = a >> half, a & rest, b >> half, b & rest
    bottom = a0 * b0
    middle = a1 * b0 + a0 * b1 + (bottom >> half)
    return Pair(a1 * b1 + (middle >> half), (middle << half) | (bottom & rest))


def leading_bit(word: Array, xp: Namespace) -> Array:
    """The place of the leading bit of a uint32, int32; -127 for 0.

    It is the exponent of binary32. Without its every second bit a number does not round up to a power of two.
    """
    spread = word & ~(word >> xp.uint32(1))
    return (spread.astype(xp.float32).view(xp.int32) >> 23) - 127
