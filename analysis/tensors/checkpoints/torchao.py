"""torchao's MXTensor and NVFP4Tensor, which its flattening names in the metadata of the file.

``module._weight_qdata`` and ``module._weight_scale`` make up ``module.weight``; NVFP4 may have
``module._weight_per_tensor_scale``, which multiplies. MX decodes in the dtype that the metadata states, scale and
product; NVFP4 in binary32, the product of the two scales, then that with the element, and then the stated dtype.
Scales that are swizzled for tensor cores are not read.

Source: torchao 0.18.0, prototype/safetensors/safetensors_support.py, prototype/mx_formats/mx_tensor.py (to_dtype) and
nvfp4_tensor.py (dequantize).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from numpy.typing import NDArray

import reference
from analysis.tensors.checkpoints.config import Config
from analysis.tensors.checkpoints.group import Group
from analysis.tensors.checkpoints.quantised import Quantised
from analysis.tensors.checkpoints.stored_numbers import E4M3, FLOATS
from analysis.tensors.safetensors_file import Contents
from analysis.tensors.tensor import Skipped
from formats.block_formats.named import block
from formats.block_formats.spec import BlockSpec, Level
from reference.blocks import BlockTensor

_CODES, _SCALE, _TENSOR_SCALE, _ACTIVATIONS = "qdata", "scale", "per_tensor_scale", "act_per_tensor_scale"
_PAIRS = "4bit_low_first"
#: what the metadata calls elements: our block format, and whether two share a byte
_MX = {
    "float8_e4m3fn": ("mxfp8_e4m3", False),
    "float8_e5m2": ("mxfp8_e5m2", False),
    "float4_e2m1fn_x2": ("mxfp4", True),
    "fp6_e2m3": ("mxfp6_e2m3", False),
    "fp6_e3m2": ("mxfp6_e3m2", False),
}


def groups(file: Contents, beside: Callable[[], Config]) -> Iterator[Group]:
    """The weights of the two kinds of which the file has a tensor. ``ValueError`` if the metadata is no JSON."""
    for name, text in file.metadata.items():
        kind = next((kind for kind in _READERS if f'"{kind}"' in text), None)
        if kind is not None and "." in name:
            attributes = _attributes(file, name, text)
            group = _group(file, beside, name, attributes, kind)
            if attributes.get("_type") == kind and group.members:
                yield group


def _group(file: Contents, beside: Callable[[], Config], name: str, attributes: Mapping[str, Any], kind: str) -> Group:
    module, _, weight = name.rpartition(".")
    full = {ending: f"{module}._{weight}_{ending}" for ending in (_CODES, _SCALE, _TENSOR_SCALE, _ACTIVATIONS)}
    return Group(
        name=name,
        file=file,
        members={ending: file.tensors[full[ending]] for ending in full if full[ending] in file.tensors},
        missing=tuple(full[ending] for ending in (_CODES, _SCALE) if full[ending] not in file.tensors),
        beside=beside,
        attributes=attributes,
        reader=_READERS[kind],
    )


def _attributes(file: Contents, name: str, text: str) -> dict[str, Any]:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file.path}: the metadata of {name!r} is not JSON: {error}") from None
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def _stated(group: Group, key: str) -> Any:
    """An attribute, unwrapped where it is an object with a type."""
    data = group.attributes.get("_data")
    value: Any = cast(dict[str, Any], data).get(key) if isinstance(data, dict) else None
    return cast(dict[str, Any], value).get("_data") if isinstance(value, dict) else value


def _dtype(group: Group) -> str:
    dtype, accepted = _stated(group, "orig_dtype"), tuple(FLOATS.values())
    group.need(dtype in accepted, _CODES, f"has orig_dtype {dtype!r} in the metadata; accepted: {', '.join(accepted)}")
    return cast(str, dtype)


def _read_mx(group: Group) -> Quantised | Skipped:
    element = _stated(group, "elem_dtype")
    if element not in _MX:
        return group.skipped(f"MXTensor of {element!r}, not one of {', '.join(_MX)}")
    name, paired = _MX[element]
    dtype = _dtype(group)
    return _read(group, block(name), paired, dtype, (dtype,))


def _read_nvfp4(group: Group) -> Quantised | Skipped:
    spec = block("nvfp4")
    if _TENSOR_SCALE not in group.members:
        spec = replace(spec, name="nvfp4_one_level", scale=Level(format=spec.scale.format))
    return _read(group, spec, True, "float32", tuple(dict.fromkeys(("float32", _dtype(group)))))


def _tensor_scale(group: Group) -> NDArray[Any]:
    scale = group.array(_TENSOR_SCALE, ("F32",))
    group.need(scale.size == 1, _TENSOR_SCALE, f"has shape {list(scale.shape)}, one number is due")
    return scale.reshape(())


_READERS = {"MXTensor": _read_mx, "NVFP4Tensor": _read_nvfp4}


def _read(
    group: Group, spec: BlockSpec, paired: bool, scale_dtype: str, dtypes: tuple[str, ...]
) -> Quantised | Skipped:
    if _stated(group, "is_swizzled_scales"):
        return group.skipped(f"{spec.name} with scales that are swizzled")
    size = _stated(group, "block_size")
    group.need((size,) == spec.block, _CODES, f"has block_size {size!r} in the metadata, {spec.block[0]} is due")
    stored = group.array(_CODES, ("U8",) if paired else ("U8", "F8_E4M3", "F8_E5M2"))
    group.need(stored.ndim >= 1, _CODES, "has no axis")
    weights = reference.unpack(stored, _PAIRS) if paired else stored
    scales = group.array(_SCALE, ("F8_E4M3",) if spec.scale.format == E4M3 else ("F8_E8M0", "U8"))
    due = (*weights.shape[:-1], weights.shape[-1] // size)
    group.need(scales.shape == due, _SCALE, f"has shape {list(scales.shape)}, {list(due)} is due")
    second = _tensor_scale(group) if _TENSOR_SCALE in group.members else None
    blocks = BlockTensor(spec=spec, codes=weights, scales=scales, second=second)
    return Quantised(
        name=group.name,
        blocks=blocks,
        shape=tuple(weights.shape),
        scale_dtype=scale_dtype,
        dtypes=dtypes,
        source=group.source(f"torchao {spec.name}"),
    )
