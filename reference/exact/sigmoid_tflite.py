"""The judge of TFLite's int16 logistic and tanh: one number, in Python integers and fractions."""

from __future__ import annotations

import functools
from fractions import Fraction
from math import ceil, floor

from formats.integer_only.activation_tables import Activation
from formats.integer_only.sigmoid_tflite import scaling
from reference.exact.activation_table import exp
from reference.exact.word16 import ONE, clamp, exp_negative, twice_reciprocal

_HALF = Fraction(1, 2)


def lines(q: int, function: Activation, scale: float) -> int:
    """By lines between entries.

    >>> lines(4096, Activation.TANH, 2**-12)
    24956
    """
    made = scaling(function, scale)
    x = floor(Fraction(q * made.multiplier, 2**made.shift) + _HALF)
    if function is Activation.LOGISTIC:
        above = _line(abs(x), 512, Fraction(65534)) / 2
        return floor(above + _HALF) if x >= 0 else ceil(2**15 - above + _HALF) - 1
    above = _line(abs(x), 256, Fraction(65535)) - 2**15
    return floor(above + _HALF) if x >= 0 else ceil(-above + _HALF) - 1


def fixed_point(q: int, function: Activation, shift: int = 0) -> int:
    """By gemmlowp's fixed point of ``q 2^shift`` in units of ``2^-12``.

    >>> fixed_point(4096, Activation.LOGISTIC), fixed_point(4096, Activation.TANH)
    (23952, 24964)
    """
    x = clamp(q * 2**shift)
    if function is Activation.LOGISTIC:
        above = clamp(2 * twice_reciprocal(exp_negative(-abs(x), 12)))
        return above if x > 0 else ONE - above if x < 0 else 2**14
    above = clamp(4 * (twice_reciprocal(exp_negative(-abs(x), 11)) - 2**13))
    return above if x > 0 else -above if x < 0 else 0


def entry(k: int) -> int:
    """``T_k``, from functions to 300 bits.

    >>> entry(0), entry(1), entry(254), entry(255)
    (32768, 33451, 65534, 65535)
    """
    if k == 255:
        return 65535
    here, middle, there = (1 / (1 + exp(-Fraction(x, 48))) for x in (2 * k, 2 * k + 1, 2 * k + 2))
    return floor(2**16 * (here + (middle - (here + there) / 2) / 2) + _HALF)


_entry = functools.cache(entry)


def _line(magnitude: int, width: int, last: Fraction) -> Fraction:
    place, rest = divmod(magnitude, width)
    if place >= 255:
        return last
    return _entry(place) + Fraction((_entry(place + 1) - _entry(place)) * rest, width)
