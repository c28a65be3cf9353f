"""Dyadic numbers b / 2^c: the scales of integer-only arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:  # the fractions module would be most of what importing formats costs
    from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Dyadic:
    """The number ``multiplier / 2^shift``.

    >>> Dyadic(multiplier=3, shift=2).value
    Fraction(3, 4)
    """

    multiplier: int
    shift: int

    def __post_init__(self) -> None:
        if not 0 <= self.multiplier < 1 << 31:
            raise ValueError(f"multiplier={self.multiplier} must lie in [0, 2^31)")
        if not 0 <= self.shift <= 62:
            raise ValueError(f"shift={self.shift} must lie in [0, 62]")

    @property
    def value(self) -> Fraction:
        """The number itself."""
        from fractions import Fraction

        return Fraction(self.multiplier, 1 << self.shift)


@dataclass(frozen=True, slots=True, kw_only=True)
class DyadicSpec:
    """Normalised dyadic numbers: ``b / 2^c`` with ``2^(n-1) <= b < 2^n`` for ``n = multiplier_bits``.

    >>> from fractions import Fraction
    >>> HAWQ_V3.nearest(Fraction(1, 5))
    Dyadic(multiplier=1717986918, shift=33)
    """

    name: str
    multiplier_bits: int
    source: str

    def nearest(self, ratio: Fraction) -> Dyadic:
        """The nearest number to ``0 < ratio``, halves up; a carry to ``2^n`` halves ``b`` and lowers ``c``.

        Raises ``ValueError`` where ``c`` would leave ``[0, 62]``.
        """
        from fractions import Fraction

        if ratio <= 0:
            raise ValueError(f"ratio={ratio} must be positive")
        exponent = ratio.numerator.bit_length() - ratio.denominator.bit_length()
        if ratio >= Fraction(2) ** exponent:
            exponent += 1  # now 2^(exponent-1) <= ratio < 2^exponent
        shift = self.multiplier_bits - exponent
        multiplier = (ratio * Fraction(2) ** shift + Fraction(1, 2)).__floor__()
        if multiplier == 1 << self.multiplier_bits:
            multiplier, shift = multiplier // 2, shift - 1
        return Dyadic(multiplier=multiplier, shift=shift)


HAWQ_V3 = DyadicSpec(
    name="hawq_v3",
    multiplier_bits=31,
    source="HAWQ-V3, arXiv 2011.10680, batch_frexp in the official code (Zhen-Dong/HAWQ); the carry follows its TVM fork",
)
