"""Codes of 2 bits, sixteen in a word, of bfloat16 numbers and back: programs on words of two lanes (`element_lanes`).

Encoding
    An integer format of 2 bits has at most three numbers beside 0. A number ``n`` above 0 is reached from ``n - 1``
    where ``x`` is above ``n - 1/2``, or equal to it if ``n`` is even; below 0 the same is mirrored. So a code is that
    of 0 with the bits turned in which neighbours differ, for each number that ``x`` reaches. A comparison of two lanes
    gives ones in all 16 bits of a lane, so that a mask takes them wherever the code lies in its word: nothing is
    shifted. NaN reaches what the policy says: each comparison has a form that holds for NaN, and one that does not.

    Four words fill one: codes of lower lanes lie in its lower half, two bits of four, and those of higher lanes in its
    higher half, in the two bits between. Two such words are joined half by half.

Decoding
    A code is ``n + c`` for a constant ``c``, once its upper bit is turned where numbers below 0 would lie above the
    others. In the fraction of ``2^7`` it makes the number ``2^7 + 2^i (n + c)``, and a fused operation, every part of
    it exact, makes ``n`` of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from formats import Format, IntSpec
from formats.layouts.bits import BitLayout, Layout
from kernels_ref.hopper import element_nearest
from kernels_ref.hopper.element_lanes import Lanes
from kernels_ref.hopper.element_pairs import BIAS, BOTH, FRACTION_BITS
from kernels_ref.hopper.element_words import Program
from reference.array.conversion import Conversion, nan_code

_BITS, _CODE = 2, 3
#: a bit of a lower lane's code, and that of the higher lane's, which comes next; a bit of sixteen codes
_LANES, _ALL = 0x00040001, 0x55555555
#: bytes of two words: the lower halves, and the higher ones
_LOW, _HIGH = 0x5410, 0x7632


class Reach(NamedTuple):
    """How a number is reached from its neighbour on the side of 0: a comparison with a bfloat16 pattern."""

    test: str
    border: int
    #: bits in which the codes of both differ
    flips: int


def is_short(request: Conversion) -> bool:
    """Whether `encoder` has a program for a request: ties to even into integers of 2 bits, saturating."""
    spec = request.spec
    return isinstance(spec, IntSpec) and spec.bits == _BITS and element_nearest.is_short(request)


def encoder(request: Conversion, layout: Layout | BitLayout) -> Program:
    """bfloat16 numbers to codes of 2 bits, packed from the lowest bit on; for requests that are `is_short`."""
    reached = tuple(reaches(request, layout.offset))

    def steps(lanes: Lanes, words: list[Any], _: list[Any]) -> list[Any]:
        first, second = (_codes(lanes, words[i : i + 4], reached) for i in (0, 4))
        turned = lanes.differ(lanes.picked(first, second, _LOW), lanes.picked(first, second, _HIGH))
        return [lanes.differ(turned, lanes.word(layout.offset * _ALL))]

    return Program(steps, 8, 1)


def reaches(request: Conversion, offset: int) -> Iterator[Reach]:
    """The numbers of a format beside 0, from 0 on, with ``offset`` added to each code."""
    spec = request.spec
    assert isinstance(spec, IntSpec)
    missing = next(n for n in range(spec.minimum, spec.maximum + 1) if n & _CODE == nan_code(request))
    for n in (*range(1, spec.maximum + 1), *range(-1, spec.minimum - 1, -1)):
        side = 1 if n > 0 else -1
        test = ("lt", "le", "gt", "ge")[2 * (n > 0) + (n % 2 == 0)]
        border = math.ldexp(n - side / 2, -spec.fraction_bits)
        yield Reach(
            test=test + "u" * (abs(n) <= side * missing),
            border=_pattern(border),
            flips=(n + offset ^ n - side + offset) & _CODE,
        )


def _codes(lanes: Lanes, words: list[Any], reached: tuple[Reach, ...]) -> Any:
    """Codes of four words, as far as they differ from that of 0."""
    parts = [
        lanes.both(lanes.compared(each.test, word, lanes.word(each.border * BOTH)), lanes.word(mask * each.flips))
        for word, mask in zip(words, (_LANES << 4 * i for i in range(4)), strict=True)
        for each in reached
    ]
    differ: Callable[[Any, Any], Any] = lanes.differ
    return reduce(differ, parts)


def is_decodable(spec: Format, layout: Layout | BitLayout) -> bool:
    """Whether `decoder` has a program for the packed codes of a format."""
    if not isinstance(spec, IntSpec) or spec.bits != _BITS or not spec.has_zero:
        return False
    return abs(spec.fraction_bits) < BIAS // 2 and _risen(spec, layout.offset) is not None


def decoder(spec: Format, layout: Layout | BitLayout) -> Program:
    """Codes of 2 bits, packed from the lowest bit on, to bfloat16 numbers; where they are `is_decodable`."""
    assert isinstance(spec, IntSpec)
    risen = _risen(spec, layout.offset)
    assert risen is not None
    turned, above = risen

    def steps(lanes: Lanes, words: list[Any], _: list[Any]) -> list[Any]:
        even = lanes.differ(words[0], lanes.word(turned * _ALL))
        odd = lanes.down(even, _BITS)
        halves = [lanes.picked(even, odd, selector) for selector in (_LOW, _HIGH)]
        fours = [four for half in halves for four in (half, lanes.down(half, 8))]
        return [_numbers(lanes, four, left, above, spec.fraction_bits) for four in fours for left in (0, 4)]

    return Program(steps, 1, 8)


def _risen(spec: IntSpec, offset: int) -> tuple[int, int] | None:
    """Bits to turn in stored codes, which makes them the numbers plus a constant, and that; None if none do."""
    for turned in (0, 2):
        above = {((n + offset) & _CODE ^ turned) - n for n in range(spec.minimum, spec.maximum + 1)}
        if len(above) == 1:
            return turned, above.pop()
    return None


def _numbers(lanes: Lanes, codes: Any, left: int, above: int, fraction_bits: int) -> Any:
    """Numbers of what lies ``left`` bits up in both lanes, whatever is beside it: they plus ``above``."""
    lifted = lanes.chosen(lanes.word((_CODE << left) * BOTH), codes, lanes.word(_pattern(1 << FRACTION_BITS) * BOTH))
    scale = _pattern(math.ldexp(1, -left - fraction_bits))
    less = _pattern(-math.ldexp((1 << FRACTION_BITS - left) + above, -fraction_bits))
    return lanes.fma_bfloat16(lifted, lanes.word(scale * BOTH), lanes.word(less * BOTH))


def _pattern(number: float) -> int:
    """Of a number that is one of bfloat16."""
    return int(np.float32(number).view(np.uint32)) >> 16
