"""The judge of gemmlowp's fixed point in 16-bit words: one number, in Python integers and fractions."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from formats.integer_only.softmax_tflite import EXP_EIGHTH, EXP_POWERS, RECIPROCAL_SLOPE, RECIPROCAL_START, THIRD

#: what stands for 1 in units of 2^-15
ONE = 2**15 - 1


def clamp(x: int) -> int:
    """To what int16 holds.

    >>> clamp(40000), clamp(-40000)
    (32767, -32768)
    """
    return min(max(x, -(2**15)), ONE)


def high(a: int, b: int) -> int:
    """``a b / 2^15``, halves up.

    >>> high(1, 2**14), high(-1, 2**14), high(-(2**15), -(2**15))
    (1, 0, 32767)
    """
    return clamp(floor(Fraction(a * b, 2**15) + Fraction(1, 2)))


def divide(x: int, power: int) -> int:
    """``x / 2^power``, halves away from zero; what a word of 16 bits makes of it from 16 on.

    >>> divide(3, 1), divide(-3, 1), divide(0, 16), divide(-1, 16)
    (2, -2, 1, -1)
    """
    if power >= 16:
        return 1 if x >= 0 else -1
    magnitude = floor(Fraction(abs(x), 2**power) + Fraction(1, 2))
    return magnitude if x >= 0 else -magnitude


def exp_negative(x: int, fraction_bits: int) -> int:
    """``exp(x / 2^fraction_bits)`` in units of ``2^-15``, for 12 or 11 bits.

    >>> exp_negative(0, 12), exp_negative(-4096, 12) / 2**15
    (32767, 0.367889404296875)
    """
    if x == 0:
        return ONE
    quarter = 2 ** (fraction_bits - 2)
    rest = x % quarter - quarter
    moved = rest * 2 ** (15 - fraction_bits) + 2**12
    square = high(moved, moved)
    cube, fourth = high(square, moved), high(square, square)
    series = divide(high(divide(fourth, 2) + cube, _narrow(THIRD)) + square, 1)
    result = clamp(_narrow(EXP_EIGHTH) + high(_narrow(EXP_EIGHTH), moved + series))
    for power, factor in EXP_POWERS:
        if power < 15 - fraction_bits and (rest - x) // 2 ** (fraction_bits + power) % 2:
            result = high(result, _narrow(factor))
    return result


def twice_reciprocal(x: int) -> int:
    """``2 / (1 + x 2^-15)`` in units of ``2^-13``.

    >>> twice_reciprocal(0) / 2**13, twice_reciprocal(2**14) / 2**13
    (2.0, 1.3331298828125)
    """
    half = (x + 2**15) // 2
    y = _narrow(RECIPROCAL_START) + high(half, _narrow(RECIPROCAL_SLOPE))
    for _ in range(3):
        y += clamp(4 * high(y, 2**13 - high(half, y)))
    return y


def _narrow(constant: int) -> int:
    return clamp(floor(Fraction(constant, 2**16) + Fraction(1, 2)))
