"""Records that are wrong in one field: a comparison that can fail finds them all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import formats
from formats import Accumulator, FloatSpec, Rounding, Saturation
from formats.summation import FusedSteps, HalvedSteps, IntegerSum, Summation

#: where a wrong floor shows
LOW_FAMILIES = ("subnormal ties", "underflow", "ties", "subnormals")


def controls(name: str) -> dict[str, Accumulator]:
    """Each wrong record that some operands can tell from the right one, by what is wrong."""
    right = formats.accumulator(name)
    return {what: replace(right, summation=summation) for what, summation in _wrong(right)}


def families(what: str) -> tuple[str, ...] | None:
    return LOW_FAMILIES if "floor" in what else None


def _wrong(right: Accumulator) -> Iterator[tuple[str, Summation]]:
    match right.summation:
        case FusedSteps() as step:
            yield from _wrong_steps(step, right)
        case HalvedSteps(step=step):
            for what, wrong in _wrong_steps(step, right):
                yield what, HalvedSteps(step=wrong)
            yield "two steps in K order, c first", step
            yield "one step", replace(step, products=2 * step.products)
        case IntegerSum(saturation=saturation) as integers:
            other = Saturation.WRAP if saturation is Saturation.SAT_FINITE else Saturation.SAT_FINITE
            yield f"{other.value} instead of {saturation.value}", replace(integers, saturation=other)
        case other:
            raise TypeError(f"{right.name}: no wrong records of a {type(other).__name__}")


def _wrong_steps(step: FusedSteps, right: Accumulator) -> Iterator[tuple[str, FusedSteps]]:
    for change in (-1, 1):
        yield f"fraction bits {change:+d}", replace(step, fraction_bits=step.fraction_bits + change)
        if _floor_shows(step, step.floor + max(change, 0), right):
            yield f"floor {change:+d}", replace(step, floor=step.floor + change)
    yield "kept bits -1", replace(step, kept_bits=step.kept_bits - 1)
    if step.kept_bits < step.output.fraction_bits:
        yield "kept bits +1", replace(step, kept_bits=step.kept_bits + 1)
    nearest = step.rounding is Rounding.NEAREST_TIES_TO_EVEN
    other = Rounding.TOWARD_ZERO if nearest else Rounding.NEAREST_TIES_TO_EVEN
    yield f"{other.value} instead of {step.rounding.value}", replace(step, rounding=other)


def _floor_shows(step: FusedSteps, floor: int, right: Accumulator) -> bool:
    """Whether products lie below the floor, and have bits below the place where it cuts."""
    a, b = right.a, right.b
    assert isinstance(a, FloatSpec)
    assert isinstance(b, FloatSpec)
    least = a.emin + b.emin
    return least < floor and least - a.fraction_bits - b.fraction_bits < floor - step.fraction_bits
