"""A checked request to quantise into blocks: format and rule in one hashable record."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

from formats import FLOAT32, FloatSpec, Format, IntSpec, Rounding, Saturation
from formats.block_formats.named import block
from formats.block_formats.rule import BlockRule, NonFinite, Significand
from formats.block_formats.rules import block_rule
from formats.block_formats.spec import BlockSpec, Coding, Shift
from formats.block_formats.steps import Given, Operand, Step
from formats.code_books.book import CodebookSpec
from formats.code_books.decision import Thresholds, Ties
from formats.code_books.decisions import decision
from formats.code_books.element import element_book
from reference.array.codebook import EncodeTable, encode_table, nearest_thresholds
from reference.array.conversion import Conversion, conversion
from reference.array.decode import BINARY32, target

#: significant bits of binary64
_BITS = 53
#: significant bits of decisions that a binary32 number rounded to odd still tells apart
NARROW = 22
_LEAST_NORMAL = 2.0**-126


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockRequest:
    """Everything that decides the codes besides the numbers and the random bits; fit to be a static jit argument.

    One object for one request, compared by identity: hashing the records in it would take as long as a small tensor.
    """

    spec: BlockSpec
    rule: BlockRule
    #: how quotients become codes: a conversion, or the table of a code-book's decision
    element: Conversion | EncodeTable
    #: how numbers become codes of scales
    scale: Conversion


@functools.lru_cache(maxsize=256)
def block_request(
    block_format: str | BlockSpec, rule: str | BlockRule, random_bit_count: int | None = None
) -> BlockRequest:
    """The checked record; every complaint about format and rule comes from here.

    >>> block_request("mxfp4", "floor").scale.rounding.value
    'toward_negative'
    """
    return _request(block(block_format), block_rule(rule), random_bit_count)


@functools.lru_cache(maxsize=256)
def _request(spec: BlockSpec, how: BlockRule, random_bit_count: int | None) -> BlockRequest:
    how.refuse_element(spec.element.name)
    _check_levels(spec, how)
    _check_expressions(how)
    made = BlockRequest(spec=spec, rule=how, element=_element(spec, how, random_bit_count), scale=_scale(spec, how))
    _check_quotient(made)
    return made


def largest(spec: Coding) -> float:
    """The largest value of an element format, which binary64 holds."""
    if isinstance(spec, CodebookSpec):
        return max(spec.numerators) / spec.denominator
    if isinstance(spec, IntSpec):
        return math.ldexp(spec.maximum, -spec.fraction_bits)
    fraction = spec.max_code % (1 << spec.fraction_bits)
    return math.ldexp((1 << spec.fraction_bits) + fraction, spec.emax - spec.fraction_bits)


def least(spec: Coding) -> float:
    """The least value of an element format."""
    if isinstance(spec, CodebookSpec):
        return min(spec.numerators) / spec.denominator
    if isinstance(spec, IntSpec):
        return math.ldexp(spec.minimum, -spec.fraction_bits)
    return -largest(spec) if spec.signed else 0.0


def emax(spec: Coding) -> int:
    """The exponent of a format's largest value."""
    return math.frexp(largest(spec))[1] - 1


def uses(operand: Operand | None, given: Given) -> bool:
    """Whether an expression starts from a number."""
    if isinstance(operand, Step):
        return uses(operand.left, given) or uses(operand.right, given)
    return operand is given


def is_power_of_two(spec: Coding) -> bool:
    """Whether every number of a scale format is a power of two, whose exponent the code gives."""
    return isinstance(spec, FloatSpec) and spec.precision == 1 and not spec.has_zero and not spec.signed


def _check_levels(spec: BlockSpec, rule: BlockRule) -> None:
    def need(condition: bool, what: str) -> None:
        if not condition:
            raise ValueError(f"rule {rule.name!r} and block format {spec.name!r}: {what}")

    need((spec.scale.second is None) == (rule.second is None), "only one of them has a second level")
    need((spec.shift is None) == (rule.shift is None), "only one of them has a shift")
    need(spec.shift is None or spec.shift.second is None, "no rule has a second level of the shift")
    actions = (rule.nan_in_block, rule.infinity_in_block)
    fmt = spec.scale.format
    has_nan = isinstance(fmt, FloatSpec) and fmt.nan_code is not None
    need(has_nan or NonFinite.NAN_SCALE not in actions, f"{fmt.name} has no NaN for a scale")


def _check_expressions(rule: BlockRule) -> None:
    allowed = {
        "second": {Given.TENSOR_ABSMAX, Given.LARGEST, Given.RANGE},
        "scale": {Given.ABSMAX, Given.LOW, Given.HIGH, Given.SECOND, Given.LARGEST, Given.RANGE},
        "shift": set(Given) - {Given.X, Given.SHIFT, Given.TENSOR_ABSMAX},
        "quotient": set(Given) - {Given.TENSOR_ABSMAX},
    }
    for field, accepted in allowed.items():
        for given in Given:
            if uses(getattr(rule, field), given) and given not in accepted:
                names = ", ".join(sorted(one.value for one in accepted))
                raise ValueError(f"rule {rule.name!r}: {field} starts from {given.value}; accepted: {names}")


def _element(spec: BlockSpec, rule: BlockRule, random_bit_count: int | None) -> Conversion | EncodeTable:
    element = spec.element
    if isinstance(rule.rounding, Ties | Thresholds):
        if isinstance(element, IntSpec) or random_bit_count is not None:
            raise ValueError(
                f"rule {rule.name!r} decides as for code-books, without random bits, not for {element.name}"
            )
        book = _book(element)
        return encode_table(book, decision(rule.rounding, book), rule.nan)
    if isinstance(element, CodebookSpec):
        raise ValueError(f"{element.name} is a code-book, for which rule {rule.name!r} has no decision")
    target_format = _before_zero_point(element) if has_integer_zero_point(spec) else element
    return conversion(
        target_format,
        rounding=rule.rounding,
        saturation=rule.saturation,
        nan=rule.nan,
        random_bit_count=random_bit_count,
    )


def has_integer_zero_point(spec: BlockSpec) -> bool:
    """Whether a zero point is added to the rounded quotient."""
    return spec.shift_kind is Shift.ZERO_POINT and spec.shift is not None and isinstance(spec.shift.format, IntSpec)


def _before_zero_point(element: Format) -> IntSpec:
    """Integers wide enough that clamping a quotient to them changes nothing before a zero point is added."""
    if not isinstance(element, IntSpec):
        raise ValueError(f"an integer zero point needs integer elements, not {element.name}")
    bits = element.bits + 2
    half = 1 << (bits - 1)
    return replace(element, name=f"{element.name}_wider", bits=bits, minimum=-half, maximum=half - 1)


def _scale(spec: BlockSpec, rule: BlockRule) -> Conversion:
    fmt = spec.scale.format
    if isinstance(fmt, CodebookSpec) or target(fmt) is not BINARY32:
        raise ValueError(f"{fmt.name}: scales are quantised into formats whose numbers binary32 holds")
    if rule.significand is Significand.ROUNDED_TO_ELEMENT and isinstance(spec.element, CodebookSpec):
        raise ValueError(f"{spec.element.name} is a code-book, which has no precision to round a significand to")
    if not rule.below_emax:
        return Conversion(spec=fmt, rounding=_mode(rule), saturation=Saturation.SAT_FINITE)
    lowered = emax(spec.element)
    if not isinstance(fmt, FloatSpec) or fmt == FLOAT32 or fmt.emin + lowered < -127:
        raise ValueError(f"rule {rule.name!r} divides by 2^{lowered}, which arrays do not for scales in {fmt.name}")
    return Conversion(
        spec=replace(fmt, bias=fmt.bias - lowered), rounding=_mode(rule), saturation=Saturation.SAT_FINITE
    )


def _mode(rule: BlockRule) -> Rounding:
    if rule.scale_rounding.is_stochastic:
        raise ValueError(f"rule {rule.name!r}: no random bits are drawn for scale_rounding={rule.scale_rounding.value}")
    return rule.scale_rounding


def _check_quotient(made: BlockRequest) -> None:
    """Exact quotients must fit the carriers that they pass through."""
    spec, rule = made.spec, made.rule
    if rule.quotient is not None:
        return
    if spec.scale.second is not None:
        raise ValueError(f"rule {rule.name!r} has no quotient: arrays divide exactly by first-level scales alone")
    if (spec.shift is None or has_integer_zero_point(spec)) and is_power_of_two(spec.scale.format):
        if _least_threshold(made) < _LEAST_NORMAL:
            raise ValueError(
                f"{spec.element.name}: arrays divide by powers of two for elements above binary32's subnormals"
            )
        return
    bits = threshold_bits(made)
    needed = bits + significant_bits(spec.scale.format) + (spec.shift is not None)
    if needed > _BITS or (bits > NARROW and isinstance(made.element, EncodeTable)):
        raise ValueError(f"{spec.name}: exact quotients for rule {rule.name!r} need {needed} bits of {_BITS}")


def threshold_bits(made: BlockRequest) -> int:
    """Significant bits of the numbers between which a quotient must be told apart."""
    if isinstance(made.element, Conversion):
        return significant_bits(made.element.spec) + 1 + made.element.random_bit_count
    thresholds = _thresholds(made)
    powers = thresholds.denominator & (thresholds.denominator - 1) == 0
    return max(map(_odd_bits, thresholds.numerators)) if powers else _BITS


def _least_threshold(made: BlockRequest) -> float:
    """The least positive number between which and 0 a quotient may have to be told apart."""
    if isinstance(made.element, Conversion):
        fmt = made.element.spec
        quantum = fmt.emin - fmt.fraction_bits if isinstance(fmt, FloatSpec) else -fmt.fraction_bits
        return math.ldexp(1, quantum - 1 - made.element.random_bit_count)
    thresholds = _thresholds(made)
    return min(abs(n) for n in thresholds.numerators if n) / thresholds.denominator


def _thresholds(made: BlockRequest) -> Thresholds:
    chosen = made.rule.rounding
    thresholds = nearest_thresholds(_book(made.spec.element), chosen) if isinstance(chosen, Ties) else chosen
    assert isinstance(thresholds, Thresholds)
    return thresholds


def _book(element: Coding) -> CodebookSpec:
    assert not isinstance(element, IntSpec)  # `_element` refuses it
    return element_book(element) if isinstance(element, FloatSpec) else element


def _odd_bits(n: int) -> int:
    """Bits from the first to the last that is set."""
    return (abs(n) // max(n & -n, 1)).bit_length()


def significant_bits(spec: Coding) -> int:
    """Bits that the significands of a format need."""
    if isinstance(spec, CodebookSpec):
        return max(map(_odd_bits, spec.numerators))
    return spec.precision if isinstance(spec, FloatSpec) else spec.bits
