"""TFLite's int16 softmax, as data: two tables of 513 entries, exp and a reciprocal.

With ``d = q - max q`` along a row, a table ``t`` read as `reference.integer.activation_table.look_up16` does, and
``clamp`` to int16: ``e = exp_table(clamp(x + 32767))``, ``x`` being ``d`` times the ratio of `difference16` by TFLite's
double rounding; ``total`` the sum of all ``e``, ``n`` its leading zeros in 32 bits; ``f = floor(total 2^(n-1) / 2^14 +
1/2)``, in ``[2^16, 2^17]``; ``r = reciprocal_table(clamp(f - 2^16 - 2^15))``; ``min(floor(e r / 2^(31-n) + 1/2),
32767)``, with the scale ``2^-15`` and the zero point 0.

The tables are those of `reference.integer.activation_table.int16_table` with binary64 for binary32: ``exp(x)`` from -10
to 0, and ``1 / (1 + x)`` from 0 to 1, both times ``2^15``.
"""

from __future__ import annotations

from fractions import Fraction

from formats.code_books.binary32 import single
from formats.dyadic import DyadicPair
from formats.integer_only.multipliers import dyadic_rule

#: the least number whose exponential is not taken for exp(-10), and the steps between it and 0
LEAST, STEPS = -10.0, 65535
#: sums of more exponentials may leave 32 bits
LONGEST_ROW = 1 << 16
SOURCE = (
    "TensorFlow Lite, SoftmaxInt16 of kernels/internal/reference/softmax.h; compared with LiteRT 2.3.0 on x86-64, "
    "whose three resolvers run the same"
)


def difference16(scale: float, beta: float = 1.0) -> DyadicPair:
    """The multiplier of ``RN(S beta) / RN(10 / 65535)``: product in binary32, quotients in binary64.

    ``ValueError`` where a factor is not positive, or no normal binary32 number; ``OverflowError`` where the ratio is
    ``2^15`` or more, so ``beta S`` more than 5: differences shifted left would leave int32.

    >>> difference16(2**-10)
    DyadicPair(multiplier=1717960704, shift=28)
    """
    if not (scale > 0 and beta > 0):
        raise ValueError(f"scale={scale}, beta={beta} must be positive")
    ratio = single(Fraction(single(scale)) * Fraction(single(beta))) / (-LEAST / STEPS)
    if ratio >= 1 << 15:
        raise OverflowError(f"scale={scale} times beta={beta} is {scale * beta}; accepted: up to 5")
    return dyadic_rule("tflite").pair(Fraction(ratio))
