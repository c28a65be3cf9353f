"""The judge: products and sums of exact values, with IEEE 754's rules for zeros, infinities and NaN.

A value is what `reference.exact.decode` returns: a Fraction, or a float for NaN, an infinity or -0.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from formats import FloatSpec, Rounding, Saturation
from reference.exact.codec import encode

Value = Fraction | float
NAN, INFINITY = float("nan"), float("inf")


def product(x: Value, y: Value) -> Value:
    """``x * y``, exact; infinity * 0 is NaN, the sign is that of IEEE 754-2019, 6.3, for zeros too.

    An integer counts as the float of the same value: ``-3 * 0`` is -0.

    >>> product(Fraction(-3), Fraction(0)), product(Fraction(1, 2), Fraction(-3))
    (-0.0, Fraction(-3, 2))
    """
    if is_nan(x) or is_nan(y):
        return NAN
    negative = is_negative(x) != is_negative(y)
    if is_infinite(x) or is_infinite(y):
        return NAN if x == 0 or y == 0 else -INFINITY if negative else INFINITY
    exact = Fraction(x) * Fraction(y)
    return -0.0 if exact == 0 and negative else exact


def total(terms: Sequence[Value], rounding: Rounding) -> Value:
    """The exact sum of at least one term; infinities of both signs make NaN.

    A sum of nothing but zeros of one sign keeps that sign; every other zero is +0, or -0 if ``rounding`` is
    TOWARD_NEGATIVE (IEEE 754-2019, 6.3).

    >>> total([Fraction(1), Fraction(-1), -0.0], Rounding.TOWARD_NEGATIVE)
    -0.0
    """
    special = special_total(terms)
    if special is not None:
        return special
    exact = sum((Fraction(term) for term in terms), Fraction(0))
    if exact != 0:
        return exact
    signs = {is_negative(term) for term in terms} if all(term == 0 for term in terms) else set[bool]()
    negative = signs == {True} or (signs != {False} and rounding is Rounding.TOWARD_NEGATIVE)
    return -0.0 if negative else Fraction(0)


def special_total(terms: Sequence[Value]) -> float | None:
    """NaN or an infinity where the terms hold one, NaN for infinities of both signs; None for finite terms.

    >>> special_total([Fraction(1), INFINITY])
    inf
    """
    infinite = {float(term) for term in terms if is_infinite(term)}
    if any(is_nan(term) for term in terms) or len(infinite) == 2:
        return NAN
    return infinite.pop() if infinite else None


def rounded_total(
    terms: Sequence[Value],
    spec: FloatSpec,
    rounding: Rounding,
    *,
    random_bits: int | None = None,
    random_bit_count: int | None = None,
) -> int:
    """The code of `total`, rounded once into ``spec`` under SAT_NONE.

    >>> from formats import FLOAT32
    >>> hex(rounded_total([Fraction(1), Fraction(1, 2)], FLOAT32, Rounding.TOWARD_ZERO))
    '0x3fc00000'
    """
    return encode(
        total(terms, rounding),
        spec,
        rounding=rounding,
        saturation=Saturation.SAT_NONE,
        random_bits=random_bits,
        random_bit_count=random_bit_count,
    )


def is_negative(x: Value) -> bool:
    """Whether the sign is minus, of -0 too.

    >>> is_negative(-0.0)
    True
    """
    return str(x) == "-0.0" if x == 0 and isinstance(x, float) else x < 0


def is_nan(x: Value) -> bool:
    """Whether ``x`` is a NaN.

    >>> is_nan(NAN)
    True
    """
    return isinstance(x, float) and x != x


def is_infinite(x: Value) -> bool:
    """Whether ``x`` is an infinity.

    >>> is_infinite(Fraction(3))
    False
    """
    return isinstance(x, float) and x in (INFINITY, -INFINITY)
