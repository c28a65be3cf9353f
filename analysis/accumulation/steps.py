"""What the steps of matrix units may lose, term by term: see `formats.summation` and `formats.matrix_cores`."""

from __future__ import annotations

from functools import reduce

import numpy as np

from analysis.accumulation.ball import FAR, Ball, Floats, Integers, exponent, plus, power, rounded, up, zero
from analysis.accumulation.operands import Factors, Products
from formats import FloatSpec, FusedSteps, Rounding
from formats.matrix_cores import ExactSteps, JoinedSteps, PairwiseSteps

_RNE = Rounding.NEAREST_TIES_TO_EVEN


def chain(c: Ball, factors: Factors, ks: Integers, rule: FusedSteps | ExactSteps | PairwiseSteps | JoinedSteps) -> Ball:
    """Steps in K order, each on top of the last."""
    for start in range(0, len(ks), rule.products):
        part = ks[start : start + rule.products]
        match rule:
            case FusedSteps():
                c = _fused(c, factors.products(part), rule)
            case ExactSteps():
                c = rounded(reduce(plus, map(factors.product, part), c), rule.output, _RNE)
            case PairwiseSteps():
                c = _flushing(plus(c, pairwise(factors, part, rule.output, _RNE, flushes=rule.flushes)), rule)
            case JoinedSteps():
                c = _joined(c, factors.products(part), rule)
    return c


def halved(factors: Factors, ks: Integers, step: FusedSteps) -> Ball:
    """One rewritten instruction: the elements with k mod 4 in {0, 1} first, then the others on top."""
    first = np.arange(len(ks)) % 4 < 2
    return chain(chain(zero(factors.shape), factors, ks[first], step), factors, ks[~first], step)


def pairwise(factors: Factors, ks: Integers, output: FloatSpec, rounding: Rounding, *, flushes: bool = False) -> Ball:
    """The tree: an odd last term passes up, so that the left half is the largest power of two below the whole."""
    if len(ks) == 1:
        found = factors.product(int(ks[0]), flushed=flushes)
    else:
        half = 1 << (len(ks) - 1).bit_length() - 1
        parts = (pairwise(factors, part, output, rounding, flushes=flushes) for part in (ks[:half], ks[half:]))
        found = plus(*parts)
    return _flushed(rounded(found, output, rounding), output) if flushes else rounded(found, output, rounding)


def _flushing(x: Ball, rule: PairwiseSteps) -> Ball:
    found = rounded(x, rule.output, _RNE)
    return _flushed(found, rule.output) if rule.flushes else found


def _flushed(x: Ball, output: FloatSpec) -> Ball:
    """Where the number may be subnormal, it may become 0."""
    least = 2.0**output.emin
    is_normal = (x.quantum >= output.emin) | (np.abs(x.value) - x.radius >= 2 * least)
    return Ball(x.value, up(x.radius + np.where(is_normal, 0.0, np.minimum(x.reach, least))), x.quantum)


def _cut(terms: Products, unit: Floats) -> Floats:
    """What each term loses by a cut toward zero to multiples of ``unit`` (M, N): not more than there is."""
    return np.minimum(np.abs(terms.value), np.maximum(unit[:, None] - power(terms.quantum), 0))


def _fused(c: Ball, terms: Products, rule: FusedSteps) -> Ball:
    """The alignment exponent lies between that of the products alone and that with the largest c."""
    low = np.maximum(terms.exponent.max(axis=1), rule.floor)
    unit = power(np.maximum(low, _exponent(c, rule.output, rule.floor)) - rule.fraction_bits)
    of_c = np.minimum(c.reach, np.maximum(unit - power(c.quantum), 0))
    total = plus(_wider(c, of_c), terms.summed(_cut(terms, unit)))
    grid = np.maximum(total.quantum, low - rule.fraction_bits)
    return rounded(total, rule.output, rule.rounding, bits=rule.kept_bits, grid=grid)


def _joined(c: Ball, terms: Products, rule: JoinedSteps) -> Ball:
    """Sums of products at their own alignments, then with c at another; these cuts go toward minus infinity."""
    groups = [terms.every(2, start) for start in (0, 1)] if rule.interleaved else [terms]
    top = terms.exponent.max(axis=1)
    total = zero(c.value.shape)
    for group in groups:
        part = group.summed(_cut(group, power(group.exponent.max(axis=1, initial=-FAR) - rule.fraction_bits)))
        total = plus(total, _floored(part, top - rule.fraction_bits))
    top = np.maximum(top, _exponent(c, rule.output, rule.output.emin))
    addend = _floored(c, top - rule.fraction_bits)
    if rule.c_reach is not None:
        dropped = np.minimum(c.reach, power(top - rule.c_reach))
        addend = _wider(c, np.maximum(addend.radius - c.radius, dropped))
    return rounded(plus(_floored(total, top - rule.sum_bits), addend), rule.output, _RNE)


def _exponent(c: Ball, output: FloatSpec, of_zero: int) -> Integers:
    """The largest exponent that c may have."""
    return np.where(c.reach > 0, np.maximum(exponent(c.reach), output.emin), of_zero)


def _floored(x: Ball, unit: Integers) -> Ball:
    """Cut toward minus infinity to multiples of ``2^unit``."""
    return _wider(x, np.maximum(power(unit) - power(x.quantum), 0))


def _wider(x: Ball, lost: Floats) -> Ball:
    return Ball(x.value, up(x.radius + lost), x.quantum)
