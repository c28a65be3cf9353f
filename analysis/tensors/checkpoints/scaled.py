"""Codes of 8 bits that are stored as they are, beside their scales: compressed-tensors, DeepSeek, and others alike.

``weight`` and ``weight_scale``, a number for the tensor, a row, a group or a tile, with ``weight_zero_point`` of
integers; the product is rounded to the dtype of the scales, in which the difference of two integers is exact. Scales
of one byte are powers of two (MXFP8), which compressed-tensors multiplies in bfloat16. DeepSeek's ``weight_scale_inv``
is a factor too, in spite of its name: the product is rounded to binary32, and then to bfloat16 where it is stored.

Source: compressed-tensors 0.20.1, compressors/naive_quantized, compressors/mxfp8, quantization/lifecycle/
forward_helpers.py (_dequantize); DeepSeek-V3 0623163, inference/kernel.py (weight_dequant) and fp8_cast_bf16.py.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from analysis.tensors.checkpoints.group import Group
from analysis.tensors.checkpoints.quantised import Quantised
from analysis.tensors.checkpoints.stored_numbers import E8M0, ELEMENTS, FLOATS, FORMATS, codes, covered
from formats.block_formats.spec import BlockSpec, Level, Shift
from formats.registry import Format
from reference.blocks import BlockTensor

#: safetensors' dtypes of scales that are powers of two
POWERS = ("U8", "F8_E8M0")
#: what DeepSeek's weight_dequant takes unless told otherwise
_TILE = (128, 128)


def read(group: Group) -> Quantised:
    """A weight with ``weight_scale``."""
    blocks = _blocks(group, ".weight", ".weight_scale", None)
    if group.dtype(".weight_scale") in POWERS:
        return _weight(group, ".weight", blocks, "bfloat16", ("bfloat16",))
    return _weight(group, ".weight", blocks, None, (FLOATS[group.dtype(".weight_scale")],))


def read_deepseek(group: Group) -> Quantised:
    """A weight with ``weight_scale_inv``, in tiles of 128 x 128 unless the configuration states others."""
    blocks = _blocks(group, "", "_scale_inv", group.config.blocks() or (_TILE,))
    return _weight(group, "", blocks, None, ("float32", "bfloat16"))


def scale_format(group: Group, ending: str) -> Format:
    """The format of scales: powers of two if they have one byte."""
    return E8M0 if group.dtype(ending) in POWERS else FORMATS[group.dtype(ending)]


def _weight(
    group: Group, weight: str, blocks: BlockTensor, scale_dtype: str | None, dtypes: tuple[str, ...]
) -> Quantised:
    spec = blocks.spec
    source = group.source(f"{spec.element.name}, blocks of {' x '.join(map(str, spec.block))}")
    return Quantised(
        name=group.name,
        blocks=blocks,
        shape=group.members[weight].shape,
        scale_dtype=scale_dtype,
        dtypes=dtypes,
        source=source,
    )


def _blocks(group: Group, weight: str, scale: str, tiles: tuple[tuple[int, ...], ...] | None) -> BlockTensor:
    values = group.array(weight, tuple(ELEMENTS))
    group.need(values.ndim >= 1, weight, "has no axis")
    scales = group.array(scale, (*FLOATS, *POWERS))
    block, grid = covered(group, scale, values.shape, tiles)
    zero_points = _zero_points(group, scales.shape)
    element = ELEMENTS[group.dtype(weight)]
    spec = BlockSpec(
        name=f"{element.name}_{'x'.join(map(str, block))}",
        element=element,
        block=block,
        scale=Level(format=scale_format(group, scale)),
        shift=None if zero_points is None else Level(format=ELEMENTS["I8"]),
        shift_kind=None if zero_points is None else Shift.ZERO_POINT,
        source="as stored in a checkpoint",
    )
    shifts = None if zero_points is None else codes(zero_points).reshape(grid)
    return BlockTensor(spec=spec, codes=codes(values), scales=codes(scales).reshape(grid), shifts=shifts)


def _zero_points(group: Group, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Those of integers. Beside floats, zeros are accepted, which shift nothing."""
    ending, weight = ".weight_zero_point", group.dtype(".weight") if ".weight" in group.members else ""
    if ending not in group.members:
        return None
    zero_points = group.array(ending, ("I8",) if weight == "I8" else ("I8", weight))
    group.need(zero_points.shape == shape, ending, f"has shape {list(zero_points.shape)}, the scales {list(shape)}")
    if weight == "I8":
        return zero_points
    group.need(not zero_points.any(), ending, f"is not 0 beside a weight of {weight}")
    return None
