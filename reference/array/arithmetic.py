"""Exact results on arrays, integer-only in 32-bit words, once for NumPy and jax.numpy.

A result that needs more bits than a pair of words has is *rounded to odd*: its last bit also says whether anything
but zeros was dropped. It then lies on the same side as the exact one of every threshold that has fewer bits, so that
the one rounding that follows is of the exact result (Boldo and Melquiond, Emulation of a FMA and correctly rounded
sums, IEEE Transactions on Computers 57(4), 2008).

Why a sum loses nothing: bits are dropped from the smaller term only where it lies at least two places below the
larger, since products have 48 bits of 62; then the difference has 61 bits or more.
"""

from __future__ import annotations

from dataclasses import replace

from formats import Rounding
from formats.operations import Operation
from reference.array import arithmetic_words as words
from reference.array.arithmetic_numbers import (
    SIGNIFICAND_BITS,
    TERM_BIT,
    Exact,
    Operand,
    choose,
    larger_first,
    normalised,
    term,
)
from reference.array.arithmetic_words import Pair
from reference.array.carrier import Array, Namespace

_LARGEST_OF = (Operation.MAXIMUM, Operation.MAXIMUM_NUMBER)
_AMONG_NUMBERS = (Operation.MINIMUM_NUMBER, Operation.MAXIMUM_NUMBER)


def evaluate(
    operation: Operation, operands: tuple[Operand, ...], rounding: Rounding, root_bits: int, xp: Namespace
) -> Exact:
    """The exact result. The rounding mode decides the sign of an exact zero sum; ``root_bits`` are those of a root."""
    x, y, z = (*operands, *operands, *operands)[:3]
    match operation:
        case Operation.ADD:
            return _sum(term(x, xp), term(y, xp), rounding, xp)
        case Operation.SUB:
            return _sum(term(x, xp), term(_negated(y), xp), rounding, xp)
        case Operation.MUL:
            return _product(x, y, xp)
        case Operation.FMA:
            return _sum(_product(x, y, xp), term(z, xp), rounding, xp)
        case Operation.DIV:
            return _quotient(x, y, xp)
        case Operation.SQRT:
            return _square_root(x, root_bits, xp)
        case Operation.NEGATE:
            return term(_negated(x), xp)
        case Operation.CONVERT:
            return term(x, xp)
        case _:
            return _extremum(operation, x, y, xp)


def _negated(x: Operand) -> Operand:
    return replace(x, negative=~x.negative)


def _sum(x: Exact, y: Exact, rounding: Rounding, xp: Namespace) -> Exact:
    differ = x.negative != y.negative
    nan = x.nan | y.nan | (x.infinite & y.infinite & differ)
    large, small = larger_first(x, y, xp)
    down = xp.minimum(large.exponent - small.exponent, 63).astype(xp.uint32)
    aligned = words.jam_right(small.significand, down, xp)
    total = words.select(differ, words.sub(large.significand, aligned), words.add(large.significand, aligned), xp)
    negative = xp.where(words.is_zero(total) & differ, rounding is Rounding.TOWARD_NEGATIVE, large.negative)
    return Exact(nan, x.infinite | y.infinite, negative, total, large.exponent)


def _product(x: Operand, y: Operand, xp: Namespace) -> Exact:
    nan = x.nan | y.nan | (x.infinite & y.zero) | (x.zero & y.infinite)
    significand = words.product(x.significand, y.significand, xp)
    negative = x.negative != y.negative
    exact = Exact(nan, x.infinite | y.infinite, negative, significand, x.exponent + y.exponent)
    return normalised(exact, TERM_BIT, xp)


def _quotient(x: Operand, y: Operand, xp: Namespace) -> Exact:
    """Long division in digits of 8 bits, so that the remainder and the next digit fit a word; 62 bits or more."""
    nan = x.nan | y.nan | (x.zero & y.zero) | (x.infinite & y.infinite)
    divisor = xp.maximum(y.significand, xp.uint32(1))
    digit = x.significand // divisor
    quotient, rest = Pair(xp.zeros_like(digit), digit), x.significand - digit * divisor
    for bits in _DIGITS:
        digit = (rest << xp.uint32(bits)) // divisor
        rest = (rest << xp.uint32(bits)) - digit * divisor
        quotient = words.shift_left(quotient, xp.full_like(digit, bits), xp)
        quotient = Pair(quotient.high, quotient.low | digit)
    quotient = Pair(quotient.high, quotient.low | (rest != 0).astype(xp.uint32))
    nothing = xp.zeros_like(rest)
    quotient = words.select(y.infinite, Pair(nothing, nothing), quotient, xp)
    return Exact(nan, x.infinite | y.zero, x.negative != y.negative, quotient, x.exponent - y.exponent - sum(_DIGITS))


_DIGITS = (8, 8, 8, 8, 8, 8, 8, 6)


def _square_root(x: Operand, bits: int, xp: Namespace) -> Exact:
    """Digit by digit, ``bits`` of them: ``rest = radicand - root^2`` stays at most ``2 * root``."""
    word = xp.uint32
    odd = (x.exponent & 1).astype(xp.uint32)
    radicand = x.significand << odd  # at most 25 bits: 13 pairs of bits
    pairs = (SIGNIFICAND_BITS + 2) // 2
    bits = max(bits, pairs)
    zero = xp.zeros_like(radicand)
    root, rest = Pair(zero, zero), Pair(zero, zero)
    two, one = xp.full_like(radicand, 2), xp.full_like(radicand, 1)
    for place in range(pairs - 1, pairs - 1 - bits, -1):
        digits = (radicand >> word(2 * place)) & word(3) if place >= 0 else zero
        rest, trial = words.shift_left(rest, two, xp), words.shift_left(root, two, xp)
        rest, trial = Pair(rest.high, rest.low | digits), Pair(trial.high, trial.low | word(1))
        fits = ~words.less(rest, trial)
        rest = words.select(fits, words.sub(rest, trial), rest, xp)
        root = words.shift_left(root, one, xp)
        root = Pair(root.high, root.low | fits.astype(xp.uint32))
    root = Pair(root.high, root.low | (~words.is_zero(rest)).astype(xp.uint32))
    exponent = (x.exponent >> 1) + (pairs - bits)
    nan = x.nan | (x.negative & ~x.zero)
    return Exact(nan, x.infinite, x.negative, root, exponent)


def _extremum(operation: Operation, x: Operand, y: Operand, xp: Namespace) -> Exact:
    first = less(x, y, xp) | (equal(x, y, xp) & x.negative)  # x is the lesser, -0 before +0
    if operation in _LARGEST_OF:
        first = ~first
    if operation not in _AMONG_NUMBERS:
        chosen = choose(first, term(x, xp), term(y, xp), xp)
        return replace(chosen, nan=x.nan | y.nan)
    return choose((first | y.nan) & ~x.nan, term(x, xp), term(y, xp), xp)


def unordered(x: Operand, y: Operand, xp: Namespace) -> Array:
    """Whether either is NaN."""
    return x.nan | y.nan


def equal(x: Operand, y: Operand, xp: Namespace) -> Array:
    """Whether ``x = y``: zeros are equal, NaNs are not."""
    same = (x.exponent == y.exponent) & (x.significand == y.significand)
    return same & ((x.negative == y.negative) | x.zero) & ~unordered(x, y, xp)


def less(x: Operand, y: Operand, xp: Namespace) -> Array:
    """Whether ``x < y``."""
    above = (x.exponent > y.exponent) | ((x.exponent == y.exponent) & (x.significand > y.significand))
    below = (x.exponent < y.exponent) | ((x.exponent == y.exponent) & (x.significand < y.significand))
    x_negative, y_negative = x.negative & ~x.zero, y.negative & ~y.zero
    ordered = xp.where(x_negative, ~y_negative | above, ~y_negative & below)
    return ordered & ~unordered(x, y, xp)


def less_equal(x: Operand, y: Operand, xp: Namespace) -> Array:
    """Whether ``x <= y``."""
    return less(x, y, xp) | equal(x, y, xp)
