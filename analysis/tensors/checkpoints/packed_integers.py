"""compressed-tensors' integers in 32-bit words (``pack-quantized``).

``weight_packed`` (outputs, words of the inputs), ``weight_shape`` [outputs, inputs], ``weight_scale`` and, packed along
the outputs, ``weight_zero_point`` (words, groups). Codes are two's complement and stored with an offset; a weight is
``scale * (code - zero)``. The difference is exact in the dtype of the scales, so the product is the one rounding.
``weight_g_idx`` assigns groups to inputs: version 0.20.1 does not read it, and that its order is GPTQ's is unverified.

Source: compressed-tensors 0.20.1, compressors/pack_quantized and quantization/lifecycle/forward_helpers.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from analysis.tensors.checkpoints.group import Group
from analysis.tensors.checkpoints.quantised import Quantised
from analysis.tensors.checkpoints.stored_numbers import FLOATS, FORMATS, by_group, codes, covered, integers
from analysis.tensors.tensor import Skipped
from formats.block_formats.spec import BlockSpec, Level, Shift
from reference.blocks import BlockTensor

_PACKED, _SCALE, _SHAPE, _ZERO, _INDEX = (
    f".weight_{each}" for each in ("packed", "scale", "shape", "zero_point", "g_idx")
)
#: bits of which there are layouts
_BITS = (2, 3, 4, 8)


def read(group: Group) -> Quantised | Skipped:
    """The weight (outputs, inputs)."""
    words = group.array(_PACKED, ("I32",), 2)
    scales = group.array(_SCALE, tuple(FLOATS))
    shape = _shape(group, words)
    fitting = [bits for bits in range(1, 9) if words.shape[1] == -(-shape[1] * bits // 32)]
    group.need(len(fitting) > 0, _PACKED, f"has {words.shape[1]} words for {shape[1]} inputs: not codes of 1..8 bits")
    if len(fitting) > 1 or fitting[0] not in _BITS:
        found = " or ".join(map(str, fitting))
        return group.skipped(f"integers of {found} bits, not one of {', '.join(map(str, _BITS))}")
    bits = fitting[0]
    block, grid = covered(group, _SCALE, shape)
    columns = _columns(group, grid, shape)
    weights = _unpacked(codes(words), bits, shape[1])
    spec = _spec(group, bits, block)
    blocks = BlockTensor(
        spec=spec,
        codes=weights if columns is None else weights[:, columns],
        scales=codes(scales).reshape(grid),
        shifts=_zero_points(group, bits, grid) if _ZERO in group.members else None,
    )
    dtype = FLOATS[group.dtype(_SCALE)]
    source = group.source(f"compressed-tensors, {bits} bits, blocks of {' x '.join(map(str, block))}")
    return Quantised(name=group.name, blocks=blocks, shape=shape, columns=columns, dtypes=(dtype,), source=source)


def _shape(group: Group, words: NDArray[Any]) -> tuple[int, int]:
    group.need(_SHAPE in group.members, _PACKED, "has no weight_shape beside it")
    stated = group.array(_SHAPE, ("I64", "I32"), 1)
    fits = stated.size == 2 and stated[0] == words.shape[0] and 0 < stated[1] <= words.shape[1] * 32
    group.need(fits, _SHAPE, f"says {stated.tolist()[:8]} for packed words of {list(words.shape)}")
    return int(stated[0]), int(stated[1])


def _columns(group: Group, grid: tuple[int, ...], shape: tuple[int, int]) -> NDArray[np.intp] | None:
    """The order of columns by group; -1 throughout says that there is none."""
    if _INDEX not in group.members or (group.array(_INDEX, ("I32", "I64"), 1) == -1).all():
        return None
    size, order = by_group(group, _INDEX, grid[1], shape[1])
    group.need(size * grid[1] == shape[1], _INDEX, f"has groups of {size}, which do not divide {shape[1]} inputs")
    return order


def _unpacked(words: NDArray[Any], bits: int, length: int) -> NDArray[Any]:
    """Codes along the last axis; a tail that is no whole tile of words is filled up and cut off again."""
    whole = np.pad(words, ((0, 0), (0, -words.shape[1] % 3))) if bits == 3 else words
    return reference.unpack(whole, f"compressed_tensors_{bits}bit")[:, :length]


def _zero_points(group: Group, bits: int, grid: tuple[int, ...]) -> NDArray[Any]:
    """Packed along the outputs, or, if they are one number for all, as they are."""
    if group.dtype(_ZERO) == "I8":
        plain = group.array(_ZERO, ("I8",))
        group.need(plain.size == grid[0] * grid[1], _ZERO, f"has shape {list(plain.shape)}, not {list(grid)}")
        group.need(bool((plain >> (bits - 1) == plain >> 7).all()), _ZERO, f"holds numbers of more than {bits} bits")
        return (codes(plain) & ((1 << bits) - 1)).reshape(grid)
    words = group.array(_ZERO, ("I32",), 2)
    due = (-(-grid[0] * bits // 32), grid[1])
    group.need(words.shape == due, _ZERO, f"has shape {list(words.shape)}, {list(due)} is due")
    return _unpacked(codes(np.ascontiguousarray(words.T)), bits, grid[0]).T


def _spec(group: Group, bits: int, block: tuple[int, ...]) -> BlockSpec:
    number = integers(bits, signed=True)
    shifted = _ZERO in group.members
    return BlockSpec(
        name=f"compressed_tensors_{bits}bit_{'x'.join(map(str, block))}",
        element=number,
        block=block,
        scale=Level(format=FORMATS[group.dtype(_SCALE)]),
        shift=Level(format=number) if shifted else None,
        shift_kind=Shift.ZERO_POINT if shifted else None,
        source="compressed-tensors 0.20.1, pack-quantized",
    )
