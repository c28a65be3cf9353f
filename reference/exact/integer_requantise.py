"""The judge of requantisers: their steps on exact rational numbers, each rounded by its definition."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from formats import Format, IntSpec, get
from formats.dyadic import DyadicPair
from formats.integer_only.requantiser import Requantiser
from formats.integer_only.requantisers import requantiser
from formats.integer_only.steps import AddOffset, Multiply, ShiftLeft, ShiftRight, ShiftRounding, Significant

_HALF = Fraction(1, 2)


def requantise(
    x: int,
    ratio: float,
    *,
    rule: str | Requantiser,
    fmt: str | Format,
    zero_point: int = 0,
    clamp: tuple[int, int] | None = None,
) -> int:
    """``clamp(rule(x) + zero_point)`` for one accumulator; definition: `formats.integer_only.Requantiser`.

    ``fmt``: a plain integer format; ``clamp`` is its range where None. Raises ``OverflowError`` where a number does
    not fit the width that its step has for it, ``TypeError`` where ``fmt`` is no integer format.

    >>> [requantise(x, 0.25, rule="tflite_double_rounding", fmt="int8") for x in (-138, -1, 1, 138)]
    [-35, 0, 1, 35]
    """
    spec, record = get(fmt), requantiser(rule)
    if not isinstance(spec, IntSpec):
        raise TypeError(f"requantisation is into integers; {spec.name} is a float format")
    low, high = clamp or (spec.minimum, spec.maximum)
    y = scaled(x, ratio, record, zero_point) + (0 if record.adds_offset else zero_point)
    return min(max(y, low), high)


def scaled(x: int, ratio: float, rule: Requantiser, zero_point: int = 0) -> int:
    """``rule(x)``: the steps alone.

    >>> scaled(-3, 0.5, requantiser("tvm_tonearest")), scaled(-3, 0.5, requantiser("tvm_upward"))
    (-2, -1)
    """
    fit(x, rule.accumulator_bits, f"{rule.name} takes accumulators of that width")
    b, c = multiplier(rule, ratio)
    left = max(_bits(rule) - c, 0) if any(isinstance(step, ShiftLeft) for step in rule.steps) else 0
    right = c + left - sum(step.bits or 0 for step in rule.steps if isinstance(step, ShiftRight))
    number: Any = x
    for step in rule.steps:
        match step:
            case AddOffset():
                number = fit(number + (nearest(Fraction(zero_point) * 2**c / b) if b else 0), step.width, rule.name)
            case Significant():
                number = significant(number, step.bits)
            case ShiftLeft():
                number = fit(number * 2**left, step.width, rule.name)
            case Multiply():
                number = fit(number * b, step.width, rule.name)
            case ShiftRight():
                number = _divided(number, right if step.bits is None else step.bits, step, rule.name)
    return number


def multiplier(rule: Requantiser, ratio: float) -> tuple[int, int]:
    """``b`` and ``c`` of ``b / 2^c``; those of lowest terms where the multiplier is a float."""
    found = rule.multiplier(ratio)
    if isinstance(found, DyadicPair):
        return found.multiplier, found.shift
    exact = Fraction(found)
    return exact.numerator, exact.denominator.bit_length() - 1


def _bits(rule: Requantiser) -> int:
    return 0 if rule.dyadic is None else rule.dyadic.multiplier_bits


def _divided(number: int, bits: int, step: ShiftRight, name: str) -> int:
    exact = Fraction(number) / Fraction(2) ** bits
    if step.sum_width is not None and bits > 0:
        half = 2 ** (bits - 1) - (number < 0 and step.rounding is ShiftRounding.HALF_AWAY)
        fit(number + half, step.sum_width, name)
    return fit(rounded(exact, step.rounding), step.width, name)


def rounded(number: Fraction, rounding: ShiftRounding) -> int:
    """The integer that a rounding makes of a number: see `formats.integer_only.steps.ShiftRounding`.

    >>> [rounded(Fraction(-5, 2), rounding) for rounding in ShiftRounding]
    [-2, -3, -2, -3]
    """
    match rounding:
        case ShiftRounding.HALF_UP:
            return nearest(number)
        case ShiftRounding.HALF_AWAY:
            return nearest(number) if number >= 0 else -nearest(-number)
        case ShiftRounding.HALF_EVEN:
            return round(number)
        case ShiftRounding.FLOOR:
            return number.__floor__()


def nearest(number: Fraction) -> int:
    """``floor(number + 1/2)``."""
    return (number + _HALF).__floor__()


def significant(number: int | Fraction, bits: int) -> Any:
    """The nearest number of so many significant bits, half to even: of an integer that is an integer.

    >>> significant(2**24 + 1, 24), significant(2**24 + 3, 24)
    (16777216, 16777220)
    """
    if not number:
        return number
    exponent, magnitude = 0, abs(Fraction(number))
    while magnitude >= 2**bits:
        magnitude, exponent = magnitude / 2, exponent + 1
    while magnitude < 2 ** (bits - 1):
        magnitude, exponent = magnitude * 2, exponent - 1
    found = round(magnitude) * Fraction(2) ** exponent * (1 if number > 0 else -1)
    return found.numerator if isinstance(number, int) else found


def fit(number: int, width: int | None, what: str) -> int:
    """``number``; ``OverflowError`` where two's complement of ``width`` bits does not hold it."""
    if width is not None and not -(2 ** (width - 1)) <= number < 2 ** (width - 1):
        raise OverflowError(f"{what}: {number} does not fit {width} bits")
    return number
