"""The ways into a block format that a map of agreement compares: our named rules, and peers that are installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats.block_formats.named import block
from formats.block_formats.rules import block_rule
from formats.block_formats.spec import BlockSpec
from kernels_ref.blocks import dequantize_blocks, quantize_blocks

#: rules that are tried for every MX format
MX_RULES = ("floor", "ceil", "rceil", "torchao_rceil", "even", "microxcaling")
#: formats of the map, and the rules of each that go beyond `MX_RULES`
MX_FORMATS = {
    "mxfp8_e4m3": ("transformer_engine_mxfp8",),
    "mxfp8_e5m2": ("transformer_engine_mxfp8",),
    "mxfp6_e2m3": (),
    "mxfp6_e3m2": (),
    "mxfp4": ("modelopt_mxfp4", "ggml_mxfp4"),
    "mxint8": (),
}
#: the conventions of NVFP4, each with the form that it stores
NVFP4_RULES = {
    "transformer_engine_nvfp4": "nvfp4_divisor",
    "torchao_nvfp4": "nvfp4",
    "modelopt_nvfp4": "nvfp4",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a way made of a matrix: the scale code of each block, and the decoded values."""

    scales: NDArray[np.unsignedinteger[Any]]
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A named way to quantise a float32 matrix, whose last axis blocks cut."""

    name: str
    spec: BlockSpec
    quantise: Callable[[NDArray[np.float32]], Chosen]
    #: the rule that a peer is expected to equal; empty for our own rules
    expected: str = ""


def way(block_format: str | BlockSpec, rule: str) -> Way:
    """One of our rules.

    >>> made = way("mxfp4", "even").quantise(np.full((1, 32), 7, np.float32))
    >>> made.scales.tolist(), made.values[0, 0]
    ([[128]], np.float32(8.0))
    """
    spec, made = block(block_format), block_rule(rule)

    def quantise(x: NDArray[np.float32]) -> Chosen:
        found = quantize_blocks(x, spec, rule=made)
        return Chosen(scales=np.asarray(found.scales), values=np.asarray(dequantize_blocks(found)))

    return Way(name=rule, spec=spec, quantise=quantise)


def ways(block_format: str) -> list[Way]:
    """Every rule of a format of the map; ``"nvfp4"`` stands for both of its forms.

    Raises ``KeyError`` listing the formats.

    >>> [each.name for each in ways("nvfp4")]
    ['transformer_engine_nvfp4', 'torchao_nvfp4', 'modelopt_nvfp4']
    """
    if block_format == "nvfp4":
        return [way(spec, rule) for rule, spec in NVFP4_RULES.items()]
    if block_format not in MX_FORMATS:
        raise KeyError(f"unknown format {block_format!r} of the map; known: {', '.join(MX_FORMATS)}, nvfp4")
    return [way(block_format, rule) for rule in (*MX_RULES, *MX_FORMATS[block_format])]
