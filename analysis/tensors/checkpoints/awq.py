"""AWQ as AutoAWQ's GEMM kernels take it: codes and zero points of 4 bits in words along the outputs.

``qweight`` (inputs, outputs / 8), ``qzeros`` (groups, outputs / 8), ``scales`` (groups, outputs), no act-order. A
weight is ``scale * (code - zero)``; the difference is exact in the dtype of the scales, so the product is the one
rounding.

Source: AutoAWQ 0.2.9, modules/linear/gemm.py and utils/packing_utils.py (dequantize_gemm).
"""

from __future__ import annotations

import reference
from analysis.tensors.checkpoints.group import Group
from analysis.tensors.checkpoints.quantised import Quantised
from analysis.tensors.checkpoints.stored_numbers import FLOATS, FORMATS, codes, integers
from analysis.tensors.tensor import Skipped
from formats.block_formats.spec import BlockSpec, Level, Shift
from reference.blocks import BlockTensor

_LAYOUT, _PER_WORD, _KERNEL = "awq_int32", 8, "gemm"


def read(group: Group) -> Quantised | Skipped:
    """The weight (outputs, inputs)."""
    version = str(group.config.statements.get("version", _KERNEL)).lower()
    if version != _KERNEL:
        return group.skipped(f"AWQ weights for the kernel {version}, not {_KERNEL}")
    qweight = group.array(".qweight", ("I32",), 2)
    scales = group.array(".scales", tuple(FLOATS), 2)
    qzeros = group.array(".qzeros", ("I32",), 2)
    inputs, outputs, groups = qweight.shape[0], qweight.shape[1] * _PER_WORD, scales.shape[0]
    group.need(scales.shape[1] == outputs, ".scales", f"has {scales.shape[1]} columns for {outputs} outputs")
    due = (groups, qweight.shape[1])
    group.need(qzeros.shape == due, ".qzeros", f"has shape {list(qzeros.shape)}, {list(due)} is due")
    group.need(inputs % groups == 0, ".scales", f"has {groups} groups, which do not divide {inputs} inputs")
    spec = _spec(group, inputs // groups)
    blocks = BlockTensor(
        spec=spec,
        codes=reference.unpack(codes(qweight), _LAYOUT).T,
        scales=codes(scales).T,
        shifts=reference.unpack(codes(qzeros), _LAYOUT).T,
    )
    dtype = FLOATS[group.dtype(".scales")]
    source = group.source(f"AWQ, 4 bits, groups of {spec.size}")
    return Quantised(name=group.name, blocks=blocks, shape=(outputs, inputs), dtypes=(dtype,), source=source)


def is_packed_along_outputs(group: Group) -> bool:
    """Whether a word has the codes of eight scales."""
    words, scales = group.members[".qweight"].shape, group.members[".scales"].shape
    return len(words) == len(scales) == 2 and words[1] * _PER_WORD == scales[1]


def _spec(group: Group, size: int) -> BlockSpec:
    number = integers(4, signed=False)
    return BlockSpec(
        name=f"awq_4bit_g{size}",
        element=number,
        block=(size,),
        scale=Level(format=FORMATS[group.dtype(".scales")]),
        shift=Level(format=number),
        shift_kind=Shift.ZERO_POINT,
        source="AWQ (arXiv 2306.00978) as AutoAWQ 0.2.9 stores it",
    )
