"""Tensors laid out for the kernels: blocks of neighbours, side by side, in chunks of one shape."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.tensors import Tensor
from reference.quantize import Extent, Granularity
from reference.quantize.granularity import channels

_BLOCK = 32
_MOST_BLOCKS = 16384  # of a chunk: two MiB of float32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocks:
    """All tensors as blocks. A block lies within a channel; padding occurs 0 times.

    ``x``, ``count``: ``[chunks, elements, blocks]``, where all of ``count`` may be one array of ones for each chunk
    without padding; ``low``, ``high``: range of each block; ``first``: index of the first block of each tensor.
    """

    x: NDArray[Any]
    count: list[NDArray[Any]]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    first: NDArray[np.int64]
    #: (channels, blocks of each) of every tensor
    channels: tuple[tuple[int, int], ...]

    def starts(self, granularity: Granularity) -> NDArray[np.int64]:
        """Index of the first block of every group, in order."""
        if granularity.extent is Extent.TENSOR:
            return self.first
        step = granularity.size // self.x.shape[1] or None
        parts = [
            first + np.add.outer(np.arange(rows) * blocks, np.arange(0, blocks, step or blocks)).reshape(-1)
            for first, (rows, blocks) in zip(self.first.tolist(), self.channels, strict=True)
        ]
        return np.concatenate(parts)

    def chunks(self) -> Iterator[tuple[slice, NDArray[Any], NDArray[Any]]]:
        """Which blocks a chunk holds, its elements and their counts."""
        width = self.x.shape[2]
        for i, count in enumerate(self.count):
            yield slice(i * width, (i + 1) * width), self.x[i], count


def block_size(granularity: Granularity) -> int:
    """Elements of a block: 32, or the largest power of two below it that divides the group."""
    return math.gcd(_BLOCK, granularity.size) if granularity.extent is Extent.GROUP else _BLOCK


def lay_out(tensors: Sequence[Tensor], size: int, dtype: str) -> Blocks:
    """Every channel of every tensor cut into blocks of ``size``."""
    return _fill([_cut(tensor.values, size) for tensor in tensors], size, dtype)


def lay_out_counted(tensors: Sequence[Tensor], dtype: str) -> Blocks:
    """For one scale a tensor: distinct values and how often each occurs, where 16 bits make them few."""
    cuts = [_count(t.values) if t.values.dtype.itemsize == 2 else _cut(t.values, _BLOCK) for t in tensors]
    return _fill(cuts, _BLOCK, dtype)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cut:
    """A tensor as ``[blocks, elements]``; padding repeats the last element of its channel."""

    values: NDArray[Any]
    count: NDArray[np.int64] | None
    channels: tuple[int, int]


def _cut(values: NDArray[Any], size: int) -> _Cut:
    rows, columns = channels(values.shape)
    blocks = -(-columns // size)
    table = values.reshape(rows, columns)
    if columns % size == 0:
        return _Cut(values=table.reshape(-1, size), count=None, channels=(rows, blocks))
    table = np.pad(table, ((0, 0), (0, blocks * size - columns)), mode="edge")
    count = np.broadcast_to(np.arange(blocks * size) < columns, table.shape).astype(np.int64)
    return _Cut(values=table.reshape(-1, size), count=count.reshape(-1, size), channels=(rows, blocks))


def _count(values: NDArray[Any]) -> _Cut:
    counts = np.bincount(np.ascontiguousarray(values).view(np.uint16).reshape(-1), minlength=1 << 16)
    codes = np.flatnonzero(counts)
    padded = np.pad(codes, (0, -len(codes) % _BLOCK), mode="edge")
    occurs = np.pad(counts[codes], (0, len(padded) - len(codes)))
    distinct = padded.astype(np.uint16).view(values.dtype).reshape(-1, _BLOCK)
    return _Cut(values=distinct, count=occurs.reshape(-1, _BLOCK), channels=(1, len(distinct)))


def _fill(cuts: list[_Cut], size: int, dtype: str) -> Blocks:
    lengths = [len(cut.values) for cut in cuts]
    total, first = sum(lengths), np.cumsum([0, *lengths[:-1]])
    width = min(_MOST_BLOCKS, max(64, 1 << (total - 1).bit_length()))
    chunks = -(-total // width)
    x = np.zeros((chunks, size, width), dtype)
    ones = np.ones((size, width), dtype)
    count = [ones] * chunks
    if total % width:
        count[-1] = ones.copy()
        count[-1][:, total % width :] = 0
    for cut, start in zip(cuts, first.tolist(), strict=True):
        for chunk, here, there in _pieces(start, len(cut.values), width):
            x[chunk][:, here] = cut.values[there].T
            if cut.count is not None:
                count[chunk] = count[chunk].copy() if count[chunk] is ones else count[chunk]
                count[chunk][:, here] = cut.count[there].T
    low, high = (found.reshape(-1)[:total].astype(np.float64) for found in (x.min(1), x.max(1)))
    return Blocks(x=x, count=count, low=low, high=high, first=first, channels=tuple(cut.channels for cut in cuts))


def _pieces(start: int, length: int, width: int) -> Iterator[tuple[int, slice, slice]]:
    """Chunk, place in it and place among the tensor's blocks, for each piece of ``[start, start + length)``."""
    for chunk in range(start // width, -(-(start + length) // width)):
        a, b = max(start, chunk * width), min(start + length, (chunk + 1) * width)
        yield chunk, slice(a - chunk * width, b - chunk * width), slice(a - start, b - start)
