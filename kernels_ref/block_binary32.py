"""binary32 operations on bit patterns under XLA, which flushes subnormals and replaces divisions by products.

Numbers are int32 bit patterns. A result is first *rounded to odd* at two bits more than binary32 has: its last bit also
says whether anything but zeros was dropped, so that it lies on the same side as the exact one of every number of
binary32 and every midpoint, subnormals included, and one rounding follows. The floating-point operations inside are on
significands in [1, 2), far from subnormals, and what they lose is found in integers: whatever multiplies with a
rounded reciprocal instead of dividing is corrected.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from formats.operations import Operation
from reference.array.arithmetic_words import leading_bit

FRACTION_BITS, BIAS = 23, 127
IMPLICIT, FRACTION = 1 << FRACTION_BITS, (1 << FRACTION_BITS) - 1
MAGNITUDE, SIGN = 0x7FFFFFFF, -(1 << 31)
ONE, INFINITY, NAN = BIAS << FRACTION_BITS, 0x7F800000, 0x7FC00000
_LEAST = 149  # the smallest subnormal is 2^-149
ODD_BITS = 2  # bits of a significand rounded to odd, beyond binary32's
_GUARD = 6  # bits below the terms of a sum, which fits 31 bits


class Wide(NamedTuple):
    """Magnitudes: int32 significands with bit 23 leading, times ``2^(exponent - 127 - 23)``; zero where flagged."""

    zero: Array
    significand: Array
    exponent: Array


def bits_of(x: Array) -> Array:
    """The int32 patterns of float32 numbers."""
    return lax.bitcast_convert_type(x, jnp.int32)


def number_of(bits: Array) -> Array:
    """The float32 numbers of int32 patterns."""
    return lax.bitcast_convert_type(bits, jnp.float32)


def apart(bits: Array) -> Array:
    """The same patterns, as a division by 1 that XLA cannot see through.

    XLA for CPUs fuses what is calculated for a block into the loop over its elements, where it is calculated without
    vectors; but never a division whose result is read more than once. Its optimisation barrier is gone before it fuses.
    The division itself is optimised away after that.
    """
    one = jnp.maximum(bits >> 31, 1).astype(jnp.uint32)
    return lax.div(bits.astype(jnp.uint32), one).astype(jnp.int32)


def not_broadcast(divisor: Array, bits: Array) -> Array:
    """Positive divisors of patterns, not known for a broadcast then: so XLA keeps the division by them."""
    return jnp.maximum(divisor, bits >> 31)


def normalised(magnitude: Array) -> Array:
    """Patterns of magnitudes whose exponent field, instead of subnormals, goes on below 1, into negative numbers.

    That of 0 is ``-149 << 23``, less than any other.
    """
    subnormal = bits_of(magnitude.astype(jnp.float32)) - (_LEAST << FRACTION_BITS)
    return jnp.where(magnitude < IMPLICIT, subnormal, magnitude)


def wide(bits: Array) -> Wide:
    """The fields of finite numbers, signs left out."""
    magnitude = bits & MAGNITUDE
    pattern = normalised(magnitude)
    return Wide(magnitude == 0, (pattern & FRACTION) | IMPLICIT, pattern >> FRACTION_BITS)


def rounded(odd: Array, exponent: Array) -> Array:
    """Magnitudes of significands with bit 25 leading, rounded to odd, to nearest even; overflow is infinite."""
    shift = jnp.clip(1 - exponent, 0, FRACTION_BITS + 2) + ODD_BITS
    half = (jnp.int32(1) << (shift - 1)) - 1
    kept = (odd + half + ((odd >> shift) & 1)) >> shift
    field = jnp.clip(exponent, 1, 2 * BIAS + 1) - 1  # the leading bit of a normal number adds 1 to it
    return jnp.minimum(kept + (field << FRACTION_BITS), INFINITY)


def product(x: Wide, y: Wide) -> tuple[Array, Array]:
    """Significand and exponent of the exact product, for `rounded`; of zeros they mean nothing."""
    near = bits_of(_from_one(x.significand) * _from_one(y.significand))
    carry = (near >> FRACTION_BITS) - BIAS
    kept = (near & FRACTION) | IMPLICIT
    error = x.significand * y.significand - (kept << (FRACTION_BITS + carry))  # exact, although modulo 2^32
    return (kept << ODD_BITS) + jnp.sign(error), x.exponent + y.exponent - BIAS + carry


def nearly(x: Array, y: Array) -> Array:
    """Quotients of float32 numbers as the processor has them: GPUs divide to 2 units in the last place."""
    return x / y


def divided(x: Array, y: Array) -> Array:
    """Quotients of float32 numbers to nearest even: a CPU's own; elsewhere what is lost is found in integers.

    On a CPU XLA may take subnormals for 0.

    >>> divided(jnp.float32([1, -2]), jnp.float32(3))
    Array([ 0.33333334, -0.6666667 ], dtype=float32)
    """

    def exactly(x: Array, y: Array) -> Array:
        return number_of(calculate(Operation.DIV, *jnp.broadcast_arrays(bits_of(x), bits_of(y))))

    return lax.platform_dependent(x, y, cpu=nearly, default=exactly)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def quotient(x: Wide, y: Wide) -> tuple[Array, Array]:
    """Significand and exponent of the exact quotient, for `rounded`; of zeros they mean nothing.

    The floating-point quotient may be 2 units in the last place away, as on GPUs, so that its remainder lies between -3
    and 3 divisors.
    """
    divisor, less = y.significand, (x.significand < y.significand).astype(jnp.int32)
    near = nearly(_from_one(x.significand), _from_one(divisor))
    kept = bits_of(near) - ((BIAS - 1 - less) << FRACTION_BITS)
    rest = (x.significand << (FRACTION_BITS + less)) - kept * divisor  # exact, although modulo 2^32
    above, below = rest >= divisor, rest < 0
    off = above.astype(jnp.int32) + (rest >= 2 * divisor) - below - (rest < -divisor) - (rest < -2 * divisor)
    kept, rest = kept + off, rest - off * divisor
    quarters = jnp.sign(rest) * (2 + jnp.sign(2 * rest - divisor))
    return (kept << ODD_BITS) + quarters, x.exponent - y.exponent + BIAS - less


def difference(a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Sign, significand and exponent of the exact ``a - b`` of finite patterns, for `rounded`; significand 0 for 0."""
    swap = (a & MAGNITUDE) < (b & MAGNITUDE)
    sign = jnp.where(swap, ~b, a) & SIGN
    large, small = wide(jnp.where(swap, b, a)), wide(jnp.where(swap, a, b))
    x = jnp.where(large.zero, 0, large.significand << _GUARD)
    y = jnp.where(small.zero, 0, small.significand << _GUARD)
    y = _jam(y, jnp.minimum(large.exponent - small.exponent, 31))
    total = jnp.where((a ^ b) < 0, x + y, x - y)
    leading = leading_bit(total.astype(jnp.uint32), jnp)
    up = FRACTION_BITS + ODD_BITS - leading
    odd = jnp.where(up < 0, _jam(total, jnp.clip(-up, 0, 31)), total << jnp.clip(up, 0, 31))
    return sign, odd, large.exponent + leading - (FRACTION_BITS + _GUARD)


def calculate(operation: Operation, a: Array, b: Array) -> Array:
    """``a operation b`` of IEEE 754 on patterns, to nearest even; a NaN is the positive quiet one without payload."""
    x, y = a & MAGNITUDE, b & MAGNITUDE
    nan, sign = (x > INFINITY) | (y > INFINITY), (a ^ b) & SIGN
    match operation:
        case Operation.MUL:
            result = jnp.where((x == 0) | (y == 0), 0, rounded(*product(wide(a), wide(b))))
            result = jnp.where((x == INFINITY) | (y == INFINITY), INFINITY, result) | sign
            nan = nan | ((x == INFINITY) & (y == 0)) | ((x == 0) & (y == INFINITY))
        case Operation.DIV:
            result = jnp.where((x == 0) | (y == INFINITY), 0, rounded(*quotient(wide(a), wide(b))))
            result = jnp.where((x == INFINITY) | (y == 0), INFINITY, result) | sign
            nan = nan | ((x == INFINITY) & (y == INFINITY)) | ((x == 0) & (y == 0))
        case Operation.SUB:
            result, undefined = _subtracted(a, b)
            nan = nan | undefined
        case Operation.MINIMUM | Operation.MAXIMUM:
            first = ordered(a) < ordered(b)
            result = jnp.where(first if operation is Operation.MINIMUM else ~first, a, b)
        case _:
            raise ValueError(f"operation={operation.value!r} is no step here: mul, div, sub, minimum and maximum are")
    return jnp.where(nan, NAN, result)


def quotient_to_odd(a: Array, b: Array) -> Array:
    """``a / b`` of patterns rounded to odd at 24 bits, where the quotient is normal; smaller ones become 2^-126, larger
    ones the largest number. ``0 / 0`` is 0 here, -0 stays, what else is divided by 0 is infinite; NaNs stay NaN.
    """
    x, y = a & MAGNITUDE, b & MAGNITUDE
    result = _normal(*quotient(wide(a), wide(b)))
    result = jnp.where(y == INFINITY, 0, jnp.where((x == INFINITY) | (y == 0), INFINITY, result))
    result = jnp.where(x == 0, a & SIGN, result | ((a ^ b) & SIGN))
    return jnp.where((x > INFINITY) | (y > INFINITY), NAN, result)


def difference_to_odd(a: Array, b: Array) -> Array:
    """``a - b`` of patterns, ``b`` finite, rounded to odd at 24 bits as in `quotient_to_odd`."""
    sign, odd, exponent = difference(a, b)
    result = jnp.where(odd == 0, a & b & SIGN, _normal(odd, exponent) | sign)
    return jnp.where(a & MAGNITUDE >= INFINITY, a, result)


def _normal(odd: Array, exponent: Array) -> Array:
    """Patterns of significands rounded to odd, without the last two bits, held within the normal range."""
    significand = _jam(odd, jnp.int32(ODD_BITS)) & FRACTION
    pattern = significand | (jnp.clip(exponent, 1, 2 * BIAS) << FRACTION_BITS)
    return jnp.where(exponent < 1, IMPLICIT, jnp.where(exponent > 2 * BIAS, INFINITY - 1, pattern))


def _subtracted(a: Array, b: Array) -> tuple[Array, Array]:
    """The rounded difference, and where infinities cancel."""
    x, y = a & MAGNITUDE, b & MAGNITUDE
    sign, odd, exponent = difference(a, b)
    result = jnp.where(odd == 0, jnp.where((a < 0) & (b >= 0), SIGN, 0), rounded(odd, exponent) | sign)
    result = jnp.where(y == INFINITY, b ^ SIGN, result)
    return jnp.where(x == INFINITY, a, result), (x == INFINITY) & (a == b)


def ordered(bits: Array) -> Array:
    """Patterns as integers in the order of their numbers, -0 just below +0."""
    return bits ^ ((bits >> 31) & MAGNITUDE)


def _jam(x: Array, places: Array) -> Array:
    """``x / 2^places`` rounded to odd, ``0 <= places <= 31``."""
    kept = x >> places
    return kept | (kept << places != x)


def _from_one(significand: Array) -> Array:
    return number_of((significand & FRACTION) | ONE)
