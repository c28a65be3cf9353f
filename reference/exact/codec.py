"""The judge: encode and decode by the definitions, in Fractions and ints.

No float arithmetic, no ``log2``, no code shared with what it judges. A float argument is taken exactly
(``float.as_integer_ratio``); floats come out only for what no Fraction can be: NaN, infinities and -0.
"""

from __future__ import annotations

import functools
from fractions import Fraction

from formats import FloatSpec, Format, IntSpec, Nan, NanRule, Overflow, Rounding, Saturation, get, parse_enum
from formats.policy import MAX_RANDOM_BITS
from reference.exact.rounding import round_to_integer

_NAN, _INF = float("nan"), float("inf")


def decode(code: int, fmt: str | Format) -> Fraction | float:
    """The value of a code: a Fraction, or a float for NaN, an infinity or -0.

    Definition: the docstrings of `formats.FloatSpec` and `formats.IntSpec`. Raises ``ValueError`` for a code that
    does not fit the format's bits.

    >>> decode(0x7E, "float8_e4m3fn"), decode(0xFF, "int8"), decode(0x80, "float8_e5m2")
    (Fraction(448, 1), Fraction(-1, 1), -0.0)
    """
    spec = get(fmt)
    if not 0 <= code < 1 << spec.bits:
        raise ValueError(f"code {code:#x} does not fit {spec.name}, whose codes are 0..{(1 << spec.bits) - 1:#x}")
    return _decode_int(code, spec) if isinstance(spec, IntSpec) else _decode_float(code, spec)


def _decode_int(code: int, spec: IntSpec) -> Fraction:
    if not spec.has_zero:
        return Fraction(-1 if code else 1)
    wraps = spec.signed and code >> (spec.bits - 1)
    return Fraction(code - (1 << spec.bits) if wraps else code, 1 << spec.fraction_bits)


def _decode_float(code: int, spec: FloatSpec) -> Fraction | float:
    negative = spec.signed and code >> (spec.bits - 1) == 1
    c = code - spec.sign_code if negative else code
    if c == 0 and negative and spec.nan is Nan.NEGATIVE_ZERO:
        return _NAN
    if c > spec.max_code:
        return (-_INF if negative else _INF) if c == spec.infinity_code else _NAN
    if c == 0 and negative and spec.has_zero:
        return -0.0
    return -magnitude(c, spec) if negative else magnitude(c, spec)


def magnitude(c: int, spec: FloatSpec) -> Fraction:
    """The value of magnitude code ``c``, also beyond ``max_code``: as if the exponent field went on.

    >>> from formats import get
    >>> magnitude(0x80, get("float8_e4m3fn"))
    Fraction(512, 1)
    """
    t = spec.precision - 1
    exponent, fraction = c >> t, c % (1 << t)
    if exponent == 0 and spec.has_zero:
        return fraction * _power_of_two(1 - spec.bias - t)
    return ((1 << t) + fraction) * _power_of_two(exponent - spec.bias - t)


def encode(
    value: Fraction | int | float,
    fmt: str | Format,
    *,
    rounding: Rounding | str,
    saturation: Saturation | str,
    nan: NanRule | str | None = None,
    random_bits: int | None = None,
    random_bit_count: int | None = None,
) -> int:
    """The code of ``value``: rounded once, in unbounded range, then saturated.

    ``nan`` says what a NaN becomes in a format that has none; formats with a NaN ignore it. The stochastic modes
    need ``random_bit_count = n`` (1..24) and ``0 <= random_bits < 2^n``. Source: IEEE P3109 v4.0 sections 4.6-4.7;
    for OCP formats the conversion tables of OFP8 and MX (see `formats.Saturation`).

    Raises ``ValueError`` for a NaN without a rule, a saturation mode the format lacks, or bad random bits.

    >>> hex(encode(Fraction(1, 3), "float8_e4m3fn", rounding="toward_zero", saturation="sat_finite"))
    '0x2a'
    """
    spec = get(fmt)
    rounding = parse_enum(Rounding, rounding, "rounding")
    saturation = parse_enum(Saturation, saturation, "saturation")
    if saturation not in spec.saturations:
        accepted = ", ".join(mode.value for mode in spec.saturations)
        raise ValueError(f"saturation={saturation.value!r} means nothing for {spec.name}; accepted: {accepted}")
    r, n = _random(rounding, random_bits, random_bit_count)
    if not isinstance(value, (Fraction, int, float)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"value must be a Fraction, int or float, not {type(value).__name__}")
    if value != value:
        return _encode_nan(spec, nan)
    negative = value < 0 or (value == 0 and str(value) == "-0.0")
    if isinstance(spec, IntSpec):
        return _encode_int(value, spec, rounding, saturation, negative, r, n, nan)
    if value in (_INF, -_INF):
        return _infinite(spec, saturation, negative)
    if value == 0:
        return _zero(spec, saturation, negative)
    a = abs(Fraction(value))
    c = _round_magnitude(a, spec, rounding, negative, r, n)
    return _saturate(c, spec, rounding, saturation, negative)


def _random(rounding: Rounding, bits: int | None, count: int | None) -> tuple[int, int]:
    if not rounding.is_stochastic:
        if bits is not None or count is not None:
            raise ValueError(f"random bits mean nothing for rounding={rounding.value!r}")
        return 0, 0
    if bits is None or count is None:
        raise TypeError(f"rounding={rounding.value!r} needs random_bits and random_bit_count")
    if not 1 <= count <= MAX_RANDOM_BITS or not 0 <= bits < 1 << count:
        raise ValueError(f"random_bits={bits} must lie in [0, 2^{count}), and random_bit_count in 1..{MAX_RANDOM_BITS}")
    return bits, count


def _encode_nan(spec: Format, nan: NanRule | str | None) -> int:
    if isinstance(spec, FloatSpec) and spec.nan_code is not None:
        return spec.nan_code
    if nan is None:
        raise ValueError(f"{spec.name} has no NaN; state nan= as one of: {', '.join(rule.value for rule in NanRule)}")
    rule = parse_enum(NanRule, nan, "nan")
    if isinstance(spec, FloatSpec):
        lowest = spec.sign_code | spec.max_code if spec.signed else 0
        return {NanRule.ZERO: 0, NanRule.MAXIMUM: spec.max_code, NanRule.MINIMUM: lowest}[rule]
    target = {NanRule.ZERO: 0, NanRule.MAXIMUM: spec.maximum, NanRule.MINIMUM: spec.minimum}[rule]
    return _integer_code(target, spec)


def _round_magnitude(a: Fraction, spec: FloatSpec, rounding: Rounding, negative: bool, r: int, n: int) -> int:
    """The magnitude code of ``a > 0`` rounded; it may lie beyond ``max_code``."""
    exponent = a.numerator.bit_length() - a.denominator.bit_length()
    if a < _power_of_two(exponent):
        exponent -= 1  # now 2^exponent <= a < 2^(exponent+1)
    if not spec.has_zero and exponent < spec.emin:
        return 0
    e = max(exponent, spec.emin)
    scaled = a / _power_of_two(e - (spec.precision - 1))
    # The integer is 2^t + F (normal) or F (subnormal); counted from the code of 2^emin, codes are consecutive.
    base = ((e - spec.emin) << (spec.precision - 1)) - (0 if spec.has_zero else 1 << (spec.precision - 1))
    integer = round_to_integer(scaled, rounding, negative=negative, code_offset=base, random_bits=r, random_bit_count=n)
    return base + integer


def _saturate(c: int, spec: FloatSpec, rounding: Rounding, saturation: Saturation, negative: bool) -> int:
    """The final code of rounded magnitude ``c`` and its sign."""
    if negative and not spec.signed:
        if c == 0 and spec.has_zero:
            return 0
        stays_at_zero = spec.has_zero and rounding in (Rounding.TOWARD_ZERO, Rounding.TOWARD_POSITIVE)
        return 0 if stays_at_zero else _lowest_or_nan(spec, saturation)
    if c <= spec.max_code:
        return _signed(c, spec, negative)
    if saturation is Saturation.SAT_NONE and not _stays_at_maximum(spec, rounding, negative):
        return _overflow(spec, negative)
    return _signed(spec.max_code, spec, negative)


def _stays_at_maximum(spec: FloatSpec, rounding: Rounding, negative: bool) -> bool:
    inward = Rounding.TOWARD_POSITIVE if negative else Rounding.TOWARD_NEGATIVE
    odd_maximum = rounding is Rounding.TO_ODD and spec.max_code % 2 == 1
    return rounding in (Rounding.TOWARD_ZERO, inward) or odd_maximum


def _lowest_or_nan(spec: FloatSpec, saturation: Saturation) -> int:
    """What lies below an unsigned format: its lowest value, or under SAT_NONE a NaN if there is one."""
    if saturation is Saturation.SAT_NONE and spec.nan_code is not None:
        return spec.nan_code
    return 0


def _infinite(spec: FloatSpec, saturation: Saturation, negative: bool) -> int:
    if negative and not spec.signed:
        return _lowest_or_nan(spec, saturation)
    if saturation is Saturation.SAT_NONE:
        return _overflow(spec, negative)
    if saturation is Saturation.SAT_PROPAGATE and spec.infinity_code is not None:
        return _signed(spec.infinity_code, spec, negative)
    return _signed(spec.max_code, spec, negative)


def _overflow(spec: FloatSpec, negative: bool) -> int:
    match spec.overflow:
        case Overflow.INFINITY:
            return _signed(spec.max_code + 1, spec, negative)
        case Overflow.NAN:
            assert spec.nan_code is not None  # FloatSpec refuses this overflow without a NaN
            return spec.nan_code
        case Overflow.MAXIMUM:
            return _signed(spec.max_code, spec, negative)


def _zero(spec: FloatSpec, saturation: Saturation, negative: bool) -> int:
    if not spec.has_zero:
        return _lowest_or_nan(spec, saturation)
    return _signed(0, spec, negative and spec.signed)


def _signed(c: int, spec: FloatSpec, negative: bool) -> int:
    if c == 0 and spec.has_zero and not spec.has_negative_zero:
        return 0
    return c + spec.sign_code if negative else c


def _encode_int(
    value: Fraction | int | float,
    spec: IntSpec,
    rounding: Rounding,
    saturation: Saturation,
    negative: bool,
    r: int,
    n: int,
    nan: NanRule | str | None,
) -> int:
    if not spec.has_zero:
        return int(value < 0)
    if value in (_INF, -_INF):
        if saturation is Saturation.WRAP:  # an infinity has no residue, just as a NaN
            return _encode_nan(spec, nan)
        return _integer_code(spec.minimum if negative else spec.maximum, spec)
    scaled = abs(Fraction(value)) * (1 << spec.fraction_bits)
    rounded = round_to_integer(scaled, rounding, negative=negative, random_bits=r, random_bit_count=n)
    signed = -rounded if negative else rounded
    if saturation is Saturation.SAT_FINITE:
        signed = min(max(signed, spec.minimum), spec.maximum)
    return _integer_code(signed, spec)


def _integer_code(number: int, spec: IntSpec) -> int:
    return int(number < 0) if not spec.has_zero else number % (1 << spec.bits)


@functools.cache
def _power_of_two(exponent: int) -> Fraction:
    return Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)
