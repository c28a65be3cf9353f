"""GPTQ: codes in words along the inputs, integer zero points in words along the outputs, an order of activations.

``qweight`` (inputs * bits / 32, outputs), ``qzeros`` (groups, outputs * bits / 32), ``scales`` (groups, outputs) and
``g_idx`` (inputs), the group of each input. A weight is ``scale * (code - zero)``; the difference is exact in the dtype
of the scales, so the product is the one rounding.

Checkpoints of the format ``gptq`` store zero points less one. GPTQModel adds the one to each packed word of 2, 4 and 8
bits, carries and all (what it writes borrows likewise), and to each field of 3 bits. Other readers of a stored zero
point of all ones take it for ``2^bits``; GPTQModel for 0, with the carry in its neighbour.

Source: GPTQModel 7.7.0, nn_modules/qlinear/__init__.py (dequantize_weight) and utils/model.py
(convert_gptq_v1_to_v2_format_module).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from analysis.tensors.checkpoints.group import Group
from analysis.tensors.checkpoints.quantised import Quantised
from analysis.tensors.checkpoints.stored_numbers import FLOATS, FORMATS, by_group, codes, integers
from analysis.tensors.tensor import Skipped
from formats.block_formats.spec import BlockSpec, Level, Shift
from formats.layouts.zero_point import GPTQ_V1, GPTQ_V2
from reference.blocks import BlockTensor

_BITS = (2, 3, 4, 8)
_LESS = {convention.name: convention.less for convention in (GPTQ_V1, GPTQ_V2)}


def read(group: Group) -> Quantised | Skipped:
    """The weight (outputs, inputs); with an order of activations its columns are sorted by group."""
    scales = group.array(".scales", tuple(FLOATS), 2)
    qweight = group.array(".qweight", ("I32",), 2)
    qzeros = group.array(".qzeros", ("I32",), 2)
    groups, outputs = scales.shape
    group.need(qweight.shape[1] == outputs, ".qweight", f"has {qweight.shape[1]} columns, the scales {outputs}")
    group.need(qzeros.shape[0] == groups, ".qzeros", f"has {qzeros.shape[0]} groups, the scales {groups}")
    bits = _bits(group, qweight.shape[0], qzeros.shape[1], outputs)
    if (layout := str(group.config.statements.get("checkpoint_format", GPTQ_V1.name))) not in _LESS:
        return group.skipped(f"GPTQ weights in the format {layout}, not one of {', '.join(_LESS)}")
    inputs = _inputs(group, bits)
    size, columns = _by_group(group, groups, inputs)
    weights = reference.unpack(codes(qweight), f"gptq_qweight_{bits}bit")[:inputs].T
    zeros = _zero_points(codes(qzeros), bits, _stored_less(group, layout))[:, :outputs].T
    spec = _spec(group, bits, size)
    blocks = BlockTensor(
        spec=spec, codes=weights if columns is None else weights[:, columns], scales=codes(scales).T, shifts=zeros
    )
    dtype = FLOATS[group.dtype(".scales")]
    source = group.source(f"GPTQ, {bits} bits, groups of {spec.size}")
    return Quantised(
        name=group.name, blocks=blocks, shape=(outputs, inputs), columns=columns, dtypes=(dtype,), source=source
    )


def _bits(group: Group, rows: int, words: int, outputs: int) -> int:
    """The bits of a code, from the shapes; where they leave a choice, from the configuration."""
    fitting = [bits for bits in _BITS if words == -(-outputs * bits // 32)]
    if ".g_idx" in group.members:
        inputs = group.members[".g_idx"].shape
        fitting = [bits for bits in fitting if len(inputs) == 1 and rows == -(-inputs[0] * bits // 32)]
    stated = group.config.statements.get("bits")
    if len(fitting) > 1:
        fitting = [bits for bits in fitting if bits == stated]
    shape = f"has {rows} rows, the zero points {words} words for {outputs} outputs"
    group.need(len(fitting) == 1, ".qweight", f"{shape}: not codes of {', '.join(map(str, _BITS))} bits")
    return fitting[0]


def _inputs(group: Group, bits: int) -> int:
    if ".g_idx" in group.members:
        return group.members[".g_idx"].shape[0]
    rows = group.members[".qweight"].shape[0]
    group.need(rows * 32 % bits == 0, ".qweight", f"has {rows} rows, which are no whole codes of {bits} bits")
    return rows * 32 // bits


def _by_group(group: Group, groups: int, inputs: int) -> tuple[int, NDArray[np.intp] | None]:
    """Inputs of a group, and their order: by the index, or else equal parts of all inputs."""
    if ".g_idx" in group.members:
        return by_group(group, ".g_idx", groups, inputs)
    group.need(inputs % groups == 0, ".scales", f"has {groups} groups, which do not divide {inputs} inputs")
    return inputs // groups, None


def _stored_less(group: Group, layout: str) -> int:
    config = group.config
    complaint = f"cannot be read without the format of zero points, which {config.origin} beside the file should state"
    group.need(bool(config.statements), ".qzeros", complaint)
    return _LESS[layout]


def _zero_points(words: NDArray[Any], bits: int, less: int) -> NDArray[Any]:
    """The zero points that are packed in words, modulo ``2^bits``."""
    layout = f"gptq_qzeros_{bits}bit"
    if bits == 3:
        whole = np.pad(words, ((0, 0), (0, -words.shape[1] % 3)))
        return (reference.unpack(whole, layout) + less) & 7
    return reference.unpack(words + np.uint32(less * sum(1 << low for low in range(0, 32, bits))), layout)


def _spec(group: Group, bits: int, size: int) -> BlockSpec:
    number = integers(bits, signed=False)
    return BlockSpec(
        name=f"gptq_{bits}bit_g{size}",
        element=number,
        block=(size,),
        scale=Level(format=FORMATS[group.dtype(".scales")]),
        shift=Level(format=number),
        shift_kind=Shift.ZERO_POINT,
        source="GPTQ (arXiv 2210.17323) as GPTQModel 7.7.0 stores it",
    )
