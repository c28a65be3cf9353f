"""Floats of 4 and 6 bits in bytes, with scales of one byte: compressed-tensors, ModelOpt, gpt-oss.

``weight_packed`` of compressed-tensors is NVFP4 with scales of E4M3 for each 16 and ``weight_global_scale``, which
divides; or MXFP4 and MXFP6 (E2M3) with powers of two for each 32. It decodes in bfloat16: NVFP4's quotient of the two
scales is rounded to binary32, the product with the element to binary32 and then to bfloat16.

ModelOpt stores NVFP4 as ``weight`` with scales of E4M3 and ``weight_scale_2``, which multiplies: their product is
rounded to binary32, and so is that with the element; the dtype that the library casts to is not in the file.

gpt-oss stores ``blocks`` (..., rows, groups, 16) and ``scales`` (..., rows, groups), MXFP4 in bfloat16; a weight keeps
the axes that it is stored with.

A power of two of code 255 is NaN here, as in OCP's E8M0; compressed-tensors and gpt-oss compute 2^128, infinity. Code
8 of E2M1 is -0 here; ModelOpt takes it for +0.

Source: compressed-tensors 0.20.1, compressors/nvfp4, mxfp4, mxfp6 and mx_utils.py; openai/gpt-oss 1983a9d,
gpt_oss/torch/weights.py; NVIDIA/Model-Optimizer 211c6b3, modelopt/torch/quantization/qtensor/nvfp4_tensor.py.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

import reference
from analysis.tensors.checkpoints.group import Group
from analysis.tensors.checkpoints.quantised import Quantised
from analysis.tensors.checkpoints.scaled import POWERS
from analysis.tensors.tensor import Skipped
from formats.block_formats.named import block
from reference.blocks import BlockTensor

_PACKED, _SCALE, _GLOBAL, _SECOND = ".weight_packed", ".weight_scale", ".weight_global_scale", ".weight_scale_2"
_PAIRS = "4bit_low_first"
#: bytes to a scale that is a power of two
_MX = {16: ("mxfp4", _PAIRS), 24: ("mxfp6_e2m3", "compressed_tensors_fp6")}


def read_compressed(group: Group) -> Quantised:
    """The weight (outputs, inputs) of compressed-tensors."""
    packed = group.array(_PACKED, ("U8",), 2)
    scales = group.array(_SCALE, ("F8_E4M3", *POWERS), 2)
    width, groups = packed.shape[1], scales.shape[1]
    fits = scales.shape[0] == packed.shape[0] and width % groups == 0
    group.need(fits, _SCALE, f"has shape {list(scales.shape)}, the packed weight {list(packed.shape)}")
    if group.dtype(_SCALE) == "F8_E4M3":
        group.need(width == 8 * groups, _SCALE, f"has {groups} groups for {width} bytes, one for each 8 is due")
        second = _global_scale(group)
        weights = reference.unpack(packed, _PAIRS)
        blocks = BlockTensor(spec=block("nvfp4_divisor"), codes=weights, scales=scales, second=second)
        return _weight(group, blocks, "float32", ("float32", "bfloat16"))
    group.need(width // groups in _MX, _SCALE, f"has {groups} groups for {width} bytes, one for each 16 or 24 is due")
    name, layout = _MX[width // groups]
    return _weight(group, BlockTensor(spec=block(name), codes=reference.unpack(packed, layout), scales=scales))


def read_modelopt(group: Group) -> Quantised | Skipped:
    """The weight (..., rows, columns) of ModelOpt."""
    packed, scales = group.array(".weight", ("U8",)), group.array(_SCALE, ("F8_E4M3",))
    second = group.array(_SECOND, ("F32",))
    if second.size != 1:
        return group.skipped(f"NVFP4 with {second.size} numbers of the second level, not one")
    group.need(packed.ndim >= 1, ".weight", "has no axis")
    due = (*packed.shape[:-1], packed.shape[-1] // 8)
    fits = scales.shape == due and packed.shape[-1] % 8 == 0
    group.need(fits, _SCALE, f"has shape {list(scales.shape)}, the packed weight {list(packed.shape)}")
    weights = reference.unpack(packed, _PAIRS)
    blocks = BlockTensor(spec=block("nvfp4"), codes=weights, scales=scales, second=second.reshape(()))
    return _weight(group, blocks, "float32", ("float32",))


def read_gpt_oss(group: Group) -> Quantised:
    """The weight (..., rows, columns) of gpt-oss."""
    scale, blocks = group.members
    packed, scales = group.array(blocks, ("U8",)), group.array(scale, ("U8",))
    group.need(packed.ndim >= 2 and packed.shape[-1] == 16, blocks, f"has shape {list(packed.shape)}; (..., 16) is due")
    due = packed.shape[:-1]
    group.need(scales.shape == due, scale, f"has shape {list(scales.shape)}, {list(due)} is due")
    weights = reference.unpack(packed, _PAIRS).reshape(*due[:-1], due[-1] * 32)
    return _weight(group, BlockTensor(spec=block("mxfp4"), codes=weights, scales=scales))


def _global_scale(group: Group) -> NDArray[Any]:
    group.need(_GLOBAL in group.members, _PACKED, "has scales of E4M3 and no weight_global_scale beside it")
    scale = group.array(_GLOBAL, ("F32",))
    group.need(scale.shape == (1,), _GLOBAL, f"has shape {list(scale.shape)}, [1] is due")
    return scale.reshape(())


def _weight(
    group: Group, blocks: BlockTensor, scale_dtype: str | None = None, dtypes: tuple[str, ...] = ("bfloat16",)
) -> Quantised:
    return Quantised(
        name=group.name,
        blocks=blocks,
        shape=tuple(blocks.codes.shape),
        scale_dtype=scale_dtype,
        dtypes=dtypes,
        source=group.source(blocks.spec.name),
    )
