"""Bit layouts by transposition, once for NumPy and jax.numpy.

A tile is a row of *elements* that are put in their order and then written one after the other, the first in the
lowest bits. Where the bits of a code stay together an element is a code; else it is a single bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import lcm, prod

from formats.bit_layout import BitLayout
from reference.array.carrier import Array, Namespace


def unsigned(bits: int, xp: Namespace) -> type:
    """The narrowest unsigned integers that hold ``bits`` bits."""
    return next(getattr(xp, f"uint{size}") for size in (8, 16, 32, 64) if bits <= size)


def ones(bits: int, xp: Namespace) -> Array:
    """The largest number of ``bits`` bits, as the narrowest unsigned scalar."""
    return unsigned(bits, xp)((1 << bits) - 1)


def keeps_codes_whole(layout: BitLayout) -> bool:
    """Whether the bits of a code stay together and in their order."""
    count = len(layout.sizes)
    bits = tuple(range(count - len(layout.groups[-1]), count))
    return layout.permutation[count - len(bits) :] == bits and not set(bits) & set(layout.backwards)


def pack(codes: Array, layout: BitLayout, xp: Namespace, *, bitwise: bool) -> Array:
    """Words of unsigned codes, by single bits or by whole codes; arguments are taken as checked."""
    if layout.offset:
        codes = (codes + layout.offset) & ones(layout.code_bits, xp)
    tiles = _tiled(codes, layout.tile)
    cells = tiles.shape[: len(codes.shape)]
    if bitwise:
        tiles = rewrite(tiles[..., None], layout.code_bits, 1, xp)
    sizes, order, backwards = _elements(layout, bitwise)
    ordered = tiles.reshape(*cells, *sizes).transpose(*range(len(cells)), *(len(cells) + axis for axis in order))
    ordered = xp.flip(ordered, [len(cells) + axis for axis in backwards])
    words = rewrite(ordered.reshape(*cells, prod(sizes)), 1 if bitwise else layout.code_bits, layout.word_bits, xp)
    words = xp.flip(words, -1) if layout.big_endian else words
    return _untiled(words.reshape(*cells, *layout.words), len(cells))


def unpack(words: Array, layout: BitLayout, xp: Namespace, *, bitwise: bool) -> Array:
    """Unsigned codes of unsigned words: the inverse of `pack`."""
    tiles = _tiled(words, layout.words)
    cells = tiles.shape[: len(words.shape)]
    row = tiles.reshape(*cells, prod(layout.words))
    row = xp.flip(row, -1) if layout.big_endian else row
    sizes, order, backwards = _elements(layout, bitwise)
    ordered = rewrite(row, layout.word_bits, 1 if bitwise else layout.code_bits, xp)
    ordered = xp.flip(ordered.reshape(*cells, *(sizes[axis] for axis in order)), [len(cells) + b for b in backwards])
    back = sorted(range(len(order)), key=order.__getitem__)
    tiles = ordered.transpose(*range(len(cells)), *(len(cells) + axis for axis in back))
    if bitwise:
        tiles = rewrite(tiles.reshape(*cells, prod(sizes)), 1, layout.code_bits, xp)
    codes = _untiled(tiles.reshape(*cells, *layout.tile), len(cells))
    return (codes - layout.offset) & ones(layout.code_bits, xp) if layout.offset else codes


def rewrite(numbers: Array, width: int, to: int, xp: Namespace) -> Array:
    """A row (the last axis) of numbers of ``width`` bits as numbers of ``to`` bits, the first in the lowest bits.

    As many as fill whole numbers of both widths are rewritten at a time.
    """
    bits = lcm(width, to)
    *outer, length = numbers.shape
    count = length * width // bits
    rows = numbers.astype(unsigned(max(width, to), xp)).reshape(*outer, count, bits // width)
    written: list[Array] = []
    for low in range(0, bits, to):
        ups = [(i, i * width - low) for i in range(bits // width) if -width < i * width - low < to]
        parts = [rows[..., i] << up if up >= 0 else rows[..., i] >> -up for i, up in ups]
        written.append(reduce(lambda a, b: a | b, parts).astype(unsigned(to, xp)) & ones(to, xp))
    return xp.stack(written, axis=-1).reshape(*outer, count * (bits // to))


def _elements(layout: BitLayout, bitwise: bool) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """Sizes, order and backward axes of the elements: all axes for single bits, else those of whole codes."""
    count = len(layout.sizes) - (0 if bitwise else len(layout.groups[-1]))
    return layout.sizes[:count], layout.permutation[:count], layout.backwards


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
