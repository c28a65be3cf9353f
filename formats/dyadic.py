"""Dyadic numbers b / 2^c: the scales of integer-only arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:  # the fractions module would be most of what importing formats costs
    from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Dyadic:
    """The number ``multiplier / 2^shift``, with ``0 <= multiplier < 2^31`` and ``0 <= shift <= 62``.

    So the product with an int32 is below 2^62 in magnitude. Zero, and values of one number with several pairs, exist.

    >>> Dyadic(multiplier=3, shift=2).value
    Fraction(3, 4)
    """

    multiplier: int
    shift: int

    def __post_init__(self) -> None:
        for name, number in (("multiplier", self.multiplier), ("shift", self.shift)):
            if not isinstance(number, int):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"{name}={number!r} must be an int, not {type(number).__name__}")
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
    #: where the facts come from
    source: str

    def __post_init__(self) -> None:
        if not 1 <= self.multiplier_bits <= 31:
            raise ValueError(f"DyadicSpec {self.name!r}: multiplier_bits={self.multiplier_bits} must lie in 1..31")

    def nearest(self, ratio: Fraction | float) -> Dyadic:
        """The nearest number to ``ratio > 0`` (floats are taken exactly), halves up.

        ``b`` is rounded for the ``c`` that puts ``ratio * 2^c`` in ``[2^(n-1), 2^n)``; where it carries to ``2^n``,
        ``b`` is halved and ``c`` lowered. Raises ``ValueError`` where the ratio is not positive and finite, or ``c``
        would leave ``[0, 62]``.
        """
        from fractions import Fraction

        if not 0 < ratio < float("inf"):
            raise ValueError(f"ratio={ratio} must be positive and finite")
        ratio = Fraction(ratio)
        exponent = ratio.numerator.bit_length() - ratio.denominator.bit_length()
        if ratio >= Fraction(2) ** exponent:
            exponent += 1  # now 2^(exponent-1) <= ratio < 2^exponent
        shift = self.multiplier_bits - exponent
        multiplier = (ratio * Fraction(2) ** shift + Fraction(1, 2)).__floor__()
        if multiplier == 1 << self.multiplier_bits:
            multiplier, shift = multiplier // 2, shift - 1
        if not 0 <= shift <= 62:
            raise ValueError(f"ratio={float(ratio):.6g} needs shift={shift} in {self.name}, which must lie in [0, 62]")
        return Dyadic(multiplier=multiplier, shift=shift)


HAWQ_V3 = DyadicSpec(
    name="hawq_v3",
    multiplier_bits=31,
    source="HAWQ-V3, arXiv 2011.10680; batch_frexp in its code (Zhen-Dong/HAWQ); the carry follows its TVM fork",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DyadicPair:
    """The number ``multiplier / 2^shift`` as a system stores it: ``0 <= multiplier <= 2^31``, ``0 <= shift <= 62``.

    Unlike a `Dyadic`, the multiplier may be ``2^31``, which no int32 holds: HAWQ-V3's PyTorch model makes it.

    >>> DyadicPair(multiplier=1 << 31, shift=31).value
    Fraction(1, 1)
    """

    multiplier: int
    shift: int

    def __post_init__(self) -> None:
        if not 0 <= self.multiplier <= 1 << 31:
            raise ValueError(f"multiplier={self.multiplier} must lie in [0, 2^31]")
        if not 0 <= self.shift <= 62:
            raise ValueError(f"shift={self.shift} must lie in [0, 62]")

    @property
    def value(self) -> Fraction:
        """The number itself."""
        from fractions import Fraction

        return Fraction(self.multiplier, 1 << self.shift)

    def difference(self, ratio: Fraction | float) -> Fraction:
        """The number minus the ratio (floats are taken exactly), as an exact fraction.

        >>> DyadicPair(multiplier=1717986918, shift=33).difference(0.2)
        Fraction(-838861, 18014398509481984)
        """
        from fractions import Fraction

        return self.value - Fraction(ratio)
