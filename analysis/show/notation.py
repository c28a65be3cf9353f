"""Exact numbers as text."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction

Value = Fraction | float

#: longest decimal or fraction that fits beside others on a line of 80 characters
_SHORT = 14


def fraction_text(value: Value) -> str:
    """``p/q`` in lowest terms, the denominator always there; ``nan``, ``inf``, ``-inf`` or ``-0``.

    >>> fraction_text(Fraction(448)), fraction_text(-0.0)
    ('448/1', '-0')
    """
    if isinstance(value, float):
        return "-0" if value == 0.0 else str(value)
    return f"{value.numerator}/{value.denominator}"


def decimal_text(value: Value) -> str | None:
    """Every decimal digit of a dyadic number ``m / 2^k`` (there are ``k`` behind the point); None for other fractions.

    >>> decimal_text(Fraction(-5, 16)), decimal_text(Fraction(1, 3))
    ('-0.3125', None)
    """
    if isinstance(value, float):
        return fraction_text(value)
    places = value.denominator.bit_length() - 1
    if value.denominator != 1 << places:
        return None
    digits = str(abs(value.numerator) * 5**places).zfill(places + 1)
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[: len(digits) - places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def binary_text(value: Value) -> str | None:
    """A dyadic number as ``m * 2^e`` with ``m`` odd; None for other fractions.

    >>> binary_text(Fraction(448)), binary_text(Fraction(-5, 16))
    ('7 * 2^6', '-5 * 2^-4')
    """
    if isinstance(value, float) or value == 0:
        return fraction_text(value) if isinstance(value, float) else "0"
    p, q = value.numerator, value.denominator
    if q & (q - 1):
        return None
    exponent = (p & -p).bit_length() - q.bit_length()
    return f"{p // (p & -p)} * 2^{exponent}"


def short_text(value: Value) -> str:
    """The exact value in the shortest of its notations that fits a table; else six digits behind a ``~``.

    >>> [short_text(v) for v in (Fraction(5, 16), Fraction(-1, 80), Fraction(1, 2**127), Fraction(1, 3**40))]
    ['0.3125', '-1/80', '1 * 2^-127', '~8.22526e-20']
    """
    fraction = fraction_text(value).removesuffix("/1")
    for text in (decimal_text(value), binary_text(value), fraction):
        if text is not None and len(text) <= _SHORT:
            return text
    assert isinstance(value, Fraction)  # a float is NaN, infinite or -0, and short
    context = Context(prec=6, Emax=10**9, Emin=-(10**9))
    return f"~{context.divide(Decimal(value.numerator), Decimal(value.denominator)):.5e}"


def code_text(code: int, bits: int) -> str:
    """A code in hexadecimal, as many digits as its width asks for.

    >>> code_text(7, 8)
    '0x07'
    """
    return f"{code:#0{2 + (bits + 3) // 4}x}"
