"""Integers and fixed-point numbers as data."""

from __future__ import annotations

from dataclasses import dataclass

from formats.policy import Saturation


@dataclass(frozen=True, slots=True, kw_only=True)
class IntSpec:
    """A two's complement or unsigned integer format, scaled by ``2^-fraction_bits``.

    The value of an integer ``n`` in ``[minimum, maximum]`` is ``n * 2^-fraction_bits``; its code is ``n mod
    2^bits``. Codes whose integer lies outside ``[minimum, maximum]`` (``0x80`` of a narrow-range int8) are
    reserved: encoding never produces them, decoding gives their two's complement value.

    ``has_zero=False`` is for binary {-1, +1}, whose one bit is the sign: 0 is +1 and 1 is -1. Zero itself becomes
    +1; every other value takes its sign.

    >>> IntSpec(name="demo", bits=4, minimum=-7, maximum=7, source="an example").signed
    True
    """

    name: str
    bits: int
    minimum: int
    maximum: int
    fraction_bits: int = 0
    has_zero: bool = True
    #: where the facts come from
    source: str

    def __post_init__(self) -> None:
        low, high = (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1) if self.signed else (0, (1 << self.bits) - 1)
        if not 1 <= self.bits <= 32:
            raise ValueError(f"IntSpec {self.name!r}: bits={self.bits} must lie in 1..32")
        if not self.has_zero:
            if (self.bits, self.minimum, self.maximum) != (1, -1, 1):
                raise ValueError(f"IntSpec {self.name!r}: only binary (1 bit, -1 and +1) may lack zero")
        elif not (low <= self.minimum <= 0 <= self.maximum <= high and self.minimum < self.maximum):
            raise ValueError(
                f"IntSpec {self.name!r}: [{self.minimum}, {self.maximum}] must hold 0 and lie in [{low}, {high}]"
            )

    @property
    def signed(self) -> bool:
        """Whether negative numbers exist."""
        return self.minimum < 0

    @property
    def saturations(self) -> tuple[Saturation, ...]:
        """The saturation modes that mean something here: there is neither infinity nor NaN to overflow to."""
        if self.maximum - self.minimum == (1 << self.bits) - 1:  # every code is in use
            return (Saturation.SAT_FINITE, Saturation.WRAP)
        return (Saturation.SAT_FINITE,)
