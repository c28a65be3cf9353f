"""The judge: the steps of AMD's matrix cores, from the definitions in `formats.matrix_cores`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from formats import FloatSpec, Rounding
from formats.matrix_cores import ExactSteps, JoinedSteps, PairwiseSteps
from reference.exact.codec import decode
from reference.exact.steps import Operands, Pair, Term, power_of_two, products, term
from reference.exact.terms import Value, is_negative, rounded_total, special_total

_RNE = Rounding.NEAREST_TIES_TO_EVEN


def matrix_core(pairs: Operands, c: int, pair: Pair, rule: ExactSteps | PairwiseSteps | JoinedSteps) -> int:
    """A chain of steps on codes ``(a, b)`` in K order.

    >>> import formats
    >>> spec = formats.accumulator("cdna3.mfma.k8.f32.f16")
    >>> hex(matrix_core([(0x3C00, 0x4000)], 0x3F800000, (spec.a, spec.b), spec.summation))
    '0x40400000'
    """
    if isinstance(rule, PairwiseSteps) and rule.flushes and _is_small(decode(c, rule.output), rule.output):
        c = 0
    for start in range(0, len(pairs), rule.products):
        step = pairs[start : start + rule.products]
        match rule:
            case ExactSteps():
                terms = [decode(c, rule.output), *(value for value, _ in products(step, pair))]
                c = rounded_total(terms, rule.output, _RNE)
            case PairwiseSteps():
                c = _pairwise(step, c, pair, rule)
            case JoinedSteps():
                c = _joined(products(step, pair), term(c, rule.output), rule)
    return c


def _pairwise(pairs: Operands, c: int, pair: Pair, rule: PairwiseSteps) -> int:
    if rule.flushes:
        pairs = [(_operand(a, pair[0]), _operand(b, pair[1])) for a, b in pairs]
    level = [_rounded([value], rule) for value, _ in products(pairs, pair)]
    while len(level) > 1:
        level = [_rounded(level[i : i + 2], rule) for i in range(0, len(level), 2)]
    return _code([decode(c, rule.output), level[0]], rule)


def _rounded(terms: Sequence[Value], rule: PairwiseSteps) -> Value:
    return decode(_code(terms, rule), rule.output)


def _code(terms: Sequence[Value], rule: PairwiseSteps) -> int:
    code = rounded_total(terms, rule.output, _RNE)
    if rule.flushes and _is_small(decode(code, rule.output), rule.output):
        return code & rule.output.sign_code
    return code


def _operand(code: int, spec: FloatSpec) -> int:
    return 0 if _is_small(decode(code, spec), spec) else code


def _is_small(value: Value, spec: FloatSpec) -> bool:
    """Whether ``value`` is a zero or subnormal."""
    return abs(value) < power_of_two(spec.emin)


def _joined(terms: Sequence[Term], c: Term, rule: JoinedSteps) -> int:
    special = special_total([value for value, _ in [*terms, c]])
    if special is None:
        special = special_total([_overflowed(value, rule.output) for value, _ in terms])
    if special is not None:
        return rounded_total([special], rule.output, _RNE)
    e_c = c[1] if c[0] != 0 else rule.output.emin
    top = max((e for value, e in terms if value != 0), default=e_c)
    groups = [terms[0::2], terms[1::2]] if rule.interleaved else [terms]
    joined = sum(_floor(_aligned_sum(group, rule.fraction_bits), top - rule.fraction_bits) for group in groups)
    top = max(top, e_c)
    reached = rule.c_reach is None or e_c >= top - rule.c_reach
    addend = _floor(Fraction(c[0]), top - rule.fraction_bits) if reached else Fraction(0)
    return rounded_total([_floor(Fraction(joined), top - rule.sum_bits), addend], rule.output, _RNE)


def _overflowed(value: Value, spec: FloatSpec) -> Value:
    """An infinity in the place of a product beyond the range, else zero."""
    if abs(value) < power_of_two(spec.emax + 1):
        return Fraction(0)
    return float("-inf") if is_negative(value) else float("inf")


def _aligned_sum(terms: Sequence[Term], fraction_bits: int) -> Fraction:
    """The sum of the products, each cut toward zero at ``fraction_bits`` below the largest exponent."""
    quantum = power_of_two(max((e for value, e in terms if value != 0), default=0) - fraction_bits)
    return sum(int(Fraction(value) / quantum) for value, _ in terms) * quantum


def _floor(value: Fraction, exponent: int) -> Fraction:
    """The largest multiple of ``2^exponent`` that is at most ``value``."""
    return value / power_of_two(exponent) // 1 * power_of_two(exponent)
