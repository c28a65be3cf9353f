"""TFLite's int8 hard swish, once for NumPy and jax.numpy."""

from __future__ import annotations

from formats.integer_only.hard_swish_tflite import HardSwish
from reference.array.carrier import Array, Namespace
from reference.array.integer.word16 import clamp, divide_by_power, high


def hard_swish(q: Array, zero_points: tuple[int, int], made: HardSwish, xp: Namespace) -> Array:
    """Steps as in `formats.integer_only.hard_swish_tflite`; ``q`` and the result are int32 arrays of int8 integers."""
    v = (q - zero_points[0]) << 7
    p = high(v, made.out_multiplier, xp)
    gate = (_relu_units(v, made, xp) + (1 << 15)) >> 1
    product = gate * p
    truncated = (product + ((product >> 31) & ((1 << 15) - 1))) >> 15
    return xp.clip(divide_by_power(truncated, -made.out_exponent) + zero_points[1], -128, 127)


def _relu_units(v: Array, made: HardSwish, xp: Namespace) -> Array:
    if made.relu_exponent <= 0:
        return divide_by_power(high(v, made.relu_multiplier, xp), -made.relu_exponent)
    moved = clamp(v << min(made.relu_exponent - 1, 15), xp)  # 15 bits saturate already all but 0
    return clamp(high(moved, made.relu_multiplier, xp) << 1, xp)
