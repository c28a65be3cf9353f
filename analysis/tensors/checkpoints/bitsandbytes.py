"""bitsandbytes' 4-bit weights: NF4 or FP4 in blocks of the flattened weight, first element in the high nibble.

Beside the packed bytes: ``absmax``, binary32, or with double quantisation one byte that ``nested_quant_map`` decodes;
``quant_map``, the 16 values; and a JSON object as bytes that names block sizes, dtype and shape. The scales of a block
are then ``nested_quant_map[byte] * nested_absmax + nested_offset``, rounded to binary32 after each of the two
operations; here they are computed so, and are binary32 scales from there on. Product and element are rounded to
binary32, and then to the dtype that the object states.

Source: bitsandbytes 0.50.2, functional.py (QuantState, dequantize_4bit) and backends/default/ops.py.
"""

from __future__ import annotations

import json
import math
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

import reference
from analysis.tensors.checkpoints.config import is_extents
from analysis.tensors.checkpoints.group import Group
from analysis.tensors.checkpoints.quantised import Quantised
from analysis.tensors.checkpoints.stored_numbers import FLOATS, codes
from formats.block_formats.spec import BlockSpec, Level
from formats.code_books.book import CodebookSpec
from formats.code_books.named import codebook
from formats.results import FLOAT32
from reference.blocks import BlockTensor

KINDS = {"nf4": "nf4", "fp4": "bitsandbytes_fp4"}
_LAYOUT = "4bit_high_first"
_SIZES = (32, 64, 128, 256, 512, 1024, 2048, 4096)
_SCALE, _NESTED, _MAP, _NESTED_MAP = ".absmax", ".nested_absmax", ".quant_map", ".nested_quant_map"


def read(group: Group) -> Quantised:
    """The weight in its own shape; its blocks are flat where rows are no whole blocks."""
    anchor = next(ending for ending in group.members if ".quant_state." in ending)
    state = _state(group, anchor)
    kind, size, shape = anchor.rsplit("__", 1)[1], state["blocksize"], tuple(state["shape"])
    group.need(kind == state["quant_type"], anchor, f"is of the type {state['quant_type']!r}")
    weights = _codes(group, math.prod(shape))
    scales = codes(_scales(group, anchor, state))
    due = -(-weights.size // size)
    group.need(scales.size == due, _SCALE, f"has {scales.size} scales, {due} are due")
    if shape[-1] % size == 0:
        weights, scales = weights.reshape(shape), scales.reshape(*shape[:-1], -1)
    spec = BlockSpec(
        name=f"bitsandbytes_{kind}_{size}",
        element=_book(group, kind),
        block=(size,),
        scale=Level(format=FLOAT32),
        source="QLoRA (arXiv 2305.14314) as bitsandbytes 0.50.2 stores it",
    )
    blocks = BlockTensor(spec=spec, codes=weights, scales=scales)
    dtypes = tuple(dict.fromkeys(("float32", str(state["dtype"]))))
    source = group.source(f"bitsandbytes {kind}, blocks of {size}")
    return Quantised(name=group.name, blocks=blocks, shape=shape, dtypes=dtypes, source=source)


def _state(group: Group, anchor: str) -> dict[str, Any]:
    """The JSON object, with what the weight needs checked."""
    try:
        found: Any = json.loads(group.array(anchor, ("U8",), 1).tobytes())
    except (ValueError, RecursionError) as error:
        raise group.error(anchor, f"is not JSON: {error}") from None
    group.need(isinstance(found, dict), anchor, "is not a JSON object")
    state = cast(dict[str, Any], found)
    for key, accepted in (("blocksize", _SIZES), ("dtype", tuple(FLOATS.values())), ("quant_type", tuple(KINDS))):
        group.need(state.get(key) in accepted, anchor, f"says {key} {state.get(key)!r}; accepted: {accepted}")
    shape = state.get("shape")
    positive = bool(shape) and is_extents(shape)
    group.need(positive, anchor, f"says shape {shape!r}; a list of positive integers is accepted")
    return state


def _codes(group: Group, count: int) -> NDArray[Any]:
    """The codes of the flat weight, from bytes that are stored under any dtype."""
    stored = group.members[""].values
    group.need(stored is not None, "", f"has dtype {group.dtype('')}")
    packed = np.frombuffer(cast(NDArray[Any], stored).tobytes(), np.uint8)
    group.need(packed.size == -(-count // 2), "", f"has {packed.size} bytes for {count} codes of 4 bits")
    return reference.unpack(packed, _LAYOUT)[:count]


def _scales(group: Group, anchor: str, state: dict[str, Any]) -> NDArray[Any]:
    if _NESTED not in group.members:
        return group.array(_SCALE, ("F32",), 1)
    size, offset = state.get("nested_blocksize"), state.get("nested_offset")
    group.need(type(size) is int and size > 0, anchor, f"says nested_blocksize {size!r}; a positive integer is due")
    group.need(isinstance(offset, float | int), anchor, f"says nested_offset {offset!r}; a number is due")
    group.need(_NESTED_MAP in group.members, _NESTED, "has no nested_quant_map beside it")
    stored = group.array(_SCALE, ("U8",), 1)
    values, maxima = group.array(_NESTED_MAP, ("F32",), 1), group.array(_NESTED, ("F32",), 1)
    group.need(values.size == 256, _NESTED_MAP, f"has {values.size} values, 256 are due")
    due = -(-stored.size // cast(int, size))
    group.need(maxima.size == due, _NESTED, f"has {maxima.size} scales, {due} are due")
    with np.errstate(all="ignore"):
        scaled = values[stored] * np.repeat(maxima, cast(int, size))[: stored.size]
        return scaled + np.float32(cast(float, offset))


def _book(group: Group, kind: str) -> CodebookSpec:
    """The declared code-book, which the library decodes by; the values in the file must be its."""
    book = codebook(KINDS[kind])
    values = group.array(_MAP, ("F32",), 1)
    same = values.tolist() == [float(book.fraction(code)) for code in range(book.size)]
    group.need(same, _MAP, f"does not hold the {book.size} values of {book.name}")
    return book
