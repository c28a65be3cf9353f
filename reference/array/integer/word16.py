"""gemmlowp's fixed point in 16-bit words, once for NumPy and jax.numpy: numbers of int16 in int32 arrays.

Source: gemmlowp @ 16e8662, fixedpoint.h.
"""

from __future__ import annotations

from formats.integer_only.softmax_tflite import EXP_EIGHTH, EXP_POWERS, RECIPROCAL_SLOPE, RECIPROCAL_START, THIRD
from reference.array.carrier import Array, Namespace

LARGEST = (1 << 15) - 1


def clamp(x: Array, xp: Namespace) -> Array:
    """To what int16 holds."""
    return xp.clip(x, -LARGEST - 1, LARGEST)


def high(a: Array, b: Array | int, xp: Namespace) -> Array:
    """``clamp(floor(a b / 2^15 + 1/2))``: only ``-2^15`` squared is clamped."""
    return clamp((a * b + (1 << 14)) >> 15, xp)


def divide_by_power(x: Array, exponent: int) -> Array:
    """``x / 2^exponent``, halves away from zero; from 16 on 1 for ``x >= 0`` and -1 for others, as in a word of 16."""
    mask = (1 << exponent) - 1 if exponent < 16 else -1
    return (x >> exponent) + ((x & mask) > ((mask >> 1) + (x < 0))).astype(x.dtype)


def narrow(constant: int) -> int:
    """A constant in units of ``2^-31`` in units of ``2^-15``, half up.

    >>> narrow((1 << 31) - 1)
    32767
    """
    return min((constant + (1 << 15)) >> 16, LARGEST)


def exp_negative(x: Array, integer_bits: int, xp: Namespace) -> Array:
    """``exp(x 2^(integer_bits-15))`` for ``x <= 0`` in units of ``2^-15``; 1 is ``2^15 - 1``; 3 or 4 integer bits."""
    fraction_bits = 15 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    rest = (x & (quarter - 1)) - quarter  # in [-1/4, 0)
    moved = (rest << integer_bits) + (1 << 12)
    square = high(moved, moved, xp)
    cube, fourth = high(square, moved, xp), high(square, square, xp)
    series = high(divide_by_power(fourth, 2) + cube, narrow(THIRD), xp) + square
    eighth = narrow(EXP_EIGHTH)
    result = clamp(high(moved + divide_by_power(series, 1), eighth, xp) + eighth, xp)
    for power, factor in EXP_POWERS:
        if power < integer_bits:
            taken = (rest - x) & (1 << (fraction_bits + power)) != 0
            result = xp.where(taken, high(result, narrow(factor), xp), result)
    return xp.where(x == 0, LARGEST, result)


def twice_reciprocal(x: Array, xp: Namespace) -> Array:
    """``2 / (1 + x 2^-15)`` for ``0 <= x < 2^15`` in units of ``2^-13``, by three of Newton's steps."""
    half = (x + LARGEST + 1) >> 1  # of the denominator
    y = high(half, narrow(RECIPROCAL_SLOPE), xp) + narrow(RECIPROCAL_START)
    for _ in range(3):
        y = y + clamp(high(y, (1 << 13) - high(half, y, xp), xp) << 2, xp)
    return y
