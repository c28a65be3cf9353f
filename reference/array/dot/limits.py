"""What int64 words hold: accumulators and operands outside are refused, the judge takes them all."""

from __future__ import annotations

from formats import (
    Accumulator,
    FloatSpec,
    Format,
    FusedSteps,
    HalvedSteps,
    IntegerSum,
    IntSpec,
    Overflow,
    Rounding,
    SequentialSum,
    Summation,
)
from formats.matrix_cores import ExactSteps, JoinedSteps, PairwiseSteps
from formats.summation import unpromoted

_UNITS = FusedSteps | HalvedSteps | ExactSteps | PairwiseSteps | JoinedSteps
_EXPONENT = 4096  # the window of an exact sum and the exponent of zeros rest on a bound


def check_limits(rule: Accumulator, a: Format, b: Format) -> None:
    """``ValueError`` unless the accumulator takes such operands and its sums fit the words."""
    summation = unpromoted(rule.summation)
    _need_kind(rule.name, summation, (a, b))
    widths = _significand_bits(a), _significand_bits(b)
    match summation:
        case IntegerSum():
            _need(sum(widths) <= 43, rule, f"products of {sum(widths)} bits")
        case FusedSteps() | HalvedSteps():
            step = summation.step if isinstance(summation, HalvedSteps) else summation
            _need_step(rule, step, (11, 11) if isinstance(summation, HalvedSteps) else widths)
        case JoinedSteps():
            _need_joined(rule, summation, widths)
        case ExactSteps() | PairwiseSteps():
            _need_output(rule, summation.output, Rounding.NEAREST_TIES_TO_EVEN)
        case _:
            _need_output(rule, summation.output, summation.rounding, isinstance(summation, SequentialSum))
            _need(sum(widths) <= 58, rule, f"products of {sum(widths)} bits")
    for spec in (a, b, rule.output):
        inside = isinstance(spec, IntSpec) or (spec.emin > -_EXPONENT and spec.emax < _EXPONENT)
        _need(inside, rule, f"exponents of {spec.name}")


def _need_kind(name: str, rule: Summation, pair: tuple[Format, Format]) -> None:
    """Integer sums take plain integers, matrix units floats."""
    for spec in pair:
        plain = isinstance(spec, IntSpec) and spec.fraction_bits == 0
        if isinstance(rule, IntegerSum) and not plain:
            raise ValueError(f"{name} sums integers; {spec.name} is no plain integer format")
        if isinstance(rule, _UNITS) and isinstance(spec, IntSpec):
            raise ValueError(f"{name} sums floats; {spec.name} is an integer format")


def _need_step(rule: Accumulator, step: FusedSteps, widths: tuple[int, int]) -> None:
    """Terms of ``F + 2`` bits; before they are cut, ``F`` more than a product or ``c``."""
    f, out = step.fraction_bits, step.output
    _need(max(sum(widths), out.precision) + f <= 61, rule, f"products of {sum(widths)} bits with fraction_bits={f}")
    _need(f + 2 + step.products.bit_length() <= 61, rule, f"products={step.products} with fraction_bits={f}")
    _need(out.overflow is Overflow.INFINITY, rule, f"steps into {out.name}, which does not overflow to infinity,")
    _need(1 <= step.kept_bits <= out.fraction_bits, rule, f"kept_bits={step.kept_bits}")
    _need_output(rule, out, step.rounding)


def _need_joined(rule: Accumulator, step: JoinedSteps, widths: tuple[int, int]) -> None:
    """As for a fused step; sums are moved up by ``sum_bits`` before they are cut."""
    f, bits = step.fraction_bits, step.sum_bits
    _need(max(sum(widths), step.output.precision) + f <= 61, rule, f"products of {sum(widths)} bits, {f} kept,")
    _need(f <= bits and f + 2 + step.products.bit_length() + bits <= 62, rule, f"sum_bits={bits}")
    _need_output(rule, step.output, Rounding.NEAREST_TIES_TO_EVEN)


def _need_output(rule: Accumulator, spec: FloatSpec, rounding: Rounding, draws: bool = False) -> None:
    whole = spec.signed and spec.has_zero and spec.precision > 1 and spec.nan_code is not None
    _need(whole, rule, f"sums in {spec.name}, which lacks a sign, zero, NaN or fraction,")
    _need(draws or not rounding.is_stochastic, rule, f"sums with rounding={rounding.value!r}")


def _need(condition: bool, rule: Accumulator, what: str) -> None:
    if not condition:
        raise ValueError(f"{rule.name}: {what} lie outside what arrays hold; reference.exact.dot has no such limits")


def _significand_bits(spec: Format) -> int:
    return spec.bits if isinstance(spec, IntSpec) else spec.precision
