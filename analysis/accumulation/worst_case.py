"""The a-priori error bound: from the accumulator's record and K alone, in fractions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

import formats
from analysis.accumulation.ball import NEAREST, Floats, largest, up
from analysis.accumulation.operands import Operands
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
    SequentialSum,
    Summation,
)
from formats.dot import output
from formats.matrix_cores import ExactSteps, JoinedSteps, PairwiseSteps

_RNE = Rounding.NEAREST_TIES_TO_EVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCase:
    """``|result - exact| <= relative * W + absolute``, as long as ``W`` plus that is at most ``limit``.

    ``W = sum over k of |a[k] b[k]|``, in which subnormal operands count as their format's smallest normal number
    (`Operands.weight`): a matrix unit aligns them as such.
    """

    relative: Fraction
    absolute: Fraction
    #: beyond this, results may overflow
    limit: Fraction
    #: whether subnormal operands count as 0: then their products are lost on top of that (`Operands.flushed`)
    flushes: bool = False

    def bound(self, operands: Operands) -> Floats:
        """The bound of the error of each output, (M, N), rounded up; infinite where results may overflow."""
        weight, flushed = operands.weight, operands.flushed if self.flushes else 0.0
        error = up(weight * _up(self.relative) + _up(self.absolute) + flushed)
        return np.where(up(weight + error) > float(self.limit), np.inf, error)


def worst_case(accumulator: str | Accumulator, k: int) -> WorstCase:
    """The bound for sums of ``k`` products from ``c = +0``.

    With ``u`` the relative error of one rounding (``2^-p`` to nearest, ``2^(1-p)`` otherwise, p bits of precision):

    * exact: ``u``;
    * sequential: ``(1 + u)^k - 1``; pairwise: ``(1 + u)^(1 + ceil(log2 k)) - 1``;
    * n products fused, cut below F fraction bits: ``((1 + (n + 1) 2^-F) (1 + u))^steps - 1``, as each of n products
      and c loses less than ``2^(T - F)``, and ``2^T`` is at most the sum of magnitudes;
    * CDNA's steps: sums of the same kinds (`formats.matrix_cores`);
    * promoted: ``(1 + inner) (1 + u')^(parts - 1) - 1``, with ``u' = 2^-p`` of its additions;
    * integers: 0 up to the limit.

    Each with an absolute part for subnormal results. Raises ``ValueError`` if ``k`` is no positive multiple of the
    accumulator's own. Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 3.1 and 4.2,
    for the roundings; the cut follows from the record (`formats.FusedSteps`).

    >>> round(float(worst_case("hopper.wgmma.k32.f32.e4m3.e4m3", 4096).relative), 3)
    0.699
    >>> round(float(worst_case("hopper.wgmma.k32.f32.e4m3.e4m3.promote128", 4096).relative), 4)
    0.0167
    """
    chosen = formats.accumulator(accumulator)
    if k < 1 or k % chosen.k:
        raise ValueError(f"K={k} must be a positive multiple of k={chosen.k} of {chosen.name}")
    relative, absolute = _errors(chosen.summation, k)
    flushes = isinstance(chosen.summation, PairwiseSteps) and chosen.summation.flushes
    limit = _limit(chosen.output)
    return WorstCase(relative=relative, absolute=absolute, limit=limit, flushes=flushes)


def overflow_k(accumulator: str | Accumulator, a: str | Format, b: str | Format) -> int:
    """The smallest K at which a sum of products of ``a`` and ``b`` can leave the range of the output.

    >>> overflow_k("int32.wrap", "int8", "int8")
    131072
    """
    chosen = formats.accumulator(accumulator)
    return int(_limit(chosen.output) / (_most(a) * _most(b))) + 1


def _most(fmt: str | Format) -> Fraction:
    spec = formats.get(fmt) if isinstance(fmt, str) else fmt
    if isinstance(spec, FloatSpec):
        return Fraction(largest(spec))
    return Fraction(max(-spec.minimum, spec.maximum), 1 << spec.fraction_bits)


def _limit(spec: Format) -> Fraction:
    return _most(spec) if isinstance(spec, FloatSpec) else Fraction(spec.maximum)


def _errors(summation: Summation, k: int) -> tuple[Fraction, Fraction]:
    """The relative and the absolute part."""
    match summation:
        case IntegerSum():
            return Fraction(0), Fraction(0)
        case FusedSteps():
            cut = Fraction(summation.products + 1, 2**summation.fraction_bits)
            least = max(summation.floor, summation.output.emin)
            rounding = _rounding(summation.output, summation.rounding, summation.kept_bits)
            return _steps(cut, least, rounding, k, summation)
        case JoinedSteps():
            return _steps(_joined_cut(summation), summation.output.emin, _nearest(summation.output), k, summation)
        case ExactSteps():
            return _steps(Fraction(0), 0, _nearest(summation.output), k, summation)
        case PairwiseSteps():
            return _pairwise_steps(summation, k)
        case HalvedSteps():
            return _added(summation.step, 2 * summation.step.products, summation.step.output, k)
        case PromotedSum():
            return _added(summation.inner, summation.every, output(summation), k)
        case _:
            return _rounded_sums(summation, k)


def _rounding(spec: FloatSpec, rounding: Rounding, bits: int) -> tuple[Fraction, Fraction]:
    """What one rounding loses at most: relative for normal results, absolute for subnormal ones."""
    share = Fraction(1, 2) if rounding in NEAREST else Fraction(1)
    return share / 2**bits, share * Fraction(2) ** (spec.emin - bits)


def _rounded_sums(summation: ExactSum | SequentialSum | PairwiseSum, k: int) -> tuple[Fraction, Fraction]:
    """A chain of roundings. Sums of numbers of the output format are never subnormal and inexact, products may be."""
    u, tiny = _rounding(summation.output, summation.rounding, summation.output.fraction_bits)
    match summation:
        case ExactSum():
            return u, tiny
        case SequentialSum():
            roundings = k
        case PairwiseSum():
            roundings = 1 + (k - 1).bit_length()
    return (1 + u) ** roundings - 1, k * tiny * (1 + u) ** (roundings - 1)


def _nearest(spec: FloatSpec) -> tuple[Fraction, Fraction]:
    return _rounding(spec, _RNE, spec.fraction_bits)


def _steps(
    cut: Fraction, least: int, rounding: tuple[Fraction, Fraction], k: int, rule: FusedSteps | JoinedSteps | ExactSteps
) -> tuple[Fraction, Fraction]:
    """Each step loses ``cut * 2^T`` and rounds, ``2^T`` at most the sum of magnitudes or ``2^least``.

    ``B[s + 1] = (1 + g) B[s] + g W + tiny`` from 0, solved.
    """
    u, tiny = rounding
    growth = (1 + cut) * (1 + u) - 1
    tiny += (1 + u) * cut * Fraction(2) ** least
    relative = (1 + growth) ** -(-k // rule.products) - 1
    return relative, tiny * relative / growth


def _joined_cut(rule: JoinedSteps) -> Fraction:
    """Of products and, if apart, of their two sums; of the whole sum; of c, or c itself."""
    unit = Fraction(1, 2**rule.fraction_bits)
    of_c = unit if rule.c_reach is None else max(unit, Fraction(1, 2**rule.c_reach))
    return (rule.products + 2 * rule.interleaved) * unit + Fraction(1, 2**rule.sum_bits) + of_c


def _pairwise_steps(rule: PairwiseSteps, k: int) -> tuple[Fraction, Fraction]:
    """A product, the levels of the tree, the steps; where it flushes, each of 2 n operations may lose a subnormal."""
    u, tiny = _nearest(rule.output)
    steps, depth = -(-k // rule.products), (rule.products - 1).bit_length()
    lost = rule.products * (tiny + 2 * rule.flushes * Fraction(2) ** rule.output.emin)
    return (1 + u) ** (1 + depth + steps) - 1, steps * lost * (1 + u) ** (depth + steps)


def _added(inner: Summation, every: int, spec: Format, k: int) -> tuple[Fraction, Fraction]:
    assert isinstance(spec, FloatSpec)
    relative, absolute = _errors(inner, min(every, k))
    parts = -(-k // every)
    more = (1 + _nearest(spec)[0]) ** (parts - 1)
    return (1 + relative) * more - 1, parts * absolute * more


def _up(x: Fraction) -> float:
    """The least float64 that is not known to lie below ``x``."""
    return float(np.nextafter(float(x), np.inf)) if x else 0.0
