"""I-BERT's second-order polynomial on integers."""

from __future__ import annotations

from fractions import Fraction

from numpy.typing import ArrayLike

from formats.integer_only.ibert import check_scale
from formats.integer_only.polynomials import Coefficients, Polynomial
from reference.integer.ibert.words import Wide, as_words, check_bits, wrapped


def polynomial(
    q: ArrayLike, scale: float, polynomial: Polynomial, *, coefficients: Coefficients, wrap: int | None = None
) -> tuple[Wide, Fraction]:
    """``(q + q_b)^2 + q_c`` or ``(q + q_b) q + q_c`` in int64, and the result's scale ``a S^2``.

    Definition: `formats.integer_only.polynomials.Polynomial` (I-BERT, arXiv 2101.01321, algorithm 1). ``q``: int8,
    int16, int32, any shape. ``wrap``: every step modulo ``2^wrap``. Raises ``TypeError`` (type of ``q``),
    ``OverflowError`` (``q_b`` above 30 bits, ``q_c`` above 62), ``ValueError`` (scale).

    >>> form = Polynomial(a="0.3585", b="1.353", c="0.344")
    >>> values, unit = polynomial([-13, -1, 0], 0.05, form, coefficients=Coefficients.EXACT)
    >>> values.tolist(), [round(v * float(unit), 4) for v in values.tolist()]
    ([579, 1059, 1112], [0.5189, 0.9491, 0.9966])
    """
    check_scale(scale)
    b, c = polynomial.integers(scale, coefficients)
    check_bits("q_b", b, 30)
    check_bits("q_c", c, 62)
    return evaluate(as_words(q), b, c, expanded=polynomial.expanded, wrap=wrap), polynomial.out_scale(
        scale, coefficients
    )


def evaluate(x: Wide, b: int, c: int, *, expanded: bool, wrap: int | None) -> Wide:
    """The polynomial by its integers."""
    moved = wrapped(x + b, wrap)
    return wrapped(wrapped(moved * (x if expanded else moved), wrap) + c, wrap)
