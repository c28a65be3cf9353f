"""The judge of bit layouts: each bit of each code goes to its place, one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

from formats.layouts.bits import BitLayout


def pack(codes: Sequence[int], shape: Sequence[int], layout: BitLayout) -> list[int]:
    """The words of codes, both in row-major order; ``shape`` is that of the codes."""
    words = [0] * (prod(shape) * layout.code_bits // layout.word_bits)
    for code, bit, word, place in _moves(shape, layout):
        stored = (codes[code] + layout.offset) % 2**layout.code_bits
        words[word] += stored // 2**bit % 2 * 2**place
    return words


def unpack(words: Sequence[int], shape: Sequence[int], layout: BitLayout) -> list[int]:
    """The codes of words: the inverse of `pack`; ``shape`` is that of the codes."""
    stored = [0] * prod(shape)
    for code, bit, word, place in _moves(shape, layout):
        stored[code] += words[word] // 2**place % 2 * 2**bit
    return [(code - layout.offset) % 2**layout.code_bits for code in stored]


def _moves(shape: Sequence[int], layout: BitLayout) -> Iterator[tuple[int, int, int, int]]:
    """For every bit: its code, its place in the code, its word, and its place in the word."""
    outer = tuple(shape[: len(shape) - len(layout.tile)])
    grid = tuple(n // t for n, t in zip(shape[len(outer) :], layout.tile, strict=True))
    codes, words = (*outer, *_times(grid, layout.tile)), (*outer, *_times(grid, layout.words))
    first = (0,) * len(outer)
    within: list[tuple[int, int, int, int]] = []
    for source in range(prod(layout.tile) * layout.code_bits):
        code, bit = divmod(source, layout.code_bits)
        word, place = _target(source, layout)
        here, there = (*first, *_coordinates(code, layout.tile)), (*first, *_coordinates(word, layout.words))
        within.append((_number(here, codes), bit, _number(there, words), place))
    for batch in product(*map(range, outer)):
        for cell in product(*map(range, grid)):
            here = _number((*batch, *_times(cell, layout.tile)), codes)
            there = _number((*batch, *_times(cell, layout.words)), words)
            for code, bit, word, place in within:
                yield here + code, bit, there + word, place


def _target(source: int, layout: BitLayout) -> tuple[int, int]:
    """The word of a tile, and the bit in it, that a bit of the tile's codes becomes."""
    names = [axis[0] for axis in layout.axes.split()]
    sizes = {axis[0]: int(axis[1:]) for axis in layout.axes.split()}
    at = dict(zip(names, _coordinates(source, [sizes[name] for name in names]), strict=True))
    number = 0
    for axis in layout.order.split():
        name = axis[-1]
        number = number * sizes[name] + (sizes[name] - 1 - at[name] if axis[0] == "~" else at[name])
    word, place = divmod(number, layout.word_bits)
    return (prod(layout.words) - 1 - word if layout.big_endian else word), place


def _times(cell: Sequence[int], tile: Sequence[int]) -> tuple[int, ...]:
    return tuple(c * t for c, t in zip(cell, tile, strict=True))


def _coordinates(number: int, sizes: Sequence[int]) -> list[int]:
    found: list[int] = []
    for size in reversed(sizes):
        number, rest = divmod(number, size)
        found.insert(0, rest)
    return found


def _number(coordinates: Sequence[int], sizes: Sequence[int]) -> int:
    number = 0
    for at, size in zip(coordinates, sizes, strict=True):
        number = number * size + at
    return number
