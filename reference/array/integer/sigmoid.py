"""TFLite's int16 logistic and tanh, once for NumPy and jax.numpy: int32 arrays of what int16 holds."""

from __future__ import annotations

from formats.integer_only.activation_tables import Activation
from formats.integer_only.sigmoid_tflite import ENTRIES, Scaling
from reference.array.carrier import Array, Namespace
from reference.array.integer.word16 import LARGEST, clamp, exp_negative, twice_reciprocal


def by_lines(q: Array, function: Activation, scaling: Scaling, table: Array, xp: Namespace) -> Array:
    """`formats.integer_only.sigmoid_tflite.SigmoidForm.LINES`, with its table; nothing leaves 32 bits.

    With ``W = 512`` for the logistic, 256 for tanh, the line is an integer in units of ``1 / W``, up to ``2^25``.
    """
    half = 1 << (scaling.shift - 1) if scaling.shift else 0
    x = (q * scaling.multiplier + half) >> scaling.shift
    bits = 9 if function is Activation.LOGISTIC else 8
    magnitude = xp.abs(x)
    place, rest = magnitude >> bits, magnitude & ((1 << bits) - 1)
    at = xp.minimum(place, ENTRIES - 2)
    line = (table[at] << bits) + (table[at + 1] - table[at]) * rest
    if function is Activation.LOGISTIC:
        line = xp.where(place >= ENTRIES - 1, 65534 << 9, line)
        return xp.where(x >= 0, line + 512, (1 << 25) - line + 511) >> 10
    line = xp.where(place >= ENTRIES - 1, 65535 << 8, line) - (1 << 23)
    return xp.where(x >= 0, line + 128, 127 - line) >> 8


def by_fixed_point(q: Array, function: Activation, shift: int, xp: Namespace) -> Array:
    """`formats.integer_only.sigmoid_tflite.SigmoidForm.FIXED_POINT`, after a saturating left shift."""
    x = clamp(q << shift, xp)
    integer_bits = 3 if function is Activation.LOGISTIC else 4
    y = twice_reciprocal(exp_negative(-xp.abs(x), integer_bits, xp), xp)
    if function is Activation.LOGISTIC:
        above = clamp(y << 1, xp)
        return xp.where(x > 0, above, xp.where(x < 0, LARGEST - above, 1 << 14))
    above = clamp((y - (1 << 13)) << 2, xp)
    return xp.where(x > 0, above, xp.where(x < 0, -above, 0))
