"""What each step of a requantiser makes of an accumulator, how many bits it needs, and which accumulators fit.

Every step is monotone, so the ends of an interval of accumulators decide for all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from formats.dyadic import DyadicPair
from formats.integer_only.requantiser import Requantiser
from formats.integer_only.steps import AddOffset, Multiply, ShiftLeft, ShiftRight, ShiftRounding, Significant, Step


@dataclass(frozen=True, slots=True)
class Intermediate:
    """A number that a step makes, and the width that it must fit, in bits; None where there is none."""

    what: str
    number: int
    width: int | None

    @property
    def bits(self) -> int:
        """How many bits two's complement takes for it."""
        return (self.number if self.number >= 0 else ~self.number).bit_length() + 1

    @property
    def fits(self) -> bool:
        """Whether it fits."""
        return self.width is None or self.bits <= self.width


def intermediates(rule: Requantiser, ratio: float, x: int, *, zero_point: int = 0) -> list[Intermediate]:
    """What the steps make of one accumulator, in their order; for a dividend, the sum with its half as well.

    >>> from formats.integer_only.requantisers import requantiser
    >>> for found in intermediates(requantiser("tflite_double_rounding"), 0.25, -138):
    ...     print(found.what, found.number, found.bits, found.width)
    left shift -138 9 32
    product -148176371712 39 64
    half added -147102629888 39 64
    shift right -69 8 32
    shift right -35 7 32
    """
    b, c = terms(rule.multiplier(ratio))
    offset = rule.offset(b, c, zero_point)
    found: list[Intermediate] = []
    for step, amount in zip(rule.steps, rule.amounts(c), strict=True):
        found += _made(step, amount, x, b, offset)
        x = found[-1].number
    return found


def terms(multiplier: DyadicPair | float) -> tuple[int, int]:
    """``b`` and ``c`` of the multiplier, ``b / 2^c``; a float has those of its lowest terms.

    >>> terms(0.75), terms(DyadicPair(multiplier=6, shift=3))
    ((3, 2), (6, 3))
    """
    if isinstance(multiplier, DyadicPair):
        return multiplier.multiplier, multiplier.shift
    numerator, denominator = multiplier.as_integer_ratio()
    return numerator, denominator.bit_length() - 1


@lru_cache(maxsize=1 << 16)
def accumulators(rule: Requantiser, ratio: float, zero_point: int = 0) -> tuple[int, int]:
    """The least and the greatest accumulator for which every step fits its width: all between them do, too.

    >>> from formats.integer_only.requantisers import requantiser
    >>> accumulators(requantiser("tflite_double_rounding"), 0.25)
    (-2147483648, 2147483647)
    >>> accumulators(requantiser("tflite_double_rounding"), 3.0)
    (-536870912, 536870911)
    """
    return interval(rule, ratio, lambda found: all(number.fits for number in found), zero_point)


def interval(
    rule: Requantiser, ratio: float, accept: Callable[[list[Intermediate]], bool], zero_point: int = 0
) -> tuple[int, int]:
    """The least and the greatest accumulator whose intermediates are accepted: by bounds that grow with magnitude.

    >>> from formats.integer_only.requantisers import requantiser
    >>> interval(requantiser("hawq_v3_pytorch"), 0.5, lambda found: -128 <= found[-1].number <= 127)
    (-257, 254)
    """
    half = 1 << (rule.accumulator_bits - 1)
    centre = -rule.offset(*terms(rule.multiplier(ratio)), zero_point)

    def accepted(x: int) -> bool:
        return accept(intermediates(rule, ratio, x, zero_point=zero_point))

    return _last(accepted, centre, -half), _last(accepted, centre, half - 1)


def widest(rule: Requantiser, ratio: float, low: int, high: int) -> int:
    """The bits of the widest integer for accumulators of ``low`` to ``high``; what a float holds is none.

    >>> from formats.integer_only.requantisers import requantiser
    >>> widest(requantiser("tflite_single_rounding"), 0.0072, -(1 << 20), 1 << 20)
    52
    """
    ends = [found for x in (low, high) for found in intermediates(rule, ratio, x)]
    return max(found.bits for found in ends if found.width is not None or found.what == "shift right")


def _last(fits: Callable[[int], bool], inside: int, end: int) -> int:
    """The number that fits and is nearest to ``end``, between ``inside``, which fits, and ``end``."""
    if fits(end):
        return end
    while abs(end - inside) > 1:
        middle = (inside + end) // 2
        inside, end = (middle, end) if fits(middle) else (inside, middle)
    return inside


def _made(step: Step, amount: int, x: int, b: int, offset: int) -> list[Intermediate]:
    match step:
        case AddOffset():
            return [Intermediate("offset added", x + offset, step.width)]
        case Significant():
            return [Intermediate(f"{step.bits} significant bits", _significant(x, step.bits), None)]
        case ShiftLeft():
            return [Intermediate("left shift", x << amount, step.width)]
        case Multiply():
            return [Intermediate("product", x * b, step.width)]
        case ShiftRight():
            half = (
                []
                if step.sum_width is None
                else [Intermediate("half added", x + _half(step, amount, x), step.sum_width)]
            )
            return [*half, Intermediate("shift right", _shifted(step, amount, x), step.width)]


def _half(step: ShiftRight, amount: int, x: int) -> int:
    if not amount:
        return 0
    return (1 << (amount - 1)) - (x < 0 and step.rounding is ShiftRounding.HALF_AWAY)


def _shifted(step: ShiftRight, amount: int, x: int) -> int:
    if amount <= 0:
        return x << -amount
    match step.rounding:
        case ShiftRounding.FLOOR:
            return x >> amount
        case ShiftRounding.HALF_EVEN:
            odd = (x >> amount) & 1
            return (x + (1 << (amount - 1)) - 1 + odd) >> amount
        case ShiftRounding.HALF_UP | ShiftRounding.HALF_AWAY:
            return (x + _half(step, amount, x)) >> amount


def _significant(x: int, bits: int) -> int:
    drop = max(abs(x).bit_length() - bits, 0)
    magnitude = abs(x)
    if drop:
        odd = (magnitude >> drop) & 1
        magnitude = (magnitude + (1 << (drop - 1)) - 1 + odd) >> drop << drop
    return magnitude if x >= 0 else -magnitude
