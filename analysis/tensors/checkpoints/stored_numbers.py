"""Formats of the numbers that checkpoints store, and how scales cover a weight."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import formats
from analysis.tensors.checkpoints.group import Group
from formats.floating import FloatSpec
from formats.integer import IntSpec
from formats.results import BFLOAT16, FLOAT16, FLOAT32

E8M0, E4M3 = formats.get("float8_e8m0fnu"), formats.get("float8_e4m3fn")
#: safetensors' dtype of an element to its format
ELEMENTS = {"F8_E4M3": E4M3, "F8_E5M2": formats.get("float8_e5m2"), "I8": formats.get("int8")}
#: safetensors' dtype of scales to NumPy's, in which torch multiplies
FLOATS = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}
FORMATS: dict[str, FloatSpec] = {"F16": FLOAT16, "BF16": BFLOAT16, "F32": FLOAT32}


def integers(bits: int, *, signed: bool) -> IntSpec:
    """The integers of so many bits, the whole range of them."""
    low, high = (-(1 << bits >> 1), (1 << bits >> 1) - 1) if signed else (0, (1 << bits) - 1)
    name = f"{'' if signed else 'u'}int{bits}"
    return IntSpec(name=name, bits=bits, minimum=low, maximum=high, source="every code of that many bits")


def codes(array: NDArray[Any]) -> NDArray[Any]:
    """The bit patterns of an array, as unsigned integers."""
    return array.view(f"u{array.dtype.itemsize}")


def covered(
    group: Group, ending: str, shape: tuple[int, ...], tiles: tuple[tuple[int, ...], ...] | None = None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The extents of the blocks of a weight of ``shape``, and the grid of them, by the shape of its scales.

    One number is the whole weight's; ``(n,)`` and ``(n, 1)`` are a row's; ``(n, groups)`` a group's, which must divide
    the row; another shape must fit ``tiles`` that the configuration states. Where ``tiles`` are given, only they count.
    ``ValueError`` if nothing fits.
    """
    scales, columns = group.members[ending].shape, shape[-1]
    if tiles is None:
        if all(size == 1 for size in scales):
            return shape, (1,) * len(shape)
        if scales == shape[:-1]:
            return (columns,), (*scales, 1)
        if scales[:-1] == shape[:-1] and columns % scales[-1] == 0:
            return (columns // scales[-1],), scales
    tiles = group.config.blocks() if tiles is None else tiles
    for tile in tiles:
        if len(tile) == len(shape) and scales == tuple(-(-n // extent) for n, extent in zip(shape, tile, strict=True)):
            return tile, scales
    stated = ", ".join(str(list(tile)) for tile in tiles) or "none"
    complaint = f"has shape {list(scales)}, which does not cover a weight of {list(shape)}; stated tiles: {stated}"
    raise group.error(ending, complaint)


def by_group(group: Group, ending: str, groups: int, columns: int) -> tuple[int, NDArray[np.intp] | None]:
    """Columns of a group, and the order of columns in which groups follow each other; None if they do already.

    The member assigns a group to each column. ``ValueError`` if the groups are not of one size; the last may be short.
    """
    index = group.array(ending, ("I32", "I64"), 1)
    group.need(index.size == columns, ending, f"has {index.size} entries for {columns} columns")
    inside = (index >= 0) & (index < groups)
    group.need(bool(inside.all()), ending, f"names group {index[~inside][:1]}, of {groups}")
    size = int(np.count_nonzero(index == 0))
    group.need(size > 0, ending, "has no column in group 0")
    found = -(-columns // size)
    group.need(found == groups, ending, f"has {found} groups of {size} columns, the scales {groups}")
    order = np.argsort(index, kind="stable")
    even = bool((index[order] == np.arange(columns) // size).all())
    group.need(even, ending, f"has groups of other sizes than the {size} of group 0")
    return size, None if bool((order == np.arange(columns)).all()) else order
