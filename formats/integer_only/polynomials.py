"""Second-order polynomials on integers, as I-BERT has them: real coefficients, and the integers that a scale makes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from formats.code_books.binary32 import single


class Coefficients(enum.Enum):
    """How a scale turns real coefficients into integers.

    ========  ========================================================================================
    EXACT     the floor of the exact quotient, from the decimals as printed and the binary64 scale
    BINARY32  the scale is rounded to binary32, and so is every step: a reciprocal, then a product, as PyTorch
              divides a number by a tensor; quotients of two coefficients are taken in binary64 first
    ========  ========================================================================================
    """

    EXACT = "exact"
    BINARY32 = "binary32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Polynomial:
    """``a (x + b)^2 + c``, or ``a x^2 + b x + c`` where ``expanded``; decimals as printed.

    On integers ``q`` of scale ``S``: ``(q + q_b)^2 + q_c`` or ``(q + q_b) q + q_c``, whose scale is ``a S^2``, with
    ``q_b = floor(b / S)``, ``b / a`` for ``b`` where expanded, and ``q_c = floor(c / (a S^2))``.

    Source: I-BERT, arXiv 2101.01321, algorithm 1, where a printed floor around ``a S^2`` is taken as a misprint;
    the expanded form is that of its code.

    >>> Polynomial(a="0.3585", b="1.353", c="0.344").integers(0.05, Coefficients.EXACT)
    (27, 383)
    >>> expanded = Polynomial(a="0.35815147", b="0.96963238", c="1.0", expanded=True)
    >>> expanded.integers(0.05, Coefficients.BINARY32)
    (54, 1116)
    """

    a: str
    b: str
    c: str
    expanded: bool = False

    def integers(self, scale: float | Fraction, coefficients: Coefficients) -> tuple[int, int]:
        """``q_b`` and ``q_c``."""
        if coefficients is Coefficients.EXACT:
            exact = Fraction(scale)
            a, b, c = Fraction(self.a), Fraction(self.b), Fraction(self.c)
            return floor((b / a if self.expanded else b) / exact), floor(c / (a * exact * exact))
        a, b, c = float(self.a), float(self.b), float(self.c)
        s = single(scale)
        return floor(_divided(b / a if self.expanded else b, s)), floor(_divided(c / a, single(s * s)))

    def out_scale(self, scale: float | Fraction, coefficients: Coefficients) -> Fraction:
        """``a S^2``, exactly, or with its two products rounded to binary32."""
        if coefficients is Coefficients.EXACT:
            return Fraction(self.a) * Fraction(scale) ** 2
        s = single(scale)
        return Fraction(single(single(float(self.a)) * single(s * s)))


def _divided(number: float, divisor: float) -> float:
    """A binary64 number over a binary32 one, as PyTorch has it: the product with a rounded reciprocal, in binary32.

    A quotient, product or square root of binary32 numbers may be rounded to binary64 on the way.
    """
    return single(single(number) * single(1.0 / divisor))
