"""Codes as integer fields: sign, significand, exponent, and flags for what has none."""

from __future__ import annotations

from dataclasses import dataclass, replace

from formats import FloatSpec, Format, IntSpec, Nan
from reference.array.arithmetic_words import Pair, leading_bit, less, select, shift_left
from reference.array.carrier import Array, Namespace

#: bits of an operand's significand: those of binary32
SIGNIFICAND_BITS = 24
#: place of the leading bit in the pairs of terms: their sum fits
TERM_BIT = 62
#: exponent of an infinity, above and below (negated, that of zero) what formats and their products have
FAR = 1 << 20


@dataclass(frozen=True, slots=True)
class Operand:
    """``significand * 2^exponent``: uint32 with bit 23 leading, or 0; NaN or infinite where flagged."""

    nan: Array
    infinite: Array
    negative: Array
    significand: Array
    exponent: Array

    @property
    def zero(self) -> Array:
        """Where the value is a zero of either sign."""
        return self.significand == 0


@dataclass(frozen=True, slots=True)
class Exact:
    """``significand * 2^exponent``: a pair whose last bit may stand for more bits (rounded to odd)."""

    nan: Array
    infinite: Array
    negative: Array
    significand: Pair
    exponent: Array


def significand_bits(spec: Format) -> int:
    """Bits that the significands of a format need."""
    return spec.precision if isinstance(spec, FloatSpec) else spec.bits


def operand(codes: Array, spec: Format, xp: Namespace) -> Operand:
    """The fields of ``codes`` (any unsigned dtype); the format has at most `SIGNIFICAND_BITS`."""
    c = codes.astype(xp.uint32)
    fields = _int_fields(c, spec, xp) if isinstance(spec, IntSpec) else _float_fields(c, spec, xp)
    return _normalised(fields, xp)


def _int_fields(c: Array, spec: IntSpec, xp: Namespace) -> Operand:
    never = xp.zeros(c.shape, bool)
    negative = c >> xp.uint32(spec.bits - 1) != 0 if spec.signed else never
    significand = xp.where(negative, xp.uint32(1 << spec.bits) - c, c) if spec.has_zero else xp.full_like(c, 1)
    return Operand(never, never, negative, significand, xp.full(c.shape, -spec.fraction_bits, xp.int32))


def _float_fields(c: Array, spec: FloatSpec, xp: Namespace) -> Operand:
    t, word = spec.fraction_bits, xp.uint32
    never = xp.zeros(c.shape, bool)
    m = c & word((1 << spec.magnitude_bits) - 1)
    negative = c != m if spec.signed else never
    infinite = m == word(spec.max_code + 1) if spec.has_infinity else never
    nan = (m > word(spec.max_code)) & ~infinite
    if spec.nan is Nan.NEGATIVE_ZERO:
        nan = nan | (negative & (m == 0))
    field, fraction = m >> word(t), m & word((1 << t) - 1)
    implicit = xp.minimum(field, word(1)) if spec.has_zero else word(1)
    binade = xp.maximum(field, word(1)) if spec.has_zero else field
    return Operand(nan, infinite, negative, fraction | (implicit << word(t)), binade.astype(xp.int32) - (spec.bias + t))


def _normalised(x: Operand, xp: Namespace) -> Operand:
    up = xp.minimum(SIGNIFICAND_BITS - 1 - leading_bit(x.significand, xp), SIGNIFICAND_BITS - 1)
    significand = x.significand << up.astype(xp.uint32)
    exponent = xp.where(significand == 0, -FAR, x.exponent - up)
    significand = xp.where(x.infinite, xp.uint32(1 << (SIGNIFICAND_BITS - 1)), significand)
    return replace(x, significand=significand, exponent=xp.where(x.infinite, FAR, exponent))


def term(x: Operand, xp: Namespace) -> Exact:
    """An operand as a pair with `TERM_BIT` leading."""
    up = TERM_BIT - (SIGNIFICAND_BITS - 1)
    pair = Pair(x.significand << xp.uint32(up - 32), xp.zeros_like(x.significand))
    return Exact(x.nan, x.infinite, x.negative, pair, x.exponent - up)


def normalised(x: Exact, leading: int, xp: Namespace) -> Exact:
    """The same value with bit ``leading`` leading; a zero stays as it is."""
    high, low = x.significand
    place = xp.where(high == 0, leading_bit(low, xp), leading_bit(high, xp) + 32)
    up = xp.where((high | low) == 0, 0, leading - place)
    return replace(x, significand=shift_left(x.significand, up.astype(xp.uint32), xp), exponent=x.exponent - up)


def larger_first(x: Exact, y: Exact, xp: Namespace) -> tuple[Exact, Exact]:
    """Two terms, that of greater magnitude first."""
    swap = (x.exponent < y.exponent) | ((x.exponent == y.exponent) & less(x.significand, y.significand))
    return choose(swap, y, x, xp), choose(swap, x, y, xp)


def choose(condition: Array, x: Exact, y: Exact, xp: Namespace) -> Exact:
    """``x`` where the condition holds, else ``y``."""
    return Exact(
        xp.where(condition, x.nan, y.nan),
        xp.where(condition, x.infinite, y.infinite),
        xp.where(condition, x.negative, y.negative),
        select(condition, x.significand, y.significand, xp),
        xp.where(condition, x.exponent, y.exponent),
    )
