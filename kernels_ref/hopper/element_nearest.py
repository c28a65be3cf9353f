"""Rounding to the nearest code in ten instructions, from the format's record; once for NumPy and jax.numpy.

Floats
    From ``2^k`` on a format with ``t`` fraction bits has the quantum ``2^(k-t)``, and below its ``2^emin`` that of
    ``k = emin``. A sum with the anchor ``2^(k-t+23)`` has that quantum as its unit in the last place, so that IEEE
    754's own rounding, ties to even, does the work and the fraction of the sum counts quanta. The code is that count
    and ``(k - emin) 2^t``. The constant part of it goes into the anchor, ``2^k`` times a constant: a product that is
    exact, so that it does not matter whether a compiler contracts it with the sum.

Integers
    are the same with one quantum: ``1.5 * 2^23`` quanta leave the number in two's complement.

A magnitude is held to the largest value before it is rounded, so that no sum overflows; none is subnormal, so that
there is nothing to flush.
"""

from __future__ import annotations

import math
from typing import Any

from formats import FloatSpec, IntSpec, Rounding, Saturation
from kernels_ref.rounding import round_magnitude
from reference.array import codec
from reference.array.carrier import Array, Namespace, carry
from reference.array.conversion import Conversion, nan_code
from reference.array.decode import BINARY32

FRACTION_BITS, BIAS = BINARY32.fraction_bits, BINARY32.bias
INFINITY, MAGNITUDE = BINARY32.infinity, 0x7FFFFFFF
_ANCHOR = 1.5 * 2.0**FRACTION_BITS


def encode(x: Array, request: Conversion, xp: Namespace, random_bits: Array | None = None) -> Array:
    """`reference.array.codec.encode` of float16, bfloat16 or float32 numbers, by the shortest way that there is."""
    if not is_short(request):
        return codec.encode(x, request, xp, random_bits, rounder=round_magnitude)
    bits, spec = patterns(x, xp), request.spec
    codes = integers(bits, spec, xp) if isinstance(spec, IntSpec) else floats(bits, spec, xp)
    real = number(bits, xp)
    codes = xp.where(real != real, xp.int32(nan_code(request)), codes)
    return (codes if spec.bits == 8 else codes & ((1 << spec.bits) - 1)).astype(xp.uint8)


def is_short(request: Conversion) -> bool:
    """Whether a request has the short form: ties to even, saturation, and a format of at most 8 bits amid binary32."""
    spec = request.spec
    nearest = request.rounding is Rounding.NEAREST_TIES_TO_EVEN and spec.has_zero and spec.bits <= 8
    if isinstance(spec, IntSpec):
        return nearest and request.saturation is not Saturation.WRAP and abs(spec.fraction_bits) < BIAS // 2
    return nearest and request.saturation is Saturation.SAT_FINITE and lies_amid(spec)


def lies_amid(spec: FloatSpec) -> bool:
    """Whether a format's smallest normal value, largest value and largest anchor are normal in binary32."""
    lifted = spec.emax + FRACTION_BITS - spec.fraction_bits
    return -BIAS < spec.emin <= spec.emax and lifted < BIAS and spec.fraction_bits > 0


def patterns(x: Array, xp: Namespace) -> Array:
    """The int32 patterns of the numbers as binary32, subnormals too."""
    match x.dtype.name:
        case "float32":
            return x.view(xp.int32)
        case "bfloat16":
            return x.view(xp.int16).astype(xp.int32) << 16
        case _:
            carrier = carry(x, xp, rounding=Rounding.TOWARD_ZERO)
            return carrier.negative.astype(xp.int32) << 31 | carrier.magnitude.astype(xp.int32)


def floats(bits: Array, spec: FloatSpec, xp: Namespace) -> Array:
    """int32 numbers whose lowest ``spec.bits`` bits are the codes of binary32 patterns, NaNs apart."""
    real = number(bits, xp)
    codes = magnitudes(xp.abs(real) if spec.signed else xp.maximum(real, xp.float32(0)), spec, xp)
    if not spec.signed:
        return codes
    own = spec.sign_code - 1
    sign = bits >> (32 - spec.bits)
    if not spec.has_negative_zero:
        sign = xp.where(codes & own == 0, 0, sign)
    return (codes & own) | (sign & ~own)


def magnitudes(magnitude: Array, spec: FloatSpec, xp: Namespace) -> Array:
    """int32 numbers whose lowest ``spec.magnitude_bits`` bits are the codes of float32 numbers from 0 on."""
    return counted(xp.minimum(magnitude, number(xp.int32(largest_pattern(spec)), xp)).view(xp.int32), spec, xp)


def counted(held: Array, spec: FloatSpec, xp: Namespace) -> Array:
    """`magnitudes` of int32 patterns that are held to the largest value already."""
    return _counted(held, spec, xp)[0]


def rounded(magnitude: Array, spec: FloatSpec, xp: Namespace) -> tuple[Array, Array]:
    """`magnitudes`, and the rounded numbers themselves: the sums less their anchors, exactly."""
    held = xp.minimum(magnitude, number(xp.int32(largest_pattern(spec)), xp)).view(xp.int32)
    codes, total, anchor = _counted(held, spec, xp)
    return codes, total - anchor


def _counted(held: Array, spec: FloatSpec, xp: Namespace) -> tuple[Array, Array, Array]:
    t, width = spec.fraction_bits, spec.magnitude_bits
    drop, first = FRACTION_BITS - t, (spec.emin + BIAS) << FRACTION_BITS
    binade = xp.maximum(held & INFINITY, first)
    start = -(first >> drop) % (1 << width)
    anchor = number(binade, xp) * xp.float32(math.ldexp(1, drop) + math.ldexp(start, -t))
    total = anchor + number(held, xp)
    return total.view(xp.int32) + (binade >> drop), total, anchor


def integers(bits: Array, spec: IntSpec, xp: Namespace) -> Array:
    """int32 numbers whose lowest ``spec.bits`` bits are the codes of binary32 patterns, NaNs apart."""
    low, high = (xp.float32(math.ldexp(n, -spec.fraction_bits)) for n in (spec.minimum, spec.maximum))
    held = xp.minimum(xp.maximum(number(bits, xp), low), high)
    return (held + xp.float32(math.ldexp(_ANCHOR, -spec.fraction_bits))).view(xp.int32)


def number(bits: Any, xp: Namespace) -> Array:
    """The float32 numbers of int32 patterns."""
    return bits.view(xp.float32)


def largest_pattern(spec: FloatSpec) -> int:
    """The binary32 pattern of the largest value, for a format whose largest value is normal in it."""
    t = spec.fraction_bits
    fraction = spec.max_code & ((1 << t) - 1)
    return ((spec.emax + BIAS) << FRACTION_BITS) | fraction << (FRACTION_BITS - t)
