"""Saturation.WRAP: integers modulo 2^bits, which need every bit of the rounded integer."""

from __future__ import annotations

from formats import IntSpec
from reference.array.carrier import INT_DTYPES, Array, Namespace, carry, check_dtype
from reference.array.conversion import Conversion, nan_code
from reference.array.rounding import round_shift, round_stochastic


def encode_wrapping(
    x: Array, conversion: Conversion, spec: IntSpec, xp: Namespace, random_bits: Array | None = None
) -> Array:
    """The low bits of ``x * 2^fraction_bits`` rounded to an integer; NaN and infinities go by the NaN rule."""
    mask = (1 << spec.bits) - 1
    if check_dtype(x.dtype) in INT_DTYPES:
        return (x.astype(xp.int32) << spec.fraction_bits) & mask
    carrier = carry(x, xp, rounding=conversion.rounding)
    a, f = carrier.magnitude, carrier.fraction_bits
    word = a.dtype.type
    e = xp.maximum(a >> word(f), word(1))
    significand = a - ((e - word(1)) << word(f))
    point = word(f + carrier.bias - spec.fraction_bits)  # the exponent field at which significands are integers
    shift = xp.maximum(point, e) - e
    significand, shift = significand << word(1), shift + word(1)  # a shift of at least one place
    if random_bits is None:
        n = round_shift(significand, shift, conversion.rounding, xp, negative=carrier.negative)
    else:
        drawn = {"random_bits": random_bits, "random_bit_count": conversion.random_bit_count}
        n = round_stochastic(significand, shift, conversion.rounding, xp, **drawn)
    left = xp.maximum(point, e) - point
    n = xp.where(left < word(spec.bits), n << xp.minimum(left, word(spec.bits)), word(0)).astype(xp.int32)
    code = xp.where(carrier.negative, -n, n) & mask
    return xp.where(a >= word(carrier.infinity), nan_code(conversion), code)
