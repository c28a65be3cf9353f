"""One block format on all tensors: cut into blocks, quantised piece by piece, and the sums of the metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import jax
import numpy as np
from numpy.typing import NDArray

from analysis.comparison import kernel
from analysis.comparison.block_cells import BlockCell
from analysis.metrics import ulp_scale
from analysis.tensors import Tensor
from formats.block_formats.spec import Form, Level, Shift
from kernels_ref.blocks import dequantize_blocks, quantize_blocks
from reference.array.block_request import has_integer_zero_point, largest, least
from reference.array.block_value import numbers
from reference.blocks import BlockTensor
from reference.quantize.granularity import channels

#: elements of a piece: one shape for all pieces of a block size, so that each format is compiled once
_PIECE = 1 << 17
#: elements of a column that `kernel.measure` walks, so that it is compiled once for all block sizes
_LANE = 16
_Array = NDArray[Any]


def execute_blocks(cell: BlockCell, tensors: Sequence[Tensor]) -> dict[str, _Array]:
    """The sums and maxima of `kernel.NAMES` for each tensor, in order; what is no number is infinite.

    Tensors are matrices of channels, ``[rows, columns]``, as for the other formats. Quotients and distances are
    float64, from values in float32, the dtype that they are decoded to.
    """
    found = [_tensor(cell, tensor.values) for tensor in tensors]
    return {name: np.array([sums[name] for sums in found]) for name in kernel.NAMES}


class Cut(NamedTuple):
    """Blocks of a tensor, ``[blocks, size]``, and which of their elements exist; padding repeats those of its block."""

    values: _Array
    exists: _Array


def cut(values: _Array, block: tuple[int, ...]) -> Cut:
    """Groups of neighbours within a channel, or tiles of neighbours in neighbouring channels, in order.

    >>> found = cut(np.float32([[1, 2, 3], [4, 5, 6]]), (2, 2))
    >>> found.values.tolist(), found.exists.tolist()
    ([[1.0, 2.0, 4.0, 5.0], [3.0, 3.0, 6.0, 6.0]], [[True, True, True, True], [True, False, True, False]])
    """
    rows, columns = channels(values.shape)
    high, wide = block if len(block) == 2 else (1, *block)
    missing = ((0, -rows % high), (0, -columns % wide))
    table = np.pad(values.reshape(rows, columns), missing, mode="edge")
    exists = np.pad(np.ones((rows, columns), bool), missing)
    return Cut(_blocks(table, high, wide), _blocks(exists, high, wide))


def _blocks(table: _Array, high: int, wide: int) -> _Array:
    rows, columns = table.shape
    return table.reshape(rows // high, high, columns // wide, wide).swapaxes(1, 2).reshape(-1, high * wide)


def _tensor(cell: BlockCell, values: _Array) -> dict[str, float]:
    parts = [_measure(cell, piece) for piece in _pieces(cut(values, cell.spec.block), _filling(cell, values))]
    found: dict[str, float] = {}
    for name in kernel.NAMES:
        joined = np.concatenate([part[name] for part in parts])
        value = float(joined.max() if name.startswith("max") else joined.sum())
        found[name] = np.inf if np.isnan(value) else value
    return found


def _filling(cell: BlockCell, values: _Array) -> np.float32:
    """What the rest of a piece is filled with: an element of the largest magnitude, if a rule looks for it there."""
    if cell.spec.scale.second is None:
        return np.float32(0)
    low, high = np.float32(values.min()), np.float32(values.max())
    return low if -low > high else high


class _Piece(NamedTuple):
    """Some blocks, float32 ``[blocks, size]``; the first ``length`` are the tensor's."""

    x: _Array
    exists: _Array
    length: int


def _pieces(blocks: Cut, filling: np.float32) -> Iterator[_Piece]:
    """Pieces of one shape. The last blocks of each hold ``filling``, so that a rule finds the largest magnitude of the
    whole tensor in every piece.
    """
    count, size = blocks.values.shape
    most = max(2, _PIECE // size)
    for start in range(0, count, most - 1):
        values = blocks.values[start : start + most - 1]
        x, exists = np.full((most, size), filling, np.float32), np.zeros((most, size), bool)
        x[: len(values)], exists[: len(values)] = values, blocks.exists[start : start + most - 1]
        yield _Piece(x, exists, len(values))


def _measure(cell: BlockCell, piece: _Piece) -> dict[str, _Array]:
    """Sums and maxima of each block, or of equal parts of it."""
    enable_x64 = cast(Any, jax).enable_x64  # holds for this thread alone
    with enable_x64(False):
        tensor = quantize_blocks(piece.x.reshape(-1, *cell.spec.block), cell.spec, rule=cell.rule)
        y = np.asarray(dequantize_blocks(tensor)).reshape(piece.x.shape)
    length = math.gcd(_LANE, cell.spec.size)
    columns = cell.spec.size // length
    scale, offset, low, high = (np.repeat(part, columns) for part in parameters(tensor))
    x, y, exists = (np.ascontiguousarray(part.reshape(-1, length).T, np.float64) for part in (piece.x, y, piece.exists))
    divisor = np.where(scale == 0, np.finfo(np.float64).smallest_normal, scale)
    with enable_x64(True):
        sums = kernel.measure(x, exists, y, divisor, offset, low, high, ulp_scale(cell.spec.element))
    found = {name: np.asarray(sums[name]) for name in kernel.NAMES}
    for name in ("sum_ulp", "max_ulp"):
        found[name] = np.where((scale == 0) & (found[name] > 0), np.inf, found[name])
    return {name: values[: piece.length * columns] for name, values in found.items()}


def parameters(tensor: BlockTensor) -> tuple[_Array, _Array, _Array, _Array]:
    """Of each block, float64: scale, what is subtracted before it divides, and the bounds of the quotient.

    >>> from reference import quantize_blocks
    >>> made = quantize_blocks(np.float32([[-1.0, 14.0] * 16]), "uint4_g32_offset", rule="minmax_offset")
    >>> [part.tolist() for part in parameters(made)]
    [[1.0], [-1.0], [0.0], [15.0]]
    """
    spec = tensor.spec
    scale = _numbers(tensor.scales, tensor.second, spec.scale)
    low, high = (np.full(scale.shape, bound(spec.element)) for bound in (least, largest))
    if spec.shift is None:
        return scale, np.zeros(scale.shape), low, high
    shift = _numbers(tensor.shifts, tensor.shift_second, spec.shift)
    if has_integer_zero_point(spec):
        return scale, np.zeros(scale.shape), low - shift, high - shift
    signs = {Shift.OFFSET: 1.0, Shift.SUBTRACTED: -1.0, Shift.ZERO_POINT: -scale}
    return scale, shift * signs[cast(Shift, spec.shift_kind)], low, high


def _numbers(codes: Any, second: Any, level: Level) -> _Array:
    first = numbers(np.asarray(codes).reshape(-1), level.format)
    if second is None:
        return first
    shared = np.float64(second)
    return first / shared if level.form is Form.DIVISOR else first * shared
