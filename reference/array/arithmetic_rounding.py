"""The one rounding of an exact result, and the checked request for it.

The result is counted in quarters of the quantum that the format has there (or quarters of a tick of random bits),
rounded to odd. Such a count is a number of binary32 with few bits: where the mode is deterministic,
`reference.array.codec.encode` rounds and saturates it; where it is stochastic, the bits are added here and the codec
finds a value that the format has, or one beyond its range.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from formats import FloatSpec, Format, IntSpec, NanRule, Rounding, Saturation, get
from formats.operations import Operands, Operation, operand_formats
from reference.array import arithmetic_words as words
from reference.array import codec
from reference.array.arithmetic import evaluate
from reference.array.arithmetic_numbers import SIGNIFICAND_BITS, Exact, normalised, operand, significand_bits
from reference.array.arithmetic_words import Pair, leading_bit
from reference.array.carrier import Array, Carrier, Namespace
from reference.array.conversion import Conversion, conversion

_QUARTERS = 2  # bits counted below the quantum, or below a tick
_LEADING = 63
_WORD = (1 << 32) - 1
_MOST_BITS = 60  # of a wrapped result, down to the last bit counted
_MOST_SCALE = 100
_WRAPPED_BITS = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A checked operation: everything that decides a code besides the operands and the random bits."""

    operation: Operation
    operands: tuple[Format, ...]
    target: Conversion


def request(
    operation: Operation,
    formats: Operands,
    out: str | Format,
    *,
    rounding: Rounding | str,
    saturation: Saturation | str,
    nan: NanRule | str | None = None,
    random_bit_count: int | None = None,
) -> Request:
    """The checked record; every complaint about formats and policy comes from here."""
    specs, spec = operand_formats(formats, operation.arity), get(out)
    for operand_spec in specs:
        check_operand(operand_spec)
    policy = {"rounding": rounding, "saturation": saturation, "nan": nan, "random_bit_count": random_bit_count}
    if isinstance(spec, IntSpec) and abs(spec.fraction_bits) > _MOST_SCALE:
        raise ValueError(f"{spec.name}: fraction_bits={spec.fraction_bits}; arrays take -{_MOST_SCALE}..{_MOST_SCALE}")
    stand_in = "bfloat16" if _is_like_binary32(spec) else spec  # `conversion` refuses it, the codec does not
    made = Request(operation=operation, operands=specs, target=replace(conversion(stand_in, **policy), spec=spec))
    if made.target.saturation is Saturation.WRAP:
        _check_wrap(made)
    return made


def _is_like_binary32(spec: Format) -> bool:
    """Whether a format has more significant bits than `conversion` accepts, but no more than binary32."""
    if isinstance(spec, IntSpec):
        return False
    return 16 < spec.precision <= SIGNIFICAND_BITS and spec.emin >= -126 and spec.emax <= 127


def check_operand(spec: Format) -> None:
    """``ValueError`` for a format whose significands arrays do not hold."""
    if significand_bits(spec) > SIGNIFICAND_BITS:
        raise ValueError(
            f"{spec.name} has significands of {significand_bits(spec)} bits; arrays calculate with at most"
            f" {SIGNIFICAND_BITS}, reference.exact with any"
        )


def _check_wrap(made: Request) -> None:
    """WRAP needs every bit from the largest result down to a quarter of the quantum, and a code below 2^31."""
    if made.target.spec.bits > _WRAPPED_BITS:
        raise ValueError(
            f"saturation='wrap' into {made.target.spec.name}: arrays wrap into at most {_WRAPPED_BITS} bits"
        )
    needed = _top(made) + made.target.spec.fraction_bits + _bits_below(made.target)
    if needed > _MOST_BITS:
        names = ", ".join(spec.name for spec in made.operands)
        raise ValueError(
            f"saturation='wrap': a result of {made.operation.value} on {names} takes {needed} bits; arrays wrap"
            f" {_MOST_BITS}, reference.exact any"
        )


def _top(made: Request) -> int:
    """Every result lies below ``2^top``."""
    tops = [spec.emax + 1 if isinstance(spec, FloatSpec) else spec.bits - spec.fraction_bits for spec in made.operands]
    match made.operation:
        case Operation.ADD | Operation.SUB:
            return max(tops) + 1
        case Operation.MUL:
            return sum(tops)
        case Operation.FMA:
            return max(tops[0] + tops[1], tops[2]) + 1
        case Operation.DIV:
            divisor = made.operands[1]
            least = divisor.emin if isinstance(divisor, FloatSpec) else 0
            return tops[0] - (least - divisor.fraction_bits)
        case _:
            return max(*tops, 1)


def may_be_undefined(made: Request) -> bool:
    """Whether operands exist whose result has no code of its own: NaN, and under WRAP an infinity."""
    specs = made.operands
    if any(isinstance(spec, FloatSpec) and has_specials(spec) for spec in specs):
        return True
    match made.operation:
        case Operation.DIV:
            return specs[1].has_zero
        case Operation.SQRT:
            return specs[0].signed
        case _:
            return False


def has_specials(spec: FloatSpec) -> bool:
    """Whether any code is an infinity or a NaN."""
    return spec.max_code < (1 << spec.magnitude_bits) - 1 or spec.nan_code is not None


def calculate(made: Request, codes: tuple[Array, ...], xp: Namespace, random_bits: Array | None) -> tuple[Array, Array]:
    """Codes of the results, and where they are NaN (under WRAP, infinite too). Arguments are taken as checked."""
    fields = tuple(operand(code, spec, xp) for code, spec in zip(codes, made.operands, strict=True))
    exact = evaluate(made.operation, fields, made.target.rounding, _root_bits(made.target), xp)
    undefined = exact.nan | exact.infinite if made.target.saturation is Saturation.WRAP else exact.nan
    return round_once(exact, made.target, xp, random_bits), undefined


def _root_bits(target: Conversion) -> int:
    """Bits of a square root from which it is counted: one more, since the first may be 0."""
    if isinstance(target.spec, IntSpec):
        return _LEADING - 1
    return target.spec.precision + _bits_below(target) + 1


def _bits_below(target: Conversion) -> int:
    return target.random_bit_count + _QUARTERS


def needs_binary64(target: Conversion) -> bool:
    """Whether the counts do not fit binary32's 24 bits."""
    return significand_bits(target.spec) + _QUARTERS > SIGNIFICAND_BITS


def round_once(exact: Exact, target: Conversion, xp: Namespace, random_bits: Array | None) -> Array:
    """Codes of exact results."""
    spec, below = target.spec, _bits_below(target)
    exact = normalised(exact, _LEADING, xp)
    unit = _quantum(exact, spec, xp) - below
    down = xp.clip(unit - exact.exponent, _QUARTERS, _LEADING).astype(xp.uint32)
    count = _within(words.jam_right(exact.significand, down, xp), target, xp)
    if random_bits is not None:
        count, unit = _draw(count, target, random_bits.astype(xp.uint32), xp), unit + below
        target = replace(target, rounding=Rounding.NEAREST_TIES_TO_EVEN, random_bit_count=0)
        if not spec.has_zero:  # less than the least value becomes that, not zero
            some = (~words.is_zero(exact.significand)).astype(xp.uint32)
            count = Pair(count.high, xp.maximum(count.low, some))
    if needs_binary64(target):
        return codec.encode(_binary64(count, unit, exact, xp), target, xp, rounder=_round_magnitude)
    return codec.encode(_binary32(count, unit, exact, xp), target, xp)


def _round_magnitude(
    carrier: Carrier, precision: int, emin: int, target: Conversion, xp: Namespace, *others: Any
) -> Array:
    """`codec.round_magnitude` for 32-bit formats: the code that it counts up to infinity does not fit a word."""
    c = codec.round_aligned(carrier, precision, emin, target, xp, *others)
    return xp.where(carrier.magnitude >= carrier.infinity, xp.uint32(_WORD), c)


def _quantum(exact: Exact, spec: Format, xp: Namespace) -> Array:
    """The exponent of the quantum around each result."""
    if isinstance(spec, IntSpec):
        return xp.full_like(exact.exponent, -spec.fraction_bits)
    return xp.maximum(exact.exponent + _LEADING, spec.emin) - spec.fraction_bits


def _within(count: Pair, target: Conversion, xp: Namespace) -> Pair:
    """Counts of integers modulo ``2^bits`` under WRAP, else no more than the extreme one: beyond it all saturate."""
    spec = target.spec
    if isinstance(spec, FloatSpec):
        return count
    if target.saturation is Saturation.WRAP:
        mask = (1 << (spec.bits + _bits_below(target))) - 1
        return Pair(count.high & xp.uint32(mask >> 32), count.low & xp.uint32(mask & _WORD))
    most = max(spec.maximum, -spec.minimum) << _bits_below(target)
    limit = Pair(xp.full_like(count.high, most >> 32), xp.full_like(count.low, most & _WORD))
    return words.select(words.less(limit, count), limit, count, xp)


def _draw(count: Pair, target: Conversion, r: Array, xp: Namespace) -> Pair:
    """Quarters of ticks to quanta: see `formats.Rounding`."""
    n, nothing, one = target.random_bit_count, xp.zeros_like(r), xp.uint32(1)
    match target.rounding:
        case Rounding.STOCHASTIC_A:
            ticks, drawn, drop = _down(count, 2, xp), r, n
        case Rounding.STOCHASTIC_B:
            ticks, drawn, drop = _down(count, 1, xp), (r << one) | one, n + 1
        case _:
            last = (count.low >> xp.uint32(2)) & one
            ticks, drawn, drop = _down(words.add(count, Pair(nothing, one + last)), 2, xp), r, n
    return _down(words.add(ticks, Pair(nothing, drawn)), drop, xp)


def _down(x: Pair, places: int, xp: Namespace) -> Pair:
    return words.shift_right(x, xp.full_like(x.low, places), xp)


def _binary32(count: Pair, unit: Array, exact: Exact, xp: Namespace) -> Array:
    """``count * 2^unit`` as float32, built from its bits; what is beyond float32 becomes its largest number."""
    word = xp.uint32
    up = xp.clip(unit, -149, 128)
    field = leading_bit(count.low, xp) + up
    exact_bits = count.low.astype(xp.float32).view(xp.uint32)
    normal = exact_bits + (up.astype(xp.uint32) << word(23))
    subnormal = count.low << xp.minimum(up + 149, 31).astype(xp.uint32)
    bits = xp.where(field > 127, word(0x7F7FFFFF), xp.where(field < -126, subnormal, normal))
    bits = xp.where(count.low == 0, word(0), bits)
    bits = xp.where(exact.nan, word(0x7FC00000), xp.where(exact.infinite, word(0x7F800000), bits))
    return (bits | (exact.negative.astype(xp.uint32) << word(31))).view(xp.float32)


def _binary64(count: Pair, unit: Array, exact: Exact, xp: Namespace) -> Array:
    """``count * 2^unit`` as float64; what is beyond a format of 8 exponent bits stays beyond."""
    word = xp.uint64
    whole = (count.high.astype(xp.uint64) << word(32)) | count.low.astype(xp.uint64)
    bits = whole.astype(xp.float64).view(xp.uint64)
    bits = xp.where(whole == 0, word(0), bits + (xp.clip(unit, -900, 128).astype(xp.uint64) << word(52)))
    bits = xp.where(exact.nan, word(0x7FF8 << 48), xp.where(exact.infinite, word(0x7FF << 52), bits))
    return (bits | (exact.negative.astype(xp.uint64) << word(63))).view(xp.float64)
