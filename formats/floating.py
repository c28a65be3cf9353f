"""Scalar floating-point formats as data: the values that exist, and their codes."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from formats.policy import Overflow, Saturation


class Nan(enum.Enum):
    """Where a float format keeps its NaNs."""

    NONE = "none"  #: every code is a number
    ABOVE = "above"  #: every magnitude code above the largest number or infinity, with either sign
    NEGATIVE_ZERO = "negative_zero"  #: the one code that would have been -0 (the "fnuz" and signed P3109 rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatSpec:
    """A binary floating-point format of at most 32 bits.

    A code is a sign bit (if ``signed``) above a magnitude code ``c``. With ``t = precision - 1`` fraction bits,
    ``E = c >> t`` and ``F = c mod 2^t``, the magnitude is::

        (2^t + F) * 2^(E - bias - t)     if E > 0 or not has_zero       (normal)
        F * 2^(1 - bias - t)             if E = 0 and has_zero          (subnormal, zero)

    so magnitudes grow with ``c``. ``c = max_code`` is the largest finite one; ``max_code + 1`` is infinity if
    ``has_infinity``; NaNs lie as `Nan` says. A format with `Nan.NEGATIVE_ZERO` or without a sign has no -0.

    ``has_zero=False`` (E8M0) means that no code is zero: smaller magnitudes round to the smallest one, and zero
    itself is out of range: clamped to the smallest value, or NaN under SAT_NONE.

    >>> FloatSpec(name="demo_e2m1", bits=4, precision=2, bias=1, max_code=7, source="an example").exponent_bits
    2
    """

    name: str
    bits: int
    #: bits of the significand, the implicit one included
    precision: int
    bias: int
    #: magnitude code of the largest finite value
    max_code: int
    signed: bool = True
    has_infinity: bool = False
    nan: Nan = Nan.NONE
    has_zero: bool = True
    #: what SAT_NONE yields beyond the range
    overflow: Overflow = Overflow.MAXIMUM
    #: where the facts come from
    source: str

    def __post_init__(self) -> None:
        def need(condition: bool, what: str) -> None:
            if not condition:
                raise ValueError(f"FloatSpec {self.name!r}: {what}")

        need(1 <= self.bits <= 32, f"bits={self.bits} must lie in 1..32")
        need(1 <= self.precision <= self.magnitude_bits, f"precision={self.precision} does not fit {self.bits} bits")
        room = (1 << self.magnitude_bits) - 1
        need(0 < self.max_code <= room - self.has_infinity, f"max_code={self.max_code:#x} does not fit {room:#x}")
        need(self.signed or self.nan is not Nan.NEGATIVE_ZERO, "an unsigned format has no code of -0 for a NaN")
        need(
            self.nan is not Nan.ABOVE or self.max_code + self.has_infinity < room,
            "no code above max_code is left for NaN",
        )
        need(self.overflow is not Overflow.INFINITY or self.has_infinity, "overflow to infinity needs an infinity")
        need(self.overflow is not Overflow.NAN or self.nan is not Nan.NONE, "overflow to NaN needs a NaN")

    @property
    def magnitude_bits(self) -> int:
        """Bits of the code without its sign."""
        return self.bits - self.signed

    @property
    def exponent_bits(self) -> int:
        """Width of the exponent field."""
        return self.magnitude_bits - self.fraction_bits

    @property
    def fraction_bits(self) -> int:
        """Width of the fraction field."""
        return self.precision - 1

    @property
    def emin(self) -> int:
        """Exponent of the smallest normal value."""
        return (1 if self.has_zero else 0) - self.bias

    @property
    def emax(self) -> int:
        """Exponent of the largest finite value."""
        return (self.max_code >> self.fraction_bits) - self.bias

    @property
    def has_negative_zero(self) -> bool:
        """Whether -0 has a code of its own."""
        return self.signed and self.has_zero and self.nan is not Nan.NEGATIVE_ZERO

    @property
    def sign_code(self) -> int:
        """The sign bit, in place; 0 for an unsigned format."""
        return 1 << (self.bits - 1) if self.signed else 0

    @property
    def infinity_code(self) -> int | None:
        """Magnitude code of infinity, if there is one."""
        return self.max_code + 1 if self.has_infinity else None

    @property
    def nan_code(self) -> int | None:
        """The canonical NaN: positive and, where there is a choice, quiet (the top fraction bit set)."""
        if self.nan is Nan.NONE:
            return None
        if self.nan is Nan.NEGATIVE_ZERO:
            return self.sign_code
        if self.has_infinity and self.fraction_bits and (self.max_code + 1) % (1 << self.fraction_bits) == 0:
            return (self.max_code + 1) | 1 << (self.fraction_bits - 1)
        return (1 << self.magnitude_bits) - 1

    @property
    def saturations(self) -> tuple[Saturation, ...]:
        """The saturation modes that mean something here."""
        return (Saturation.SAT_FINITE, Saturation.SAT_PROPAGATE, Saturation.SAT_NONE)
