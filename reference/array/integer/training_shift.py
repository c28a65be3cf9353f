"""Rounding right shifts and block exponents in 32-bit words, once for NumPy and jax.numpy."""

from __future__ import annotations

from formats.integer_only.shifts import SHIFT_LIMIT, Decision, Division, ShiftRule, shift_rule
from formats.integer_only.training import BlockExponentRule, Narrowing
from reference.array.carrier import Array, Namespace


def clip(x: Array, xp: Namespace) -> Array:
    """``x`` clipped to -127..127, as int8."""
    return xp.clip(x, -SHIFT_LIMIT, SHIFT_LIMIT).astype(xp.int8)


def divide(x: Array, shift: Array | int, division: Division, xp: Namespace) -> Array:
    """``x // 2^shift`` for int32."""
    if division is Division.FLOORING:
        return x >> shift
    return xp.where(x < 0, -(abs(x) >> shift), abs(x) >> shift)


def shift_right(x: Array, shift: Array | int, rule: ShiftRule, xp: Namespace, *, bits: Array | None = None) -> Array:
    """int8 of an int32 ``|x| < 2^31``, by ``1 <= shift <= 30``. ``bits``: uint32 words, of which the low ``shift``
    bits are the random numbers of a stochastic rule.
    """
    quotient = divide(x, shift, rule.division, xp)
    rest = x - (quotient << shift)
    if rule.decision is Decision.NEAREST:
        return clip(quotient + divide(rest, shift - 1, rule.division, xp), xp)
    rest = abs(rest)
    if bits is None:
        half = shift // 2
        rest, against = rest >> half, (rest & ((1 << half) - 1)) << (shift % 2)
    else:
        against = bits.astype(xp.int32) & ((1 << shift) - 1)
    return clip(quotient + xp.where(rest > against, xp.sign(x), 0), xp)


def bit_width(x: Array, xp: Namespace) -> Array:
    """The least ``B`` with ``max|x| <= 2^B``, as int32 without axes; 0 where all is zero. ``|x| < 2^31``."""
    last = xp.maximum(xp.max(abs(x)), 1) - 1
    return xp.sum(last >> xp.arange(31, dtype=xp.int32) != 0, dtype=xp.int32)


def narrow(accumulator: Array, rule: BlockExponentRule, xp: Namespace) -> tuple[Array, Array]:
    """int8 integers and what the exponent grows by, of an int32 accumulator."""
    shift = bit_width(accumulator, xp) - 7
    shifted = shift_right(accumulator, xp.maximum(shift, 1), shift_rule(rule.shift), xp)
    plain = accumulator.astype(xp.int8) if rule.narrowing is Narrowing.WRAP else clip(accumulator, xp)
    return xp.where(shift > 0, shifted, plain), xp.maximum(shift, 0)


def narrow_gradient(accumulator: Array, bits: int, rule: ShiftRule, xp: Namespace) -> Array:
    """int8 gradient whose largest magnitude is about ``2^bits``: shifted by ``B - bits`` where that is at least 1."""
    shift = bit_width(accumulator, xp) - bits
    shifted = shift_right(accumulator, xp.maximum(shift, 1), rule, xp)
    return xp.where(shift > 0, shifted, clip(accumulator, xp))
