"""The judge of TFLite's int16 softmax: one row, in Python integers and fractions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import floor

from reference.exact.activation_table import exp, look_up16
from reference.exact.ibert import significant
from reference.exact.word16 import clamp

_HALF = Fraction(1, 2)


def softmax16(q: Sequence[int], scale: float, beta: float = 1.0) -> list[int]:
    """A row.

    >>> softmax16([4000, 2000, -500, 0], 0.0005)
    [20370, 7494, 2147, 2757]
    """
    factor = significant(significant(Fraction(scale), 24) * significant(Fraction(beta), 24), 24)
    multiplier, power = _multiplier(significant(factor / significant(Fraction(10, 65535), 53), 53))
    exps, reciprocals = tables()
    e = [look_up16(clamp(_scaled(x - max(q), multiplier, power) + 32767), exps) for x in q]
    total = Fraction(sum(e))
    ones = sum(e).bit_length()
    f = floor(total / 2 ** (ones - 17) + _HALF)
    r = look_up16(clamp(f - 2**16 - 2**15), reciprocals)
    return [min(floor(Fraction(x * r, 2 ** (ones - 1)) + _HALF), 32767) for x in e]


@functools.cache
def tables() -> tuple[list[int], list[int]]:
    """The tables of exp from -10 to 0 and ``1 / (1 + x)`` from 0 to 1, from functions to 300 bits.

    >>> [len(table) for table in tables()]
    [513, 513]
    """
    return _table(exp, Fraction(-10), Fraction(0)), _table(lambda x: 1 / (1 + x), Fraction(0), Fraction(1))


def _table(function: Callable[[Fraction], Fraction], low: Fraction, high: Fraction) -> list[int]:
    values = [function(low + (high - low) * i / 1024) * 2**15 for i in range(1025)]
    made: list[int] = []
    for here, middle, there in zip(values[:-1:2], values[1::2], values[2::2], strict=True):
        first = _halves_away(here)
        error = _halves_away((there + first) / 2) - _halves_away(middle)
        made.append(clamp(first - _halves_away(Fraction(error, 2))))
    return [*made, clamp(_halves_away(values[-1]))]


def _scaled(x: int, multiplier: int, power: int) -> int:
    """TFLite's double rounding of ``x m 2^(power-31)``."""
    product = floor(Fraction(x * 2 ** max(power, 0) * multiplier, 2**31) + _HALF)
    return _halves_away(Fraction(product, 2 ** max(-power, 0)))


def _multiplier(real: Fraction) -> tuple[int, int]:
    power = 0
    while real >= 1:
        real, power = real / 2, power + 1
    while real < _HALF:
        real, power = real * 2, power - 1
    m = floor(real * 2**31 + _HALF)
    if m == 2**31:
        m, power = 2**30, power + 1
    return (m, power) if power >= -31 else (0, 0)


def _halves_away(x: Fraction) -> int:
    magnitude = floor(abs(x) + _HALF)
    return magnitude if x >= 0 else -magnitude
