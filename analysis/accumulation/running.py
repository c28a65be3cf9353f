"""The running error bound: what each rounding may lose, given the operands it meets."""

from __future__ import annotations

from functools import reduce

import numpy as np

import formats
from analysis.accumulation.ball import Ball, Floats, Integers, plus, rounded, zero
from analysis.accumulation.operands import Factors, Operands
from analysis.accumulation.steps import chain, halved, pairwise
from formats import (
    Accumulator,
    ExactSum,
    FloatSpec,
    Format,
    FusedSteps,
    HalvedSteps,
    IntegerSum,
    PairwiseSum,
    PromotedSum,
    Rounding,
    Saturation,
    SequentialSum,
    Summation,
)
from formats.dot import output
from formats.matrix_cores import ExactSteps, JoinedSteps, PairwiseSteps
from formats.results import FLOAT16
from formats.summation import unpromoted

_RNE = Rounding.NEAREST_TIES_TO_EVEN
_Steps = FusedSteps | ExactSteps | PairwiseSteps | JoinedSteps
_FloatSum = ExactSum | SequentialSum | PairwiseSum | HalvedSteps | PromotedSum | _Steps


def running_bound(operands: Operands, accumulator: str | Accumulator) -> Floats:
    """A bound of ``|result - exact|`` for each output (M, N), float64, from the operands themselves; ``c`` is +0.

    Only exact partial sums ``P`` enter, no computed ones: if these are within ``B`` of ``P`` before an operation, then
    they are within ``B + lost`` after it, where

    * a rounding loses half a step to nearest, less than a step otherwise, the step being that of ``|P| + B``, and
      nothing if no bit lies below the step;
    * a fused step (`formats.FusedSteps`) loses of every term at most the term itself and less than ``2^(T - F)``,
      nothing where no bit lies below; then its result is rounded.

    Infinite where the result may overflow. Raises ``ValueError`` for formats or a K that the accumulator does not take.
    Source: running error analysis, Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.3.

    >>> ones = Operands.of([[1.0] * 32], [[1.0]] * 32, "float8_e4m3fn", "float8_e4m3fn")
    >>> running_bound(ones, "hopper.wgmma.k32.f32.e4m3.e4m3")
    array([[0.]])
    """
    chosen = formats.accumulator(accumulator)
    operands.check(chosen)
    factors, ks = Factors(operands, _widened(chosen.summation)), np.arange(operands.k)
    if isinstance(chosen.summation, IntegerSum):
        return _integer(factors, ks, chosen.summation)
    return _ball(factors, ks, chosen.summation).radius


def _ball(factors: Factors, ks: Integers, summation: _FloatSum) -> Ball:
    match summation:
        case ExactSum():
            return rounded(factors.dot(ks), summation.output, summation.rounding)
        case SequentialSum():
            return _sequential(factors, ks, summation)
        case PairwiseSum():
            return pairwise(factors, ks, summation.output, summation.rounding)
        case FusedSteps() | JoinedSteps() | ExactSteps() | PairwiseSteps():
            return chain(zero(factors.shape), factors, ks, summation)
        case HalvedSteps():
            sums = [halved(factors, part, summation.step) for part in _parts(ks, 2 * summation.step.products)]
            return _added(sums, summation.step.output)
        case PromotedSum():
            sums = [_ball(factors, part, summation.inner) for part in _parts(ks, summation.every)]
            return _added(sums, output(summation))


def _widened(summation: Summation) -> FloatSpec | None:
    return FLOAT16 if isinstance(unpromoted(summation), HalvedSteps) else None


def _parts(ks: Integers, size: int) -> list[Integers]:
    return [ks[start : start + size] for start in range(0, len(ks), size)]


def _added(sums: list[Ball], spec: Format) -> Ball:
    assert isinstance(spec, FloatSpec)
    return reduce(lambda x, y: rounded(plus(x, y), spec, _RNE), sums)


def _sequential(factors: Factors, ks: Integers, summation: SequentialSum) -> Ball:
    total = zero(factors.shape)
    for k in ks:
        product = factors.product(k)
        if not summation.fused:
            product = rounded(product, summation.output, summation.rounding)
        total = rounded(plus(total, product), summation.output, summation.rounding)
    return total


def _integer(factors: Factors, ks: Integers, summation: IntegerSum) -> Floats:
    """0 where nothing can have been wrapped or clamped, else infinity."""
    least, most = -(2.0 ** (summation.bits - 1)), 2.0 ** (summation.bits - 1) - 1
    value, inside = np.zeros(factors.shape), np.ones(factors.shape, np.bool_)
    for part in _parts(ks, summation.products or len(ks)):
        value = value + factors.dot(part).value
        within = (value >= least) & (value <= most)
        inside = within if summation.saturation is Saturation.WRAP else inside & within
    return np.where(inside, 0.0, np.inf)
