"""Saturation.WRAP: integers modulo 2^bits, which need every bit of the rounded integer."""

from __future__ import annotations

from formats import IntSpec
from reference.array.carrier import INT_DTYPES, Array, Namespace, check_dtype, exact
from reference.array.conversion import Conversion, nan_code
from reference.array.rounding import round_shift


def encode_wrapping(
    x: Array, conversion: Conversion, spec: IntSpec, xp: Namespace, random_bits: Array | None = None
) -> Array:
    """The low bits of ``x * 2^fraction_bits`` rounded to an integer; NaN and infinities go by the NaN rule."""
    mask = (1 << spec.bits) - 1
    if check_dtype(x.dtype) in INT_DTYPES:
        return (x.astype(xp.int32) << spec.fraction_bits) & mask
    carrier = exact(x, xp)
    a, f = carrier.magnitude, carrier.fraction_bits
    word = a.dtype.type
    e = xp.maximum(a >> word(f), word(1))
    significand = a - ((e - word(1)) << word(f))
    shift = word(f + carrier.bias - spec.fraction_bits) - e
    largest = word(a.dtype.itemsize * 8 - 2)
    deterministic_limit = largest if not conversion.rounding.is_stochastic else word(1 << 20)
    rounded = round_shift(
        significand,
        xp.clip(shift, word(1), deterministic_limit),
        conversion.rounding,
        xp,
        negative=carrier.negative,
        random_bits=random_bits,
        random_bit_count=conversion.random_bit_count,
    )
    left = xp.clip(-shift, word(0), largest)
    shifted = xp.where(left < word(spec.bits), significand << left, word(0))
    n = xp.where(shift > word(0), rounded, shifted)
    code = xp.where(carrier.negative, -n, n) & word(mask)
    return xp.where(a >= carrier.infinity, nan_code(conversion), code.astype(xp.int32))
