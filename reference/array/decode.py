"""Decode on arrays: the bits of binary32 or binary64, built with integer operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from formats import FloatSpec, Format, IntSpec, Nan
from reference.array.carrier import Array, Namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """An IEEE 754 interchange format to decode into."""

    name: str
    fraction_bits: int
    bias: int
    #: exponent of the smallest subnormal
    least: int

    @property
    def infinity(self) -> int:
        """The pattern of infinity."""
        return (2 * self.bias + 1) << self.fraction_bits

    @property
    def nan(self) -> int:
        """The pattern of the quiet NaN without payload."""
        return self.infinity | 1 << (self.fraction_bits - 1)


BINARY32 = Binary(name="float32", fraction_bits=23, bias=127, least=-149)
BINARY64 = Binary(name="float64", fraction_bits=52, bias=1023, least=-1074)


def target(spec: Format) -> Binary:
    """float32 if it holds every value of the format exactly, else float64; ``ValueError`` if neither does."""
    for binary in (BINARY32, BINARY64):
        if isinstance(spec, IntSpec):
            if spec.bits <= binary.fraction_bits + 1:
                return binary
        elif (
            spec.precision <= binary.fraction_bits + 1
            and spec.emin - spec.fraction_bits >= binary.least
            and spec.emax <= binary.bias
        ):
            return binary
    raise ValueError(f"{spec.name} has values outside binary64; decode it with reference.exact")


def decode(codes: Array, spec: Format, xp: Namespace) -> Array:
    """Values of ``codes`` (any unsigned dtype, any shape) as float32 where that is exact, else float64."""
    binary = target(spec)
    word = xp.int32 if binary is BINARY32 else xp.int64
    if spec.signed and spec.bits == 8:
        codes = codes.astype(xp.int8)  # widening then spreads the sign over the upper bits at no cost
    c = codes.astype(word)
    bits = _int_bits(c, spec, binary, xp) if isinstance(spec, IntSpec) else _float_bits(c, spec, binary, xp)
    return bits.view(getattr(xp, binary.name))


def _int_bits(c: Array, spec: IntSpec, binary: Binary, xp: Namespace) -> Array:
    if not spec.has_zero:
        n = 1 - 2 * c
    elif spec.signed and spec.bits != 8:
        half = 1 << (spec.bits - 1)
        n = (c ^ half) - half
    else:
        n = c
    if spec.fraction_bits == 0:
        return n.astype(getattr(xp, binary.name)).view(n.dtype)
    sign = 1 << (8 * n.dtype.itemsize - 1)
    return _scaled(xp.abs(n), -spec.fraction_bits, binary, xp) | (n & -sign)


def _float_bits(c: Array, spec: FloatSpec, binary: Binary, xp: Namespace) -> Array:
    f, t, width = binary.fraction_bits, spec.fraction_bits, 8 * c.dtype.itemsize
    magnitude = c & ((1 << spec.magnitude_bits) - 1)
    rebias = binary.bias - spec.bias  # exponent field of the target minus that of the source
    bits = (magnitude << (f - t)) + (rebias << f)
    first = spec.emin + binary.bias  # target exponent field of the smallest normal value
    if first < 1 or (spec.has_zero and spec.emin - t < 1 - binary.bias):
        bits = _through_subnormals(magnitude, bits, spec, binary, xp)
    elif (
        spec.has_zero and ((1 << spec.magnitude_bits) - 1 >> t) + rebias < 2 * binary.bias
    ):  # twice any of them is finite
        bits = xp.minimum(bits, _subnormal_bits(bits, spec, binary, xp))
    elif spec.has_zero:
        bits = xp.where(magnitude < (1 << t), _scaled(magnitude, spec.emin - t, binary, xp), bits)
    above = _codes_above_maximum(magnitude, bits, spec, binary)
    if spec.has_infinity:
        bits = xp.where(above(0), binary.infinity, bits)
    is_nan = above(spec.has_infinity) if spec.nan is Nan.ABOVE else None
    if spec.signed:
        sign = c if spec.bits == 8 else c << (width - spec.bits)
        bits = bits | (sign & -(1 << (width - 1)))
        if spec.nan is Nan.NEGATIVE_ZERO:  # where -0 would be
            is_nan = bits == -(1 << (width - 1))
    return bits if is_nan is None else xp.where(is_nan, binary.nan, bits)


def _codes_above_maximum(magnitude: Array, bits: Array, spec: FloatSpec, binary: Binary) -> Callable[[int], Array]:
    """Where the magnitude code lies more than ``n`` above ``max_code``, as a function of ``n``.

    Patterns grow with the code, so that they tell its place as well, and a comparison of whole words is cheaper than
    one of codes; but where the codes reach beyond the target's exponents, or the maximum is subnormal, the code does.
    """
    f, t = binary.fraction_bits, spec.fraction_bits
    rebias = binary.bias - spec.bias
    first, last = spec.max_code >> t, ((1 << spec.magnitude_bits) - 1) >> t
    if first >= 1 and first + rebias >= 1 and last + rebias <= 2 * binary.bias + 1:
        return lambda n: bits > ((spec.max_code + n) << (f - t)) + (rebias << f)
    return lambda n: magnitude > spec.max_code + n


def _subnormal_bits(bits: Array, spec: FloatSpec, binary: Binary, xp: Namespace) -> Array:
    """``2n - 2^emin`` for normal numbers ``n``, the format's subnormals read as if they had an implicit bit.

    That is what a subnormal code means, and less than ``n`` for no other code. The difference is exact, and zero or
    far from the target's own subnormals, so nothing is flushed or contracted.
    """
    real = getattr(xp, binary.name)
    return ((bits + (1 << binary.fraction_bits)).view(real) - real(2.0**spec.emin)).view(bits.dtype)


def _through_subnormals(magnitude: Array, normal: Array, spec: FloatSpec, binary: Binary, xp: Namespace) -> Array:
    """Values that reach into the target's subnormals: their bits are the integer ``value / 2^least``."""
    f, t = binary.fraction_bits, spec.fraction_bits
    field = magnitude >> t
    implicit = xp.minimum(field, 1) << t if spec.has_zero else 1 << t
    significand = (magnitude & ((1 << t) - 1)) | implicit
    exponent = (xp.maximum(field, 1) if spec.has_zero else field) - spec.bias - t
    left = xp.clip(exponent - binary.least, 0, f)
    return xp.where(field >= 1 + spec.bias - binary.bias, normal, significand << left)


def _scaled(n: Array, exponent: int, binary: Binary, xp: Namespace) -> Array:
    """The bits of ``n * 2^exponent`` for a small integer ``n >= 0``: a conversion, exact and far from subnormals,
    and an addition to the exponent field, after which zero alone is negative.
    """
    bits = n.astype(getattr(xp, binary.name)).view(n.dtype)
    if exponent == 0:
        return bits
    bits = bits + (exponent << binary.fraction_bits)
    return xp.maximum(bits, 0) if exponent < 0 else xp.where(n == 0, 0, bits)
