"""One code of a format, taken apart."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fractions import Fraction

from analysis.show.notation import Value, binary_text, code_text, decimal_text
from formats import FloatSpec, Format, IntSpec, Nan, get
from reference import exact


class Kind(enum.Enum):
    """What sort of number a code stands for."""

    NORMAL = "normal"
    SUBNORMAL = "subnormal"
    INTEGER = "integer"  #: a non-zero number of an integer or fixed-point format
    ZERO = "zero"
    INFINITY = "infinity"
    NAN = "nan"
    RESERVED = "reserved"  #: encoding never produces it


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Consecutive bits of a code."""

    name: str
    bits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A code and its value."""

    code: int
    hexadecimal: str
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeDescription:
    """What one code of one format is; ``below`` and ``above`` are the next values either side, infinities included."""

    format: str
    bits: int
    source: str
    code: int
    hexadecimal: str
    binary: str
    fields: tuple[Field, ...]
    kind: Kind
    #: the definition with this code's numbers in it; empty for NaN and infinity
    definition: str
    value: Value
    decimal: str
    #: ``m * 2^e`` with odd ``m``
    scaled: str
    #: unit in the last place, the quantum of the value's binade; None for NaN and infinity
    ulp: Fraction | None
    below: Neighbour | None
    above: Neighbour | None


def describe_code(code: int, fmt: str | Format) -> CodeDescription:
    """``code`` taken apart by the definitions of `formats.FloatSpec` and `formats.IntSpec`, all exact.

    Raises ``KeyError`` for an unknown format and ``ValueError`` for a code that does not fit it.

    >>> found = describe_code(0x7E, "float8_e4m3fn")
    >>> found.value, found.scaled, found.definition, found.below.code, found.above
    (Fraction(448, 1), '7 * 2^6', '(8 + 6) * 2^(15 - 7 - 3)', 125, None)
    """
    spec = get(fmt)
    value = exact.decode(code, spec)
    decimal, scaled = decimal_text(value), binary_text(value)
    if decimal is None or scaled is None:
        raise AssertionError(f"{value} is a value of {spec.name}, so it must be dyadic")
    return CodeDescription(
        format=spec.name,
        bits=spec.bits,
        source=spec.source,
        code=code,
        hexadecimal=code_text(code, spec.bits),
        binary=f"0b{code:0{spec.bits}b}",
        fields=_fields(code, spec),
        kind=_kind(code, value, spec),
        definition=_definition(code, value, spec),
        value=value,
        decimal=decimal,
        scaled=scaled,
        ulp=quantum(value, spec),
        below=neighbour(code, spec, -1),
        above=neighbour(code, spec, +1),
    )


def _fields(code: int, spec: Format) -> tuple[Field, ...]:
    if isinstance(spec, FloatSpec):
        widths = {"sign": int(spec.signed), "exponent": spec.exponent_bits, "fraction": spec.fraction_bits}
    else:
        whole = spec.bits - spec.fraction_bits - spec.signed
        widths = {"sign": int(spec.signed), "integer": whole, "fraction": spec.fraction_bits}
    digits, start, fields = f"{code:0{spec.bits}b}", 0, list[Field]()
    for name, width in widths.items():
        if width:
            fields.append(Field(name=name, bits=digits[start : start + width]))
        start += width
    return tuple(fields)


def _kind(code: int, value: Value, spec: Format) -> Kind:
    if isinstance(value, float) and value != 0.0:
        return Kind.INFINITY if value == value else Kind.NAN if spec_has_nan(spec) else Kind.RESERVED
    if value == 0:
        return Kind.ZERO
    if isinstance(spec, IntSpec):
        n = value * (1 << spec.fraction_bits)
        return Kind.INTEGER if spec.minimum <= n <= spec.maximum else Kind.RESERVED
    return Kind.NORMAL if abs(value) >= Fraction(2) ** spec.emin else Kind.SUBNORMAL


def spec_has_nan(spec: Format) -> bool:
    """Whether some code of the format is NaN."""
    return isinstance(spec, FloatSpec) and spec.nan is not Nan.NONE


def _definition(code: int, value: Value, spec: Format) -> str:
    if isinstance(spec, IntSpec):
        if not spec.has_zero:
            return "0 is +1, 1 is -1"
        wraps = f" - {1 << spec.bits}" if value < 0 else ""
        scale = f" * 2^-{spec.fraction_bits}" if spec.fraction_bits else ""
        return f"({code}{wraps}){scale}" if wraps and scale else f"{code}{wraps}{scale}"
    if isinstance(value, float) and value != 0.0:
        return ""
    negative, t = bool(code & spec.sign_code), spec.fraction_bits
    exponent, fraction = (code & ~spec.sign_code) >> t, code % (1 << t)
    sign, bias = "-" if negative else "", f"+ {-spec.bias}" if spec.bias < 0 else f"- {spec.bias}"
    if exponent == 0 and spec.has_zero:
        return f"{sign}{fraction} * 2^(1 {bias} - {t})"
    return f"{sign}({1 << t} + {fraction}) * 2^({exponent} {bias} - {t})"


def quantum(value: Value, spec: Format) -> Fraction | None:
    """The unit in the last place at ``value``: the step of its binade, had the format no upper end.

    ``2^(max(floor(log2 |value|), emin) - precision + 1)``; ``2^-fraction_bits`` for integers; 2 for binary; None for
    NaN and infinity. Source: IEEE 754-2019 (quantum) for a value inside the range.

    >>> quantum(Fraction(3, 10), get("float8_e4m3fn"))
    Fraction(1, 32)
    """
    if value != value or value in (float("inf"), float("-inf")):
        return None
    if isinstance(spec, IntSpec):
        return Fraction(1, 1 << spec.fraction_bits) if spec.has_zero else Fraction(2)
    a = abs(Fraction(value))
    exponent = spec.emin
    if a:
        exponent = a.numerator.bit_length() - a.denominator.bit_length()
        exponent -= a < Fraction(2) ** exponent
    return Fraction(2) ** (max(exponent, spec.emin) - spec.fraction_bits)


def neighbour(code: int, spec: Format, step: int) -> Neighbour | None:
    """The next value above (``step=+1``) or below (``-1``); None at the ends and for NaN.

    Infinities are neighbours of the largest values; reserved codes are nobody's. A zero reached from below is -0
    where the format has it (IEEE 754-2019 section 5.3.1, nextUp).

    >>> neighbour(0x81, get("float8_e4m3fn"), +1)
    Neighbour(code=128, hexadecimal='0x80', value=-0.0)
    """
    found = _next_integer(code, spec, step) if isinstance(spec, IntSpec) else _next_float(code, spec, step)
    return None if found is None else as_neighbour(found, spec)


def as_neighbour(code: int, spec: Format) -> Neighbour:
    """A code with its value."""
    return Neighbour(code=code, hexadecimal=code_text(code, spec.bits), value=exact.decode(code, spec))


def _next_integer(code: int, spec: IntSpec, step: int) -> int | None:
    value = exact.decode(code, spec)
    if not spec.has_zero:
        return None if value == step else int(step < 0)
    n = int(value * (1 << spec.fraction_bits)) + step
    return n % (1 << spec.bits) if spec.minimum <= n <= spec.maximum else None


def _next_float(code: int, spec: FloatSpec, step: int) -> int | None:
    """Numbers in order are ranks ``-top..top``: a magnitude code and its sign, leaving out 0 if there is no zero."""
    value = exact.decode(code, spec)
    if value != value:
        return None
    first = int(not spec.has_zero)
    negative = bool(code & spec.sign_code)
    rank = (code & ~spec.sign_code) + first
    rank = (-rank if negative else rank) + step
    if rank == 0 and first:
        rank += step
    top = spec.max_code + spec.has_infinity + first
    if not (-top if spec.signed else first) <= rank <= top:
        return None
    below_zero = rank < 0 or (rank == 0 and step > 0 and spec.has_negative_zero)
    return abs(rank) - first + (spec.sign_code if below_zero else 0)
