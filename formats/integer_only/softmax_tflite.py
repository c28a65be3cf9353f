"""TFLite's int8 softmax, as data: gemmlowp's fixed point, and the table of binary32 numbers that LiteRT runs."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fractions import Fraction

from formats.integer_only.multipliers import dyadic_rule


class SoftmaxForm(enum.Enum):
    """Two forms of one operator; a flatbuffer does not say which.

    FIXED_POINT: TFLite's reference kernel, which LiteRT 2.3.0 runs by its reference resolver (by experiment). With
    ``d = q - max q`` along a row: ``x = SRDHM(d 2^s, m)``, in units of ``2^-26``, for the multiplier ``m 2^(s-31)`` of
    ``beta S 2^26``; ``e = exp(x)`` in units of ``2^-31``; ``total`` the sum of all ``RDBPOT(e, 12)``; ``r`` the
    reciprocal of ``total 2^n / 2^31``, ``n`` its leading zeros; ``clamp(RDBPOT(SRDHM(r, e), 35 - n) - 128)``. Where
    ``d`` is below ``-floor(31 2^26 / 2^s)`` the result is -128 and nothing is summed.

    BINARY32: LiteRT 2.3.0 on x86-64 by its other resolvers (by experiment). ``t_k = RN(exp(RN(-RN(S beta) k)))`` for
    ``k = 0..255``; the sum of ``t_(max - q)`` from left to right, each step rounded; ``i = RN(1 / RN(sum RN(2^-8)))``;
    ``clamp(floor(RN(RN(t i) + 1/2)) - 128)``.
    """

    FIXED_POINT = "fixed_point"
    BINARY32 = "binary32"


@dataclass(frozen=True, slots=True)
class Difference:
    """What a scale makes of `SoftmaxForm.FIXED_POINT`: the multiplier ``m``, the shift ``s``, the least difference."""

    multiplier: int
    shift: int
    least: int


def difference(scale: float, beta: float = 1.0) -> Difference:
    """By ``min(beta S 2^26, 2^31 - 1)``; ``ValueError`` where ``beta S`` is not positive or below ``2^-26``.

    >>> difference(0.05)
    Difference(multiplier=1717986918, shift=22, least=-496)
    """
    if not (0 < scale < float("inf") and 0 < beta < float("inf")):
        raise ValueError(f"scale={scale}, beta={beta} must be positive and finite")
    real = min(beta * scale * 2.0**26, 2.0**31 - 1)
    if real < 1:
        raise ValueError(f"scale={scale} times beta={beta} is below 2^-26, which the fixed point does not hold")
    pair = dyadic_rule("tflite").pair(Fraction(real))
    shift = 31 - pair.shift
    return Difference(pair.multiplier, shift, -((31 << 26) >> shift))


#: gemmlowp @ 16e8662, fixedpoint/fixedpoint.h: exp(-1/8), 1/3, 48/17 and -32/17 in units of 2^-31, 2^-31, 2^-29, 2^-29
EXP_EIGHTH, THIRD, RECIPROCAL_START, RECIPROCAL_SLOPE = 1895147668, 715827883, 1515870810, -1010580540
#: exp(-2^k) in units of 2^-31, for k = -2 to 4
EXP_POWERS = ((-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242))
