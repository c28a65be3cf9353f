"""The judge of TFLite's int8 hard swish: one number, in Python integers and fractions."""

from __future__ import annotations

from fractions import Fraction
from math import floor, trunc

from reference.exact.ibert import significant
from reference.exact.word16 import ONE, clamp, divide, high


def hard_swish(q: int, source: tuple[float, int], out: tuple[float, int]) -> int:
    """One int8, for scales and zero points.

    >>> [hard_swish(q, (1 / 16, 0), (1 / 32, 0)) for q in (-128, -24, 0, 24, 48, 127)]
    [0, -12, 0, 36, 96, 127]
    """
    wide = _single(Fraction(source[0])) / 128
    multiplier, exponent = _narrow(_single(wide / _single(Fraction(out[0]))))
    v = 128 * (q - source[1])
    gate = floor(Fraction(_relu_units(v, *_narrow(_single(wide * 2**15 / 3))) + 2**15, 2))
    product = trunc(Fraction(gate * high(v, multiplier), 2**15))
    return min(max(divide(product, -exponent) + out[1], -128), 127)


def _relu_units(v: int, multiplier: int, exponent: int) -> int:
    if exponent <= 0:
        return divide(high(v, multiplier), -exponent)
    return clamp(2 * high(clamp(v * 2 ** (exponent - 1)), multiplier))


def _narrow(ratio: Fraction) -> tuple[int, int]:
    """``m`` of 15 bits and ``s``, with the ratio nearly ``m 2^(s-15)``."""
    s = 0
    while ratio >= 1:
        ratio, s = ratio / 2, s + 1
    while ratio < Fraction(1, 2):
        ratio, s = ratio * 2, s - 1
    m = floor(ratio * 2**31 + Fraction(1, 2))  # a ratio of binary32: exact
    return (min(floor(Fraction(m, 2**16) + Fraction(1, 2)), ONE), s) if s >= -31 else (0, 0)


def _single(number: Fraction) -> Fraction:
    return significant(number, 24)
