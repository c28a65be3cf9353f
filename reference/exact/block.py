"""The judge: one block into codes and back, from the definitions in `formats.BlockRule` and `formats.BlockSpec`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from formats import FloatSpec, IntSpec, Rounding, Saturation
from formats.block_formats.rule import BlockRule, NonFinite, Significand, log2_rounded
from formats.block_formats.spec import BlockSpec, Coding, Shift
from formats.block_formats.steps import Given
from formats.code_books.book import CodebookSpec
from formats.code_books.element import element_book
from reference.exact.block_value import decoded, offset, product
from reference.exact.codebook import encode_codebook
from reference.exact.codec import decode, encode
from reference.exact.declared_steps import Value, evaluate
from reference.exact.rounding import round_to_integer

_NAN, _INF = float("nan"), float("inf")
_HALF_EVEN = Rounding.NEAREST_TIES_TO_EVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The codes of a block's elements, of its scale and, if the format has one, of its shift."""

    codes: list[int]
    scale: int
    shift: int | None


def second_number(absmax: Value, spec: BlockSpec, rule: BlockRule) -> Value:
    """The second-level number of blocks whose largest magnitude is ``absmax``, as it is stored.

    >>> from formats.block_formats.rules import block_rule
    >>> from formats.block_formats.named import block
    >>> second_number(Fraction(2688), block("nvfp4"), block_rule("torchao_nvfp4"))
    Fraction(1, 1)
    """
    if spec.scale.second is None or rule.second is None:
        raise ValueError(f"{spec.name} and rule {rule.name!r} do not both have a second level")
    number = evaluate(rule.second, {Given.TENSOR_ABSMAX: absmax, **_facts(spec)})
    if absmax == 0 and rule.zero_second is not None:
        number = Fraction(rule.zero_second)
    return decode(_stored(number, spec.scale.second, _HALF_EVEN), spec.scale.second)


def quantize_block(
    x: Sequence[Value],
    spec: BlockSpec,
    rule: BlockRule,
    *,
    second: Value | None = None,
    random_bits: Sequence[int] | None = None,
    random_bit_count: int | None = None,
) -> Block:
    """The codes of one block, whole or short, by the definition in `formats.BlockRule`.

    ``x``: the elements, Fractions, or floats for NaN, infinities and -0. ``second``: the number of `second_number`, or
    one that is known before. ``random_bits``: one for each element, for a stochastic rounding. Raises ``ValueError``
    for an element that the rule refuses, with its index, for a scale or shift that is NaN and has no code, and for a
    second number that the format has not, or that is none of its format's from 0 on.

    >>> from formats.block_formats.rules import block_rule
    >>> from formats.block_formats.named import block
    >>> made = quantize_block([Fraction(7), Fraction(-1, 8)], block("mxfp4"), block_rule("floor"))
    >>> made.codes, made.scale
    ([7, 8], 127)
    """
    rule.refuse_element(spec.element.name)
    _check_second(second, spec)
    special = _special(x, rule)
    given = {**_extremes(x), **_facts(spec)}
    if second is not None:
        given[Given.SECOND] = second
    scale = _special_scale(special, spec) if special else _scale(given, spec, rule)
    given[Given.SCALE] = decoded(scale, spec.scale.format)
    shift = None
    if spec.shift is not None:
        shift = 0 if special is NonFinite.NAN_SCALE else _shift(given, spec, rule)
        given[Given.SHIFT] = decoded(shift, spec.shift.format)
    drawn = random_bits or [None] * len(x)
    codes = [_element(v, given, spec, rule, r, random_bit_count) for v, r in zip(x, drawn, strict=True)]
    return Block(codes=codes, scale=scale, shift=shift)


def _check_second(second: Value | None, spec: BlockSpec) -> None:
    fmt = spec.scale.second
    if second is not None and fmt is None:
        raise ValueError(f"second={second} means nothing: {spec.name} has no second-level number")
    if second is None or fmt is None:
        return
    if not (0 <= second < _INF and decode(_stored(second, fmt, _HALF_EVEN), fmt) == second):
        raise ValueError(f"second = {second} is no finite number of {fmt.name} from 0 on")


def emax(spec: Coding) -> int:
    """The exponent of a format's largest value.

    >>> import formats
    >>> emax(formats.get("float8_e4m3fn")), emax(formats.get("mxint8"))
    (8, 0)
    """
    return _exponent(_largest(spec))


def _special(x: Sequence[Value], rule: BlockRule) -> NonFinite | None:
    """What the block's NaN, or else its infinity, does."""
    for is_special, action in (
        ([v != v for v in x], rule.nan_in_block),
        ([v in (_INF, -_INF) for v in x], rule.infinity_in_block),
    ):
        if any(is_special):
            if action is NonFinite.REFUSE:
                index = is_special.index(True)
                raise ValueError(f"x[{index}] = {x[index]}, which rule {rule.name!r} refuses")
            return action
    return None


def _special_scale(action: NonFinite, spec: BlockSpec) -> int:
    fmt = spec.scale.format
    if action is NonFinite.NAN_SCALE:
        return _stored(_NAN, fmt, _HALF_EVEN)
    return _stored(_INF, fmt, _HALF_EVEN)


def _extremes(x: Sequence[Value]) -> dict[Given, Value]:
    numbers = [v for v in x if v == v] or [Fraction(0)]
    return {Given.ABSMAX: max(abs(v) for v in numbers), Given.LOW: min(numbers), Given.HIGH: max(numbers)}


def _facts(spec: BlockSpec) -> dict[Given, Value]:
    largest = _largest(spec.element)
    return {Given.LARGEST: largest, Given.RANGE: largest - _least(spec.element)}


def _largest(spec: Coding) -> Fraction:
    if isinstance(spec, CodebookSpec):
        return max(spec.fraction(code) for code in range(spec.size))
    return Fraction(decode(spec.max_code if isinstance(spec, FloatSpec) else spec.maximum, spec))


def _least(spec: Coding) -> Fraction:
    if isinstance(spec, CodebookSpec):
        return min(spec.fraction(code) for code in range(spec.size))
    if isinstance(spec, IntSpec):
        return Fraction(spec.minimum, 1 << spec.fraction_bits)
    return -_largest(spec) if spec.signed else Fraction(0)


def _scale(given: dict[Given, Value], spec: BlockSpec, rule: BlockRule) -> int:
    number = evaluate(rule.scale, given)
    if number == 0 and rule.zero_scale is not None:
        number = Fraction(rule.zero_scale)
    if rule.least_scale is not None and number < rule.least_scale:
        number = Fraction(rule.least_scale)
    if number == number and abs(number) != _INF:
        number = _with_significand(Fraction(number), spec.element, rule)
        number /= Fraction(2) ** (emax(spec.element) if rule.below_emax else 0)
    return _stored(number, spec.scale.format, rule.scale_rounding)


def _with_significand(number: Fraction, element: Coding, rule: BlockRule) -> Fraction:
    if rule.significand is Significand.AS_IT_IS or number == 0:
        return number
    a = abs(number)
    exponent = _exponent(a)
    if rule.significand is Significand.LOG2_IN_BINARY32:
        low, high = Fraction(2) ** exponent, Fraction(2) ** (exponent + 1)
        if (high - a) / high * 2**24 <= log2_rounded(exponent + 1)[0]:
            a = high
        elif (a - low) / low * 2**23 <= log2_rounded(exponent)[1]:
            a = low
    else:
        quantum = Fraction(2) ** (max(exponent, -126) - (_precision(element) - 1))
        a = round_to_integer(a / quantum, Rounding.NEAREST_TIES_TO_AWAY, negative=False) * quantum
    return a if number > 0 else -a


def _precision(spec: Coding) -> int:
    if isinstance(spec, CodebookSpec):
        raise ValueError(f"{spec.name} is a code-book, which has no precision to round a significand to")
    return spec.precision if isinstance(spec, FloatSpec) else spec.maximum.bit_length()


def _exponent(a: Fraction) -> int:
    """The ``e`` with ``2^e <= a < 2^(e+1)``."""
    e = a.numerator.bit_length() - a.denominator.bit_length()
    return e if a >= Fraction(2) ** e else e - 1


def _stored(number: Value, fmt: Coding, rounding: Rounding) -> int:
    if isinstance(fmt, CodebookSpec):
        raise ValueError(f"no rule rounds into {fmt.name}, a code-book, as the format of scales or shifts")
    return encode(number, fmt, rounding=rounding, saturation=Saturation.SAT_FINITE)


def _shift(given: dict[Given, Value], spec: BlockSpec, rule: BlockRule) -> int:
    if spec.shift is None or rule.shift is None or spec.shift.second is not None:
        raise ValueError(f"rule {rule.name!r} does not say what the shift of {spec.name} is")
    return _stored(evaluate(rule.shift, given), spec.shift.format, _HALF_EVEN)


def _element(
    x: Value, given: dict[Given, Value], spec: BlockSpec, rule: BlockRule, r: int | None, count: int | None
) -> int:
    if rule.quotient is not None:
        quotient = evaluate(rule.quotient, {**given, Given.X: x})
    else:
        quotient = _quotient(x, product(given[Given.SCALE], given.get(Given.SECOND), spec.scale), given, spec)
    element = spec.element
    if _has_integer_zero_point(spec):
        return _with_zero_point(quotient, given[Given.SHIFT], spec, rule, r, count)
    if isinstance(rule.rounding, Rounding):
        if isinstance(element, CodebookSpec):
            raise ValueError(f"{element.name} is a code-book: rule {rule.name!r} has no decision for it")
        drawn = {"random_bits": r, "random_bit_count": count}
        return encode(quotient, element, rounding=rule.rounding, saturation=rule.saturation, nan=rule.nan, **drawn)
    book = element_book(element) if isinstance(element, FloatSpec) else element
    if isinstance(book, IntSpec):
        raise ValueError(f"{book.name} is an integer format: rule {rule.name!r} has no rounding for it")
    return encode_codebook(quotient, book, decision=rule.rounding, nan=rule.nan)


def _quotient(x: Value, scale: Value, given: dict[Given, Value], spec: BlockSpec) -> Value:
    """The exact ``(x - o) / S``; with ``S = 0`` a zero for 0 and an infinity for anything else."""
    if scale != scale or x != x:
        return _NAN
    o = offset(scale, given[Given.SHIFT], spec) if spec.shift and not _has_integer_zero_point(spec) else Fraction(0)
    top = x - o if o != 0 else x
    if top == 0:
        return top
    if scale == 0 or top in (_INF, -_INF):
        return _INF if top > 0 else -_INF
    return Fraction(top) / Fraction(scale)


def _has_integer_zero_point(spec: BlockSpec) -> bool:
    return spec.shift is not None and spec.shift_kind is Shift.ZERO_POINT and isinstance(spec.shift.format, IntSpec)


def _with_zero_point(
    quotient: Value, zero_point: Value, spec: BlockSpec, rule: BlockRule, r: int | None, count: int | None
) -> int:
    element = spec.element
    if not isinstance(element, IntSpec) or not isinstance(rule.rounding, Rounding):
        raise ValueError(f"an integer zero point needs integer elements and a rounding, not {element.name}")
    bits = element.bits + 2
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1  # beyond these, no zero point leads back into the format
    wide = replace(element, bits=bits, minimum=low, maximum=high)
    drawn = {"random_bits": r, "random_bit_count": count}
    code = encode(quotient, wide, rounding=rule.rounding, saturation=Saturation.SAT_FINITE, nan=rule.nan, **drawn)
    total = Fraction(decode(code, wide)) + Fraction(zero_point)
    n = int(total * (1 << element.fraction_bits))
    return min(max(n, element.minimum), element.maximum) % (1 << element.bits)
