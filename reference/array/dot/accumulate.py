"""Any summation on codes: ``c + a b``."""

from __future__ import annotations

from formats import (
    ExactSum,
    Format,
    FusedSteps,
    HalvedSteps,
    IntegerSum,
    PairwiseSum,
    PromotedSum,
    Rounding,
    SequentialSum,
    Summation,
)
from formats.matrix_cores import ExactSteps, JoinedSteps, PairwiseSteps
from formats.results import FLOAT16
from formats.summation import unpromoted
from reference.array.carrier import Array, Namespace
from reference.array.dot.epilogue import joined
from reference.array.dot.exact import exact
from reference.array.dot.fused import chain
from reference.array.dot.integers import integers
from reference.array.dot.matrix_cores import matrix_core
from reference.array.dot.operand import Operand, unpack
from reference.array.dot.ordered import pairwise, rounded, sequential
from reference.array.dot.rounded import ieee

Pair = tuple[Format, Format]


def accumulate(
    a: Array, b: Array, c: Array, rule: Summation, pair: Pair, xp: Namespace, random_bits: Array | None = None
) -> Array:
    """Codes (int64) of ``c + a b``: ``a`` (..., M, K), ``b`` (..., K, N), ``c`` (..., M, N), all of them codes.

    Operands have as many axes each. ``pair``: the formats of ``a`` and ``b``. ``random_bits``: (K, ..., M, N). See
    `reference.matmul`; arguments are taken as checked. Straight-line code; K is unrolled.
    """
    x, y = unpack(a, pair[0], xp), unpack(b, pair[1], xp)
    if isinstance(unpromoted(rule), HalvedSteps):
        x, y = _widened(x, xp), _widened(y, xp)
    return _sum(x, y, c.astype(xp.int64), rule, pair, xp, random_bits)


def _sum(
    a: Operand, b: Operand, c: Array, rule: Summation, pair: Pair, xp: Namespace, random_bits: Array | None
) -> Array:
    match rule:
        case ExactSum():
            return exact(a, b, c, rule, pair, xp)
        case SequentialSum():
            return sequential(a, b, c, rule, xp, random_bits)
        case PairwiseSum():
            return pairwise(a, b, c, ieee(rule.output, rule.rounding), xp)
        case FusedSteps():
            return chain(a, b, c, rule, xp)
        case HalvedSteps():
            return _halved(a, b, c, rule, xp)
        case PromotedSum():
            return _promoted(a, b, c, rule, pair, xp, random_bits)
        case IntegerSum():
            return integers(a, b, c, rule, xp)
        case ExactSteps() | PairwiseSteps() | JoinedSteps():
            return matrix_core(a, b, c, rule, pair, xp)


def _widened(x: Operand, xp: Namespace) -> Operand:
    """The same numbers as float16 has them."""
    return unpack(rounded(x, ieee(FLOAT16, Rounding.NEAREST_TIES_TO_EVEN), xp), FLOAT16, xp)


def _halved(a: Operand, b: Operand, c: Array, rule: HalvedSteps, xp: Namespace) -> Array:
    length = a.negative.shape[-1]
    for start in range(0, length, 2 * rule.step.products):
        partial = c & 0
        for half in ((0, 1), (2, 3)):
            stop = min(start + 2 * rule.step.products, length)
            taken = xp.asarray([k for k in range(start, stop) if (k - start) % 4 in half])
            partial = chain(a[..., taken], b[..., taken, :], partial, rule.step, xp)
        c = joined(c, partial, rule, xp)
    return c


def _promoted(
    a: Operand, b: Operand, c: Array, rule: PromotedSum, pair: Pair, xp: Namespace, random_bits: Array | None
) -> Array:
    for start in range(0, a.negative.shape[-1], rule.every):
        part = slice(start, start + rule.every)
        drawn = None if random_bits is None else random_bits[part]
        partial = _sum(a[..., part], b[..., part, :], c & 0, rule.inner, pair, xp, drawn)
        c = joined(c, partial, rule, xp)
    return c
