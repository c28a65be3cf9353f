"""Codes taken apart: sign, integer significand, exponent, and what is no finite number."""

from __future__ import annotations

from dataclasses import dataclass

from formats import FloatSpec, Format, IntSpec, Nan
from reference.array.carrier import Array, Namespace

#: the exponent of a zero: below every other, also after two of them are added
NOWHERE = -(1 << 20)


@dataclass(frozen=True, slots=True)
class Operand:
    """Numbers ``(-1)^negative * significand * 2^(exponent - fraction_bits)``; subnormals are not normalised.

    Zeros, infinities and NaNs have significand 0 and exponent `NOWHERE`; zeros and infinities keep their sign.
    """

    negative: Array
    significand: Array  #: int64
    exponent: Array  #: int64
    infinite: Array
    nan: Array
    fraction_bits: int

    @property
    def zero(self) -> Array:
        """Where the number is +0 or -0."""
        return (self.significand == 0) & ~self.infinite & ~self.nan

    @property
    def place(self) -> Array:
        """The exponent of the significand's last bit."""
        return self.exponent - self.fraction_bits

    def __getitem__(self, index: object) -> Operand:
        """The same part of every array."""
        return Operand(
            self.negative[index],
            self.significand[index],
            self.exponent[index],
            self.infinite[index],
            self.nan[index],
            self.fraction_bits,
        )


def unpack(codes: Array, spec: Format, xp: Namespace) -> Operand:
    """The numbers that ``codes`` (unsigned, any shape) stand for in ``spec``."""
    c = codes.astype(xp.int64)
    return _integers(c, spec, xp) if isinstance(spec, IntSpec) else _floats(c, spec, xp)


def _integers(c: Array, spec: IntSpec, xp: Namespace) -> Operand:
    n = 1 - 2 * c if not spec.has_zero else c - ((c >> (spec.bits - 1)) << spec.bits) if spec.signed else c
    never = n != n
    exponent = xp.where(n == 0, NOWHERE, 0)
    return Operand(n < 0, xp.abs(n), exponent, never, never, spec.fraction_bits)


def _floats(c: Array, spec: FloatSpec, xp: Namespace) -> Operand:
    t = spec.fraction_bits
    magnitude = c & ((1 << spec.magnitude_bits) - 1)
    negative = (c & spec.sign_code) != 0
    nan = magnitude > spec.max_code + spec.has_infinity
    if spec.nan is Nan.NEGATIVE_ZERO:
        nan = c == spec.sign_code
    infinite = magnitude == spec.infinity_code if spec.has_infinity else nan & False
    field = magnitude >> t
    implicit = xp.minimum(field, 1) << t if spec.has_zero else 1 << t
    significand = (magnitude & ((1 << t) - 1)) | implicit
    significand = xp.where(nan | infinite, 0, significand)
    exponent = (xp.maximum(field, 1) if spec.has_zero else field) - spec.bias
    return Operand(negative, significand, xp.where(significand == 0, NOWHERE, exponent), infinite, nan, t)


def multiply(a: Operand, b: Operand) -> Operand:
    """The exact products, elementwise; infinity * 0 is NaN."""
    nan = a.nan | b.nan | (a.infinite & b.zero) | (a.zero & b.infinite)
    infinite = (a.infinite | b.infinite) & ~nan
    significand = a.significand * b.significand
    exponent = a.exponent + b.exponent
    return Operand(a.negative ^ b.negative, significand, exponent, infinite, nan, a.fraction_bits + b.fraction_bits)
