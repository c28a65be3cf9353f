"""The judge of TFLite's int8 softmax: one row, in Python integers and fractions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor

from formats.integer_only.softmax_tflite import EXP_EIGHTH, EXP_POWERS, RECIPROCAL_SLOPE, RECIPROCAL_START, THIRD
from reference.exact.activation_table import exp
from reference.exact.ibert import significant

_TOP = 2**31 - 1


def fixed_point(q: Sequence[int], scale: float, beta: float = 1.0) -> list[int]:
    """A row by gemmlowp's fixed point.

    >>> fixed_point([40, 20, -5, 0], 0.05)
    [31, -69, -111, -106]
    """
    multiplier, shift = _multiplier(min(Fraction(beta * scale) * 2**26, Fraction(_TOP)))
    least = -floor(Fraction(31 * 2**26) / Fraction(2) ** shift)
    top = max(q)
    e = [exp_negative(_high((x - top) * 2**shift, multiplier)) if x - top >= least else None for x in q]
    total = sum(_halves_away(Fraction(x, 2**12)) for x in e if x is not None)
    zeros = 32 - total.bit_length()
    inverse = reciprocal(total * 2**zeros - 2**31)
    shares = [0 if x is None else _halves_away(Fraction(_high(inverse, x), 2 ** (35 - zeros))) for x in e]
    return [min(share, 255) - 128 for share in shares]


def binary32(q: Sequence[int], scale: float, beta: float = 1.0) -> list[int]:
    """A row by the table of binary32 numbers.

    >>> binary32([40, 20, -5, 0], 0.05)
    [31, -69, -111, -106]
    """
    step = _single(_single(Fraction(scale)) * _single(Fraction(beta)))
    terms = [_single(exp(-_single(step * (max(q) - x)))) for x in q]
    total = Fraction(0)
    for term in terms:
        total = _single(total + term)
    inverse = _single(1 / _single(total / 256))
    return [min(floor(_single(_single(term * inverse) + Fraction(1, 2))), 255) - 128 for term in terms]


def exp_negative(x: int) -> int:
    """``exp(x 2^-26)`` in units of ``2^-31``.

    >>> exp_negative(0), exp_negative(-(2**26)) / 2**31
    (2147483647, 0.3678795453161001)
    """
    if x == 0:
        return _TOP
    rest = x % 2**24 - 2**24
    moved = rest * 32 + 2**28
    square = _high(moved, moved)
    cube, fourth = _high(square, moved), _high(square, square)
    series = _halves_away(Fraction(_high(_halves_away(Fraction(fourth, 4)) + cube, THIRD) + square, 2))
    result = EXP_EIGHTH + _high(EXP_EIGHTH, moved + series)
    for power, factor in EXP_POWERS:
        if (rest - x) // 2 ** (26 + power) % 2:
            result = _high(result, factor)
    return result


def reciprocal(x: int) -> int:
    """``1 / (1 + x 2^-31)`` in units of ``2^-31``.

    >>> reciprocal(0), reciprocal(2**30) / 2**31
    (2147483647, 0.6666666651144624)
    """
    half = (x + _TOP + 1) // 2
    y = RECIPROCAL_START + _high(half, RECIPROCAL_SLOPE)
    for _ in range(3):
        y += _saturated(_high(y, 2**29 - _high(half, y)) * 4)
    return _saturated(2 * y)


def _multiplier(real: Fraction) -> tuple[int, int]:
    """``m`` and ``s`` with ``real`` nearly ``m 2^(s-31)``."""
    shift = floor(real).bit_length()
    m = floor(real * 2**31 / 2**shift + Fraction(1, 2))
    return (m // 2, shift + 1) if m == 2**31 else (m, shift)


def _high(a: int, b: int) -> int:
    return floor(Fraction(a * b, 2**31) + Fraction(1, 2))


def _saturated(x: int) -> int:
    return min(max(x, -(2**31)), _TOP)


def _halves_away(x: Fraction) -> int:
    magnitude = floor(abs(x) + Fraction(1, 2))
    return magnitude if x >= 0 else -magnitude


def _single(number: Fraction) -> Fraction:
    return significant(number, 24)
