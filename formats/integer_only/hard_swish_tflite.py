"""TFLite's int8 hard swish, ``x ReLU6(x + 3) / 6``, as data: fixed point in 16-bit words.

With ``v = 128 (q - z_x)``, ``S_v = S_x / 128``, ``high(a, b) = clamp(floor(a b / 2^15 + 1/2))`` and ``clamp`` to int16:

- ``p = high(v, m_y)``, where ``m_y 2^(s_y-15)`` is nearly ``RN(S_v / S_y)``, and ``s_y <= 0``;
- ``u = v`` in units of ``3 / 2^15``: with ``m_u 2^(s_u-15)`` nearly ``RN(2^15 S_v / 3)``, ``clamp(2 high(clamp(v
  2^(s_u-1)), m_u))`` for ``s_u > 0``, ``divide(high(v, m_u), -s_u)`` otherwise;
- ``h = floor((u + 2^15) / 2)``, so that 0 to 1 is 0 to ``2^15``;
- ``clamp8(divide(trunc(h p / 2^15), -s_y) + z_y)``.

``divide(x, k)`` is ``x / 2^k``, halves away from zero. From ``k = 16`` on its mask does not fit the word and is -1:
1 for ``x >= 0``, -1 for others, where 0 would be right.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from formats.code_books.binary32 import single
from formats.dyadic import DyadicPair
from formats.integer_only.multipliers import dyadic_rule

SOURCE = (
    "TensorFlow Lite, HardSwish of kernels/internal/reference/hard_swish.h and HardSwishPrepare; gemmlowp @ 16e8662, "
    "fixedpoint.h; compared with LiteRT 2.3.0 on x86-64, whose three resolvers run the same"
)


@dataclass(frozen=True, slots=True)
class HardSwish:
    """``m_y``, ``s_y``, ``m_u`` and ``s_u`` above."""

    out_multiplier: int
    out_exponent: int
    relu_multiplier: int
    relu_exponent: int


def hard_swish_multipliers(source_scale: float, out_scale: float) -> HardSwish:
    """The multipliers of two scales, which are rounded to binary32 first, as is each quotient.

    Raises ``ValueError`` where a scale or a quotient is no positive normal number in binary32, or ``S_x / S_y >= 128``,
    which the runtime refuses; ``OverflowError`` where ``s_u`` would be above 31.

    >>> hard_swish_multipliers(0.05, 0.04)
    HardSwish(out_multiplier=20480, out_exponent=-6, relu_multiplier=17476, relu_exponent=3)
    """
    if not (source_scale > 0 and out_scale > 0):
        raise ValueError(f"scales {source_scale} and {out_scale} must be positive")
    wide = Fraction(single(source_scale)) / 128
    ratio = single(wide / Fraction(single(out_scale)))
    if ratio >= 1:
        raise ValueError(f"scales {source_scale} and {out_scale} have a ratio of 128 or more, which TFLite refuses")
    out, relu = _narrow(ratio), single(wide * 32768 / 3)
    if relu >= 1 << 31:
        raise OverflowError(f"scale={source_scale}: S_x / (3 / 2^8) must be below 2^31, for a left shift of an int")
    return HardSwish(*out, *_narrow(relu))


def _narrow(ratio: float) -> tuple[int, int]:
    """TFLite's multiplier of 31 bits made one of 15, half up, and its exponent."""
    pair: DyadicPair = dyadic_rule("tflite").pair(ratio)
    return min((pair.multiplier + (1 << 15)) >> 16, (1 << 15) - 1), 31 - pair.shift if pair.multiplier else 0
