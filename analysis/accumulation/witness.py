"""Operands that show that a bound is no exaggeration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import formats
from analysis.accumulation.operands import Operands, chosen_format
from formats import (
    Accumulator,
    ExactSum,
    FloatSpec,
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

Steps = FusedSteps | JoinedSteps | ExactSteps | PairwiseSteps


def witness(accumulator: str | Accumulator, k: int, *, a: str | None = None, b: str | None = None) -> Operands:
    """One sum of ``k`` products of which nearly as much is lost as the worst case allows (CDNA3: if k is one step).

    A large product ``2^T``, and behind it products so small that each is lost whole: in a fused step the largest below
    ``2^(T - F)``; in a rounding to nearest half a unit in the last place of ``2^T``, in others the largest below a
    unit. In a tree they stand where each joins ``2^T`` alone; a promoted sum has such a row in each part.
    ``a`` and ``b`` name the operands' formats where the accumulator takes any.

    Raises ``ValueError`` where the operands' products do not reach so far down that anything is lost, and for
    integers, which lose nothing.

    >>> x = witness("fma.f16", 3, a="float8_e4m3fn", b="float8_e4m3fn")
    >>> (x.a_values[0] * x.b_values[:, 0]).tolist()  # float16 holds 2048 and 2050
    [2048.0, 1.0, 1.0]
    """
    chosen = formats.accumulator(accumulator)
    a_format, b_format = chosen_format(chosen.a, a, chosen), chosen_format(chosen.b, b, chosen)
    if not (isinstance(a_format, FloatSpec) and isinstance(b_format, FloatSpec)):
        raise ValueError(f"{chosen.name}: sums of integers lose nothing below their range")
    products = _products(chosen.summation, k, _top(chosen, k, a_format, b_format), a_format.fraction_bits)
    factors = [_factors(product, a_format, b_format) for product in products]
    return Operands.of([[x for x, _ in factors]], [[y] for _, y in factors], a_format, b_format)


def _top(accumulator: Accumulator, k: int, a: FloatSpec, b: FloatSpec) -> int:
    """T, small enough that nothing overflows."""
    output = accumulator.output
    assert isinstance(output, FloatSpec)
    return min(a.emax + b.emax, output.emax - 2 - k.bit_length())


def _products(summation: Summation, k: int, top: int, digits: int) -> list[float]:
    """The products, in K order; those that are no power of two have all their ``digits`` set."""
    match summation:
        case IntegerSum():
            raise ValueError("sums of integers lose nothing below their range")
        case PromotedSum():
            return _repeated(summation.inner, summation.every, k, top, digits)
        case HalvedSteps():
            every = 2 * summation.step.products  # of which half comes first: one small product for both halves
            return _repeated(replace(summation.step, products=every), every, k, top, digits)
        case ExactSum() | SequentialSum() | PairwiseSum():
            small = _lost_in_rounding(summation.rounding, top - summation.output.fraction_bits, digits)
            places = _of_roundings(summation, k)
        case _:
            small, places = _of_steps(summation, k, top, digits)
    return [2.0**top] + [small if i in places else 0.0 for i in range(1, k)]


def _repeated(inner: Summation, every: int, k: int, top: int, digits: int) -> list[float]:
    return (_products(inner, min(k, every), top, digits) * -(-k // every))[:k]


def _of_steps(step: Steps, k: int, top: int, digits: int) -> tuple[float, range]:
    """All products where cutting them loses more than rounding the result does, else one in each step."""
    match step:
        case FusedSteps() if step.products << step.kept_bits <= 1 << step.fraction_bits:
            return _lost_in_rounding(step.rounding, top - step.kept_bits, digits), range(1, k, step.products)
        case FusedSteps() | JoinedSteps():
            return _below(top - step.fraction_bits, digits), range(1, k)
        case ExactSteps() | PairwiseSteps():
            unit = top - step.output.fraction_bits
            return _lost_in_rounding(Rounding.NEAREST_TIES_TO_EVEN, unit, digits), range(1, k, step.products)


def _of_roundings(summation: ExactSum | SequentialSum | PairwiseSum, k: int) -> Sequence[int]:
    match summation:
        case ExactSum():
            return (1,)
        case SequentialSum():
            return range(1, k)
        case PairwiseSum():
            return [1 << level for level in range((k - 1).bit_length())]


def _lost_in_rounding(rounding: Rounding, unit: int, digits: int) -> float:
    """What an even number with the unit in the last place ``2^unit`` loses of what is added to it."""
    return 2.0 ** (unit - 1) if rounding is Rounding.NEAREST_TIES_TO_EVEN else _below(unit, digits)


def _below(n: int, digits: int) -> float:
    """The largest number below ``2^n`` with so many fraction bits."""
    return (2 - 2.0**-digits) * 2.0 ** (n - 1)


def _factors(product: float, a: FloatSpec, b: FloatSpec) -> tuple[float, float]:
    """Two normal numbers with this product, or the second subnormal; it is a power of two."""
    if product == 0:
        return 0.0, 0.0
    significand, power = math.frexp(product)
    power -= 1
    low, high = max(b.emin - b.fraction_bits, power - a.emax), min(b.emax, power - a.emin)
    if low > high:
        raise ValueError(f"no product of {a.name} and {b.name} is as small as {product}: nothing is lost")
    second = min(max(power // 2, low), high)
    return math.ldexp(significand, power + 1 - second), 2.0**second
