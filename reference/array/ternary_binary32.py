"""Steps that round to binary32 or bfloat16, on bit patterns: NumPy's own floats, and words for JAX.

NumPy rounds as IEEE 754 says, subnormals too. XLA flushes them, so that under jax.numpy the exact result, rounded to
odd in two words, is rounded here.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from formats import Rounding
from formats.operations import Operation
from formats.results import FLOAT32
from reference.array import arithmetic_words as words
from reference.array.arithmetic import evaluate
from reference.array.arithmetic_numbers import Exact, normalised, operand
from reference.array.carrier import Array, Namespace
from reference.array.rounding import round_shift

MAGNITUDE = 0x7FFFFFFF
SIGN = 0x80000000
INFINITY = 0x7F800000
NAN = 0x7FC00000
HALF = 0x3F000000
_EVEN = Rounding.NEAREST_TIES_TO_EVEN


def constant(value: Fraction | float) -> int:
    """The binary32 pattern nearest to ``value``; through binary64, which the tests show to be harmless for ours.

    >>> hex(constant(Fraction(1, 2)))
    '0x3f000000'
    """
    return int(np.float32(float(value)).view(np.uint32))


def mul(a: Array, b: Array, xp: Namespace) -> Array:
    """``RN(a * b)`` of binary32 patterns (uint32)."""
    return _native(np.multiply, a, b) if xp is np else _words(Operation.MUL, a, b, xp, 23)


def div(a: Array, b: Array, xp: Namespace) -> Array:
    """``RN(a / b)`` of binary32 patterns (uint32)."""
    return _native(np.divide, a, b) if xp is np else _words(Operation.DIV, a, b, xp, 23)


def add(a: Array, b: Array, xp: Namespace) -> Array:
    """``RN(a + b)`` of binary32 patterns (uint32)."""
    return _native(np.add, a, b) if xp is np else _words(Operation.ADD, a, b, xp, 23)


def mul_bfloat16(a: Array, b: Array, xp: Namespace) -> Array:
    """``a * b`` rounded to bfloat16, as binary32 patterns."""
    return _words(Operation.MUL, a, b, xp, 7)


def div_bfloat16(a: Array, b: Array, xp: Namespace) -> Array:
    """``a / b`` rounded to bfloat16, as binary32 patterns."""
    return _words(Operation.DIV, a, b, xp, 7)


def negate(a: Array, xp: Namespace) -> Array:
    """``-a``."""
    return a ^ xp.uint32(SIGN)


def doubled(magnitude: Array, xp: Namespace) -> Array:
    """A pattern that is ordered as ``2 * magnitude``: exact, also where binary32 ends."""
    return magnitude + xp.where(magnitude < xp.uint32(1 << 23), magnitude, xp.uint32(1 << 23))


def round_even(bits: Array, greatest: int, xp: Namespace) -> Array:
    """The integer (int32) nearest to a number, ties to even, its magnitude no more than ``greatest < 2^23``."""
    field = (bits >> xp.uint32(23)) & xp.uint32(0xFF)
    significand = (bits & xp.uint32(0x7FFFFF)) | (xp.minimum(field, xp.uint32(1)) << xp.uint32(23))
    shift = xp.uint32(150) - xp.clip(field, 119, 149).astype(xp.uint32)
    integer = round_shift(significand, shift, _EVEN, xp, negative=significand == 0)
    integer = xp.minimum(xp.where(field > 149, xp.uint32(greatest), integer), xp.uint32(greatest)).astype(xp.int32)
    return xp.where(bits >> xp.uint32(31) != 0, -integer, integer)


def round_quotient(x: Array, y: Array, levels: int, greatest: int, xp: Namespace) -> Array:
    """``levels * x / y`` of magnitudes to the nearest integer (int32), ties to even, from the exact quotient.

    ``levels``: a power of two up to 128; results are at most ``greatest < 2^7 * levels``; 0 where ``x = 0``.
    """
    (x_significand, x_exponent), (y_significand, y_exponent) = (_fields(part, xp) for part in (x, y))
    up = x_exponent - y_exponent + levels.bit_length()  # doubled: one bit below the integer
    numerator = x_significand << xp.clip(up, 0, 8).astype(xp.uint32)
    divisor = xp.maximum(y_significand, xp.uint32(1))
    halves = numerator // divisor
    rest = numerator - halves * divisor
    integer = halves >> xp.uint32(1)
    above = (halves & xp.uint32(1)) & ((rest != 0).astype(xp.uint32) | (integer & xp.uint32(1)))
    integer = xp.minimum(integer + above, xp.uint32(greatest))
    integer = xp.where(up > 8, xp.where(x == 0, xp.uint32(0), xp.uint32(greatest)), integer)
    return xp.where(up < 0, xp.uint32(0), integer).astype(xp.int32)


def _fields(magnitude: Array, xp: Namespace) -> tuple[Array, Array]:
    field = magnitude >> xp.uint32(23)
    implicit = xp.minimum(field, xp.uint32(1))
    significand = (magnitude & xp.uint32(0x7FFFFF)) | (implicit << xp.uint32(23))
    return significand, xp.maximum(field, xp.uint32(1)).astype(xp.int32)


def _native(operation: Callable[..., Array], a: Array, b: Array) -> Array:
    with np.errstate(all="ignore"):
        result = np.asarray(operation(np.asarray(a).view(np.float32), np.asarray(b).view(np.float32)))
    return np.where(np.isnan(result), np.uint32(NAN), result.view(np.uint32))


def _words(operation: Operation, a: Array, b: Array, xp: Namespace, fraction_bits: int) -> Array:
    shape = np.broadcast_shapes(a.shape, b.shape)
    operands = tuple(operand(xp.broadcast_to(x, shape), FLOAT32, xp) for x in (a, b))
    exact = evaluate(operation, operands, _EVEN, 0, xp)
    return _rounded(exact, xp, fraction_bits)


def _rounded(exact: Exact, xp: Namespace, fraction_bits: int) -> Array:
    """An exact result to the nearest number of the exponents of binary32 with ``fraction_bits``."""
    x = normalised(exact, 63, xp)
    field = x.exponent + (63 + 127)
    down = xp.clip(1 - field, 0, 63).astype(xp.uint32)  # below the normal numbers the quantum stays
    high, low = words.jam_right(x.significand, down, xp)
    kept = high | (low != 0).astype(xp.uint32)
    cut = xp.full_like(kept, 31 - fraction_bits)
    below = (kept & xp.uint32((1 << (31 - fraction_bits)) - 1)) > xp.uint32(1 << (30 - fraction_bits))
    tie = (kept & xp.uint32((1 << (31 - fraction_bits)) - 1)) == xp.uint32(1 << (30 - fraction_bits))
    integer = kept >> cut
    integer = integer + (below | (tie & ((integer & xp.uint32(1)) != 0))).astype(xp.uint32)
    top = INFINITY >> (23 - fraction_bits)
    magnitude = (xp.clip(field, 1, 255) - 1).astype(xp.uint32) * xp.uint32(1 << fraction_bits) + integer
    magnitude = xp.where(words.is_zero(x.significand), xp.uint32(0), xp.minimum(magnitude, xp.uint32(top)))
    magnitude = xp.where(x.infinite, xp.uint32(top), magnitude) << xp.uint32(23 - fraction_bits)
    signed = magnitude | (x.negative.astype(xp.uint32) << xp.uint32(31))
    return xp.where(x.nan, xp.uint32(NAN), signed)
