"""The judge: scalar operations on codes, exact in Fractions and rounded once.

Source: IEEE 754-2019, sections 5.4 (arithmetic), 5.11 (comparisons), 6.1-6.3 (infinities, NaNs, signs of zeros) and 9.6
(minimum and maximum). What is infinite, and what is zero, is coded by the same rules as in `reference.exact.encode`.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Required, TypedDict, Unpack

from formats import FloatSpec, Format, NanRule, Rounding, Saturation, get, parse_enum
from formats.operations import Operands, operand_formats
from formats.policy import MAX_RANDOM_BITS
from reference.exact.codec import decode, encode

_NAN, _INF = float("nan"), float("inf")
Value = Fraction | float


class Policy(TypedDict, total=False):
    """How the exact result gets into the format ``out``: the keywords of `reference.exact.encode`."""

    rounding: Required[Rounding | str]
    saturation: Required[Saturation | str]
    nan: NanRule | str | None
    random_bits: int | None
    random_bit_count: int | None


def add(a: int, b: int, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> int:
    """The code in ``out`` of ``a + b``, rounded once.

    ``formats`` is one format for both operands, or a sequence of one for each; ``out`` and the policy are those of
    `encode`, which also raises the errors. A NaN operand gives NaN, and so does ``inf - inf``. An exact zero is +0,
    but -0 toward negative; a sum of zeros of one sign keeps it.

    >>> hex(add(0x38, 0x01, formats="float8_e4m3fn", out="float8_e4m3fn", rounding="to_odd", saturation="sat_none"))
    '0x39'
    """
    x, y = _values((a, b), formats)
    return encode(_sum(x, y, policy.get("rounding")), out, **policy)


def sub(a: int, b: int, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> int:
    """The code in ``out`` of ``a - b``, rounded once: `add` of the negated ``b``.

    >>> sub(3, 3, formats="int8", out="float8_e5m2", rounding="toward_negative", saturation="sat_none")
    128
    """
    x, y = _values((a, b), formats)
    return encode(_sum(x, _negated(y), policy.get("rounding")), out, **policy)


def mul(a: int, b: int, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> int:
    """The code in ``out`` of ``a * b``, rounded once; ``0 * inf`` is NaN.

    The sign is that of ``a`` XOR that of ``b``, for zeros and for what rounds to zero too. Arguments as in `add`.

    >>> mul(0x81, 0x01, formats="float8_e5m2", out="float8_e5m2", rounding="toward_zero", saturation="sat_none")
    128
    """
    return encode(_product(*_values((a, b), formats)), out, **policy)


def div(a: int, b: int, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> int:
    """The code in ``out`` of ``a / b``, rounded once; the sign as in `mul`.

    ``0 / 0`` and ``inf / inf`` are NaN. Any other ``x / 0`` is an infinity, which ``saturation`` codes as any infinite
    value: SAT_FINITE clamps it. Arguments as in `add`.

    >>> [div(1, 0, formats="int8", out="float8_e5m2", rounding="toward_zero", saturation=mode)
    ...  for mode in ("sat_none", "sat_finite")]
    [124, 123]
    """
    return encode(_quotient(*_values((a, b), formats)), out, **policy)


def fma(a: int, b: int, c: int, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> int:
    """The code in ``out`` of ``a * b + c``, rounded once: the product is not rounded. Specials as in `mul` and `add`.

    >>> policy = {"rounding": "nearest_ties_to_even", "saturation": "sat_none"}
    >>> hex(fma(0x2A20, 0x51A6, 0x9359, formats="bfloat16", out="bfloat16", **policy))
    '0x3c4f'
    """
    x, y, z = _values((a, b, c), formats)
    return encode(_sum(_product(x, y), z, policy.get("rounding")), out, **policy)


def sqrt(a: int, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> int:
    """The code in ``out`` of the square root of ``a``, rounded once; NaN for ``a < 0``, and -0 for -0.

    >>> sqrt(2, formats="uint8", out="int8", rounding="toward_positive", saturation="sat_finite")
    2
    """
    (x,) = _values((a,), formats)
    return encode(_square_root(x, get(out)), out, **policy)


def negate(a: int, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> int:
    """The code in ``out`` of ``-a``; the sign of a zero changes too, where ``out`` has a -0.

    >>> negate(0, formats="float8_e5m2", out="float8_e5m2", rounding="toward_zero", saturation="sat_none")
    128
    """
    (x,) = _values((a,), formats)
    return encode(_negated(x), out, **policy)


def convert(a: int, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> int:
    """The code in ``out`` of ``a``, rounded once.

    >>> convert(0x7E, formats="float8_e4m3fn", out="int8", rounding="toward_zero", saturation="wrap")
    192
    """
    (x,) = _values((a,), formats)
    return encode(x, out, **policy)


def minimum(a: int, b: int, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> int:
    """The code in ``out`` of the lesser operand, with ``-0 < +0``; NaN if either is NaN.

    Nothing is rounded where ``out`` holds the operand. Arguments as in `add`.

    >>> minimum(0, 0x80, formats="float8_e5m2", out="float8_e5m2", rounding="toward_zero", saturation="sat_none")
    128
    """
    x, y = _values((a, b), formats)
    return encode(_NAN if _unordered(x, y) else _least(x, y), out, **policy)


def maximum(a: int, b: int, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> int:
    """The code in ``out`` of the greater operand, with ``+0 > -0``; NaN if either is NaN. See `minimum`.

    >>> maximum(1, 0xFF, formats="int8", out="int4", rounding="toward_zero", saturation="sat_finite")
    1
    """
    x, y = _values((a, b), formats)
    return encode(_NAN if _unordered(x, y) else _greatest(x, y), out, **policy)


def minimum_number(a: int, b: int, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> int:
    """`minimum`, but a NaN beside a number is ignored; NaN if both are NaN.

    >>> minimum_number(0x7F, 1, formats="float8_e5m2", out="float8_e5m2", rounding="toward_zero", saturation="sat_none")
    1
    """
    return encode(_among_numbers(*_values((a, b), formats), least=True), out, **policy)


def maximum_number(a: int, b: int, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> int:
    """`maximum`, but a NaN beside a number is ignored; NaN if both are NaN.

    >>> maximum_number(0x7F, 1, formats="float8_e5m2", out="float8_e5m2", rounding="toward_zero", saturation="sat_none")
    1
    """
    return encode(_among_numbers(*_values((a, b), formats), least=False), out, **policy)


def equal(a: int, b: int, *, formats: Operands) -> bool:
    """Whether ``a = b``: -0 equals +0, and a NaN nothing.

    >>> equal(0x80, 0, formats=("float8_e5m2", "int8"))
    True
    """
    x, y = _values((a, b), formats)
    return x == y


def less(a: int, b: int, *, formats: Operands) -> bool:
    """Whether ``a < b``; false where either is NaN.

    >>> less(0xFF, 0, formats="int8")
    True
    """
    x, y = _values((a, b), formats)
    return x < y


def less_equal(a: int, b: int, *, formats: Operands) -> bool:
    """Whether ``a <= b``; false where either is NaN.

    >>> less_equal(0x7F, 0x7F, formats="float8_e4m3fn")
    False
    """
    x, y = _values((a, b), formats)
    return x <= y


def unordered(a: int, b: int, *, formats: Operands) -> bool:
    """Whether either operand is NaN.

    >>> unordered(0x7F, 0, formats="float8_e4m3fn")
    True
    """
    return _unordered(*_values((a, b), formats))


def _values(codes: tuple[int, ...], formats: Operands) -> tuple[Value, ...]:
    specs = operand_formats(formats, len(codes))
    return tuple(decode(code, spec) for code, spec in zip(codes, specs, strict=True))


def _is_negative(x: Value) -> bool:
    return x < 0 or (x == 0 and str(x) == "-0.0")


def _is_infinite(x: Value) -> bool:
    return x in (_INF, -_INF)


def _unordered(x: Value, y: Value) -> bool:
    return x != x or y != y


def _signed(magnitude: float, negative: bool) -> float:
    return -magnitude if negative else magnitude


def _negated(x: Value) -> Value:
    return -0.0 if x == 0 and not _is_negative(x) else -x


def _sum(x: Value, y: Value, rounding: Rounding | str | None) -> Value:
    mode = parse_enum(Rounding, rounding, "rounding")
    if _unordered(x, y):
        return _NAN
    if _is_infinite(x):
        return _NAN if _is_infinite(y) and x != y else x
    if _is_infinite(y):
        return y
    exact = Fraction(x) + Fraction(y)
    if exact != 0:
        return exact
    if _is_negative(x) == _is_negative(y):  # both are zeros of that sign
        return _signed(0.0, _is_negative(x))
    return _signed(0.0, mode is Rounding.TOWARD_NEGATIVE)


def _product(x: Value, y: Value) -> Value:
    negative = _is_negative(x) != _is_negative(y)
    if _unordered(x, y):
        return _NAN
    if _is_infinite(x) or _is_infinite(y):
        return _NAN if x == 0 or y == 0 else _signed(_INF, negative)
    return Fraction(x) * Fraction(y) or _signed(0.0, negative)


def _quotient(x: Value, y: Value) -> Value:
    negative = _is_negative(x) != _is_negative(y)
    if _unordered(x, y) or (x == 0 and y == 0) or (_is_infinite(x) and _is_infinite(y)):
        return _NAN
    if _is_infinite(x) or y == 0:
        return _signed(_INF, negative)
    if _is_infinite(y):
        return _signed(0.0, negative)
    return Fraction(x) / Fraction(y) or _signed(0.0, negative)


def _square_root(x: Value, spec: Format) -> Value:
    """The root of ``x``, or what lies on the same side of everything that a rounding into ``spec`` compares with.

    Those thresholds are multiples of ``2^-k``, ticks of random bits and their halves included. An irrational root is
    none of them, so the middle between the two multiples of ``2^-k`` around it stands for it.
    """
    if x != x or x < 0:
        return _NAN
    if x == 0 or _is_infinite(x):
        return x
    k = (spec.fraction_bits - spec.emin if isinstance(spec, FloatSpec) else spec.fraction_bits) + MAX_RANDOM_BITS + 2
    k = max(k, 0)
    scaled = Fraction(x) * 4**k
    root = math.isqrt(scaled.numerator // scaled.denominator)
    return Fraction(root, 2**k) if root * root == scaled else Fraction(2 * root + 1, 2 ** (k + 1))


def _least(x: Value, y: Value) -> Value:
    if x == y:
        return x if _is_negative(x) else y
    return min(x, y)


def _greatest(x: Value, y: Value) -> Value:
    if x == y:
        return y if _is_negative(x) else x
    return max(x, y)


def _among_numbers(x: Value, y: Value, *, least: bool) -> Value:
    if _unordered(x, y):
        return y if x != x else x
    return _least(x, y) if least else _greatest(x, y)
