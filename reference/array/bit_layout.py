"""Bit layouts by transposition, once for NumPy and jax.numpy.

A tile is a row of *elements* that are put in their order and then written one after the other. Where the bits of a
code stay together an element is a code; else it is a single bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from formats.layouts.bits import BitLayout
from reference.array.carrier import Array, Namespace
from reference.array.rewrite import Apart, ones, rewrite


@dataclass(frozen=True, slots=True)
class Plan:
    """How the elements of a tile are put in order."""

    #: bits of an element
    width: int
    sizes: tuple[int, ...]
    order: tuple[int, ...]
    backwards: tuple[int, ...]
    #: the words of a tile come in falling order
    falling: bool
    #: the row of ordered elements is written from the highest bits down; then nothing is left to turn round
    high_first: bool


def plan(layout: BitLayout, *, bitwise: bool = False) -> Plan:
    """By whole codes where the layout keeps their bits together in order, else by single bits, or if ``bitwise``."""
    count = len(layout.sizes)
    bits = tuple(range(count - len(layout.groups[-1]), count))
    whole = layout.permutation[count - len(bits) :] == bits and not set(bits) & set(layout.backwards)
    if bitwise or not whole:
        return Plan(1, layout.sizes, layout.permutation, layout.backwards, layout.big_endian, False)
    count -= len(bits)
    turned = layout.backwards == tuple(range(count)) and (layout.big_endian or prod(layout.words) == 1)
    backwards, falling = ((), False) if turned else (layout.backwards, layout.big_endian)
    return Plan(layout.code_bits, layout.sizes[:count], layout.permutation[:count], backwards, falling, turned)


def pack(codes: Array, layout: BitLayout, how: Plan, xp: Namespace, apart: Apart) -> Array:
    """Words of unsigned codes; arguments are taken as checked."""
    stored = (codes + layout.offset) & ones(layout.code_bits, xp) if layout.offset else codes
    tiles = _tiled(stored, layout.tile)
    cells = tiles.shape[: len(codes.shape)]
    elements = rewrite(tiles.reshape(-1), layout.code_bits, how.width, xp, apart)
    axes = range(len(cells))
    ordered = elements.reshape(*cells, *how.sizes).transpose(*axes, *(len(cells) + axis for axis in how.order))
    ordered = xp.flip(ordered, [len(cells) + axis for axis in how.backwards])
    row = rewrite(ordered.reshape(-1), how.width, layout.word_bits, xp, apart, high_first=how.high_first)
    words = row.reshape(*cells, prod(layout.words))
    words = xp.flip(words, -1) if how.falling else words
    return _untiled(words.reshape(*cells, *layout.words), len(cells))


def unpack(words: Array, layout: BitLayout, how: Plan, xp: Namespace, apart: Apart) -> Array:
    """Unsigned codes of unsigned words: the inverse of `pack`."""
    tiles = _tiled(words, layout.words)
    cells = tiles.shape[: len(words.shape)]
    row = tiles.reshape(*cells, prod(layout.words))
    row = xp.flip(row, -1) if how.falling else row
    elements = rewrite(row.reshape(-1), layout.word_bits, how.width, xp, apart, high_first=how.high_first)
    ordered = elements.reshape(*cells, *(how.sizes[axis] for axis in how.order))
    ordered = xp.flip(ordered, [len(cells) + axis for axis in how.backwards])
    back = sorted(range(len(how.order)), key=how.order.__getitem__)
    elements = ordered.transpose(*range(len(cells)), *(len(cells) + axis for axis in back))
    codes = rewrite(elements.reshape(-1), how.width, layout.code_bits, xp, apart)
    codes = _untiled(codes.reshape(*cells, *layout.tile), len(cells))
    return (codes - layout.offset) & ones(layout.code_bits, xp) if layout.offset else codes


def _tiled(array: Array, tile: Sequence[int]) -> Array:
    """``(..., g * t, h * s)`` as ``(..., g, h, t, s)``."""
    outer, rank = len(array.shape) - len(tile), len(tile)
    pairs = [(n // t, t) for n, t in zip(array.shape[outer:], tile, strict=True)]
    split = array.reshape(*array.shape[:outer], *(size for pair in pairs for size in pair))
    return split.transpose(*range(outer), *range(outer, outer + 2 * rank, 2), *range(outer + 1, outer + 2 * rank, 2))


def _untiled(tiles: Array, cells: int) -> Array:
    """The inverse of `_tiled`; the first ``cells`` axes count the tiles."""
    rank = len(tiles.shape) - cells
    outer = cells - rank
    woven = [axis for i in range(outer, cells) for axis in (i, i + rank)]
    joined = [n * t for n, t in zip(tiles.shape[outer:cells], tiles.shape[cells:], strict=True)]
    return tiles.transpose(*range(outer), *woven).reshape(*tiles.shape[:outer], *joined)
