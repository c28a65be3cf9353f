"""Ternary storages on arrays, once for NumPy and jax.numpy: gather, digits, symbols, bytes."""

from __future__ import annotations

import math

import numpy as np

from formats.ternary.storage import ABSENT, TernaryStorage
from reference.array.carrier import Array, Namespace


def pack(elements: Array, storage: TernaryStorage, xp: Namespace) -> Array:
    """Bytes, shape ``(..., *grid, bytes_per_tile)``, of int8 elements; arguments are taken as checked."""
    held = np.array(storage.order)
    digits = xp.take(_tiles(elements, storage, xp), np.where(held == ABSENT, 0, held), axis=-1) + storage.offset
    digits = xp.where(held == ABSENT, 0, digits).astype(xp.uint16)
    symbols = _join(digits, storage.radix, storage.digits, storage)
    if storage.by_multiplying:
        top = storage.radix**storage.digits
        return ((symbols * 256 + (top - 1)) // top).astype(xp.uint8)
    return _join(symbols, 1 << storage.symbol_bits, 8 // storage.symbol_bits, storage).astype(xp.uint8)


def unpack(words: Array, storage: TernaryStorage, xp: Namespace) -> Array:
    """int8 elements of bytes ``(..., *grid, bytes_per_tile)``: the inverse of `pack`, and defined for every byte."""
    if storage.by_multiplying:
        powers = [storage.radix**n % 256 for n in range(storage.digits)]
        digits = [(((words * np.uint8(p)).astype(xp.uint16) * storage.radix) >> 8) for p in powers]
        flat = xp.stack(digits, axis=-1)
    else:
        symbols = _split(words, 1 << storage.symbol_bits, 8 // storage.symbol_bits, storage, xp)
        flat = _split(symbols, storage.radix, storage.digits, storage, xp)
    flat = flat.reshape(*words.shape[:-1], len(storage.order)).astype(xp.int8) - np.int8(storage.offset)
    return _untile(xp.take(flat, np.array(storage.places), axis=-1), storage, xp)


def _join(parts: Array, base: int, count: int, storage: TernaryStorage) -> Array:
    """Every ``count`` neighbours of the last axis as one number of ``base``."""
    parts = parts.reshape(*parts.shape[:-1], parts.shape[-1] // count, count)
    total = parts[..., 0] * _place(base, 0, count, storage)
    for j in range(1, count):
        total = total + parts[..., j] * _place(base, j, count, storage)
    return total


def _split(numbers: Array, base: int, count: int, storage: TernaryStorage, xp: Namespace) -> Array:
    """The inverse of `_join`, along a new last axis that is then merged with the last one."""
    parts = xp.stack([numbers // _place(base, j, count, storage) % base for j in range(count)], axis=-1)
    return parts.reshape(*numbers.shape[:-1], numbers.shape[-1] * count)


def _place(base: int, index: int, count: int, storage: TernaryStorage) -> int:
    return base ** (count - 1 - index if storage.first_high else index)


def _tiles(elements: Array, storage: TernaryStorage, xp: Namespace) -> Array:
    """``(..., *grid * tile)`` as ``(..., *grid, elements of a tile)``."""
    rank = len(storage.tile)
    outer, inner = elements.shape[: elements.ndim - rank], elements.shape[elements.ndim - rank :]
    split = [part for size, tile in zip(inner, storage.tile, strict=True) for part in (size // tile, tile)]
    axes = [
        *range(len(outer)),
        *(len(outer) + 2 * i for i in range(rank)),
        *(len(outer) + 2 * i + 1 for i in range(rank)),
    ]
    grid = [size // tile for size, tile in zip(inner, storage.tile, strict=True)]
    return xp.transpose(elements.reshape(*outer, *split), axes).reshape(*outer, *grid, math.prod(storage.tile))


def _untile(tiles: Array, storage: TernaryStorage, xp: Namespace) -> Array:
    rank = len(storage.tile)
    *outer, _ = tiles.shape
    outer, grid = outer[: len(outer) - rank], outer[len(outer) - rank :]
    split = tiles.reshape(*outer, *grid, *storage.tile)
    axes = [*range(len(outer)), *(len(outer) + i + rank * part for i in range(rank) for part in range(2))]
    whole = [count * tile for count, tile in zip(grid, storage.tile, strict=True)]
    return xp.transpose(split, axes).reshape(*outer, *whole)


def split_triples(trits: Array, xp: Namespace) -> tuple[Array, Array]:
    """Magnitude and sign bit of each three int8 trits."""
    triples = trits.reshape(*trits.shape[:-1], trits.shape[-1] // 3, 3)
    value = triples[..., 0] * np.int8(9) + triples[..., 1] * np.int8(3) + triples[..., 2]
    sign = (value < 0).astype(xp.int8)
    return ((value ^ -sign) + sign).astype(xp.uint8), sign.astype(xp.uint8)


def join_triples(magnitude: Array, sign: Array, xp: Namespace) -> Array:
    """int8 trits of int8 magnitudes and sign bits."""
    value = apply_sign(magnitude, -sign) + np.int8(13)
    trits = xp.stack([value // place % 3 for place in (9, 3, 1)], axis=-1) - np.int8(1)
    return trits.astype(xp.int8).reshape(*value.shape[:-1], 3 * value.shape[-1])


def apply_sign(magnitude: Array, mask: Array) -> Array:
    """TL2's sign: ``mask xor (mask + magnitude)``, with a mask of 0 or -1 (all ones) of the same dtype."""
    return mask ^ (mask + magnitude)
