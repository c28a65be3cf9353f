"""Conventions of a block format: the same codes under other second-level numbers, decoded values proved equal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats.block_formats.named import block
from formats.block_formats.spec import BlockSpec
from formats.code_books.book import CodebookSpec
from reference.array import block_grid
from reference.blocks import BlockTensor, check_dtype, check_tensor, dequantize_blocks

#: how far from the rounded reciprocal a number is looked for, in units in the last place
_NEIGHBOURS = (0, 1, -1, 2, -2)

Second = np.float32 | None


def convert_blocks(tensor: BlockTensor, to: str | BlockSpec, *, dtype: str) -> BlockTensor:
    """The same tensor in another convention: every code stays, second-level numbers are found anew.

    ``to`` is a block format with the same shapes whose numbers act otherwise, as those of ``nvfp4_divisor`` do for
    ``nvfp4``. A second-level number stays where it acts alike. Else it becomes the binary32 number nearest to its
    reciprocal, or a neighbour at most two units in the last place away: the first under which every element code with
    every scale code that the tensor has under it decodes, by `dequantize_blocks` to ``dtype``, to an equal value (-0
    equals 0, and NaN NaN).

    Raises ``ValueError`` for formats of other shapes or with shifts, and where no such number exists, with the first
    codes that would differ.

    >>> codes, scales = np.full((1, 16), 7, np.uint8), np.array([[126]], np.uint8)
    >>> made = BlockTensor(spec=block("nvfp4"), codes=codes, scales=scales, second=np.float32(0.25))
    >>> convert_blocks(made, "nvfp4_divisor", dtype="float32").second
    array(4., dtype=float32)
    """
    check_dtype(dtype)
    check_tensor(tensor)
    spec = block(to)
    _check_alike(tensor.spec, spec)
    scales = np.asarray(tensor.scales)
    if tensor.second is None:
        _found(tensor.spec, spec, None, np.unique(scales), dtype)
        return replace(tensor, spec=spec)
    second = np.asarray(tensor.second, np.float32)
    under = block_grid.spread_second(second, tensor.spec.scale.per, scales.shape, np)
    found = {t: _found(tensor.spec, spec, t, np.unique(scales[under == t]), dtype) for t in np.unique(second)}
    numbers = np.array([found[t] for t in second.reshape(-1)], np.float32)
    return replace(tensor, spec=spec, second=numbers.reshape(second.shape))


def _check_alike(a: BlockSpec, b: BlockSpec) -> None:
    shapes = [
        (s.block, s.element.bits, s.scale.format.bits, s.scale.second, s.scale.per, s.shift is None) for s in (a, b)
    ]
    if shapes[0] != shapes[1] or a.shift is not None:
        raise ValueError(f"{a.name} and {b.name} are not two conventions of one format without shifts")


def _found(a: BlockSpec, b: BlockSpec, t: Second, scales: NDArray[Any], dtype: str) -> Second:
    """The number that does in ``b`` what ``t`` does in ``a``."""
    due = _every_value(a, t, scales, dtype)
    first = ""
    for candidate in _candidates(a, b, t):
        values = _every_value(b, candidate, scales, dtype)
        differs = ~((values == due) | (np.isnan(values) & np.isnan(due)))
        if not differs.any():
            return candidate
        if not first:
            row, code = (int(i) for i in np.argwhere(differs)[0])
            first = (
                f"with {candidate} element code {code} under scale code {int(scales[row])} is {values[row, code]},"
                f" not {due[row, code]}"
            )
    raise ValueError(f"no second-level number makes {b.name} equal to {a.name} with {t} in {dtype}: {first}")


def _candidates(a: BlockSpec, b: BlockSpec, t: Second) -> list[Second]:
    if t is None or a.scale.form is b.scale.form:
        return [t]
    with np.errstate(divide="ignore", over="ignore"):
        nearest = np.float32(1) / t
    up, down = np.float32(np.inf), np.float32(-np.inf)
    found: list[Second] = []
    for steps in _NEIGHBOURS:
        number = nearest
        for _ in range(abs(steps)):
            number = np.nextafter(number, up if steps > 0 else down)
        found.append(number)
    return found


def _every_value(spec: BlockSpec, second: Second, scales: NDArray[Any], dtype: str) -> NDArray[Any]:
    """The value of every element code, along the last axis, under each scale code."""
    count = spec.element.size if isinstance(spec.element, CodebookSpec) else 1 << spec.element.bits
    codes = np.broadcast_to(np.arange(count, dtype=np.uint32), (len(scales), count))
    row = replace(spec, block=(count,), scale=replace(spec.scale, per=None))
    tensor = BlockTensor(spec=row, codes=codes, scales=scales[:, None], second=second)
    return dequantize_blocks(tensor, dtype)
