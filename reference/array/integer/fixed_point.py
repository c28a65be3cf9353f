"""gemmlowp's fixed point once for NumPy and jax.numpy: ``exp`` of a negative number, and ``1 / (1 + x)``.

Numbers are int32 words, or wider integers of the same values. ``high`` is the saturating rounding doubling high product
``floor(a b / 2^31 + 1/2)``; each of the two libraries brings its own. Source: gemmlowp @ 16e8662, fixedpoint.h.
"""

from __future__ import annotations

from collections.abc import Callable

from formats.integer_only.softmax_tflite import EXP_EIGHTH, EXP_POWERS, RECIPROCAL_SLOPE, RECIPROCAL_START, THIRD
from reference.array.carrier import Array, Namespace

Product = Callable[[Array, Array | int], Array]
_MAXIMUM = (1 << 31) - 1


def divide_by_power(x: Array, exponent: Array | int) -> Array:
    """``x / 2^exponent``, halves away from zero; ``0 <= exponent <= 31``."""
    mask = ~(~(x & 0) << exponent)
    return (x >> exponent) + ((x & mask) > ((mask >> 1) + (x < 0))).astype(x.dtype)


def exp_negative(x: Array, high: Product, xp: Namespace) -> Array:
    """``exp(x 2^-26)`` for ``x <= 0`` in units of ``2^-31``; 1 is ``2^31 - 1``."""
    quarter = 1 << 24
    rest = (x & (quarter - 1)) - quarter  # in [-1/4, 0)
    moved = (rest << 5) + (1 << 28)
    square = high(moved, moved)
    cube, fourth = high(square, moved), high(square, square)
    series = divide_by_power(high(divide_by_power(fourth, 2) + cube, THIRD) + square, 1)
    result = high(moved + series, EXP_EIGHTH) + EXP_EIGHTH
    whole = rest - x
    for power, factor in EXP_POWERS:
        result = xp.where(whole & (1 << (26 + power)) != 0, high(result, factor), result)
    return xp.where(x == 0, _MAXIMUM, result)


def reciprocal(x: Array, high: Product, xp: Namespace) -> Array:
    """``1 / (1 + x 2^-31)`` for ``0 <= x < 2^31`` in units of ``2^-31``, by three of Newton's steps."""
    half = (x >> 1) + (1 << 30)  # of the denominator: (x + 2^31 - 1 + 1) / 2
    y = high(half, RECIPROCAL_SLOPE) + RECIPROCAL_START
    for _ in range(3):
        step = high(y, (1 << 29) - high(half, y))
        y = y + (xp.clip(step, -(1 << 29), (1 << 29) - 1) << 2)
    return xp.where(y >= 1 << 30, _MAXIMUM, y << 1)
