"""Codes of 2 bits of bfloat16 numbers, sixteen in a word: a program on words of two lanes (`element_lanes`).

An integer format of 2 bits has at most three numbers beside 0. A number ``n`` above 0 is reached from ``n - 1`` where
``x`` is above ``n - 1/2``, or equal to it if ``n`` is even; below 0 the same is mirrored. So a code is that of 0 with
the bits turned in which neighbours differ, for each number that ``x`` reaches. A comparison of two lanes gives ones in
all 16 bits of a lane, so that a mask takes them wherever the code lies in its word: nothing is shifted. NaN reaches
what the policy says: each comparison has a form that holds for NaN, and one that does not.

Four words fill one: codes of lower lanes lie in its lower half, two bits of four, and those of higher lanes in its
higher half, in the two bits between. Two such words are joined half by half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from formats import IntSpec
from formats.layouts.bits import BitLayout, Layout
from kernels_ref.hopper import element_nearest
from kernels_ref.hopper.element_lanes import Lanes
from kernels_ref.hopper.element_pairs import BOTH
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
        border = np.float32(np.ldexp(n - side / 2, -spec.fraction_bits)).view(np.uint32)
        yield Reach(
            test=test + "u" * (abs(n) <= side * missing),
            border=int(border) >> 16,
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
