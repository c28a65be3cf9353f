"""P3109's values, derived again from the report's formulas, against the judge."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

import formats
from reference import exact

FORMATS = [
    (bits, precision, signed, extended)
    for bits in range(3, 9)
    for signed in (True, False)
    for precision in range(1, bits if signed else bits + 1)
    for extended in (True, False)
]


def name(bits, precision, signed, extended):
    return f"Binary{bits}p{precision}{'s' if signed else 'u'}{'e' if extended else 'f'}"


def value(code, bits, precision, signed, extended):
    """IEEE WG P3109 Interim Report v4.0, Decode: from a code point to a number, an infinity or NaN."""
    half = 2 ** (bits - 1)
    if code == (half if signed else 2**bits - 1):
        return math.nan
    if extended and code == (half - 1 if signed else 2**bits - 2):
        return math.inf
    if extended and signed and code == 2**bits - 1:
        return -math.inf
    if signed and code > half:
        return -value(code - half, bits, precision, signed, extended)
    bias = Fraction(2) ** (bits - precision - 1) if signed else Fraction(2) ** (bits - precision)
    exponent, trailing = divmod(code, 2 ** (precision - 1))
    significand = Fraction(trailing, 2 ** (precision - 1)) + (exponent > 0)
    return significand * Fraction(2) ** int(max(exponent, 1) - bias)


def test_there_are_120():
    assert len({name(*parameters) for parameters in FORMATS}) == 120


@pytest.mark.exhaustive
@pytest.mark.parametrize("parameters", FORMATS, ids=lambda parameters: name(*parameters))
def test_every_code(parameters):
    bits = parameters[0]
    for code in range(2**bits):
        expected, got = value(code, *parameters), exact.decode(code, name(*parameters))
        assert got == expected or (math.isnan(got) and math.isnan(expected)), (hex(code), got, expected)


@pytest.mark.parametrize("parameters", FORMATS, ids=lambda parameters: name(*parameters))
def test_one_and_the_largest_value_have_the_published_codes(parameters):
    bits, _, signed, extended = parameters
    one = 2 ** (bits - 2) if signed else 2 ** (bits - 1)
    largest = 2 ** (bits - 1) - 1 - extended if signed else 2**bits - 2 - extended
    spec = formats.get(name(*parameters))
    assert exact.decode(one, spec) == 1
    assert spec.max_code == largest
    numbers = [v for v in (exact.decode(code, spec) for code in range(2**bits)) if math.isfinite(v)]
    assert exact.decode(largest, spec) == max(numbers)
    assert len(set(numbers)) == len(numbers) == 2**bits - 1 - extended * (1 + signed)
