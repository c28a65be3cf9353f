"""Which scale a rule picks, exactly: where in a binade of the largest magnitude the choice changes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import formats
from formats.block_formats.rule import BlockRule
from formats.block_formats.spec import BlockSpec
from reference.exact.block import emax, quantize_block

#: the binade that is looked at, [8, 16): the first power of two that a binary32 logarithm reaches early ends it
BINADE = 3
_FRACTION_BITS = 23


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The significands ``[start, stop)`` of the largest magnitude for which a rule picks one scale.

    ``headroom`` says which: the largest magnitude, without its significand, over the scale, is ``2^(emax +
    headroom)``, so that 0 is OCP's choice and -1 a scale twice as large.
    """

    start: Fraction
    stop: Fraction
    headroom: int


def intervals(spec: BlockSpec, rule: BlockRule) -> tuple[Interval, ...]:
    """The choices of a rule over one binade of binary32 numbers, by the judge and bisection, exactly.

    ``spec`` has E8M0 scales alone. The scale must not fall as the magnitude grows, which is so for every rule that
    rounds. Raises ``ValueError`` for other scales.

    >>> from formats.block_formats.rules import block_rule
    >>> from formats.block_formats.named import block
    >>> [(str(each.start), each.headroom) for each in intervals(block("mxfp4"), block_rule("even"))]
    [('1', 0), ('7/4', -1)]
    """
    if spec.scale.format != formats.get("e8m0") or spec.scale.second is not None:
        raise ValueError(f"{spec.name} has scales other than E8M0 alone; the choice among those is no exponent")
    first, last = 0, (1 << _FRACTION_BITS) - 1
    top = _headroom(last, spec, rule)
    found: list[Interval] = []
    while first <= last:
        here = _headroom(first, spec, rule)
        stop = last + 1 if here == top else _first_below(here, first, last, spec, rule)
        found.append(Interval(start=_significand(first), stop=_significand(stop), headroom=here))
        first = stop
    return tuple(found)


def agreement(first: tuple[Interval, ...], second: tuple[Interval, ...]) -> Fraction:
    """The part of the binade, by length, for which two rules pick the same scale.

    >>> from formats.block_formats.rules import block_rule
    >>> from formats.block_formats.named import block
    >>> pair = [intervals(block("mxfp4"), block_rule(name)) for name in ("floor", "even")]
    >>> str(agreement(*pair))
    '3/4'
    """
    same = ((a, b) for a in first for b in second if a.headroom == b.headroom)
    return sum((max(Fraction(0), min(a.stop, b.stop) - max(a.start, b.start)) for a, b in same), Fraction(0))


def _first_below(headroom: int, low: int, high: int, spec: BlockSpec, rule: BlockRule) -> int:
    """The first fraction in ``(low, high]`` whose headroom is below the one at ``low``."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _headroom(middle, spec, rule) >= headroom else (low, middle)
    return high


def _headroom(fraction: int, spec: BlockSpec, rule: BlockRule) -> int:
    magnitude = _significand(fraction) * 2**BINADE
    scale = quantize_block([magnitude], spec, rule).scale
    return BINADE - (scale - 127) - emax(spec.element)


def _significand(fraction: int) -> Fraction:
    return 1 + Fraction(fraction, 1 << _FRACTION_BITS)
