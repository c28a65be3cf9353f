"""ONNX: initialisers and Constant nodes, of the graph and of the graphs inside it. Nothing is run.

Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, numpy_helper

from analysis.tensors.tensor import Skipped, Tensor, Wanted

#: bytes of an element, and the field of the values where they are not raw bytes
_FLOATS: dict[int, tuple[int, str]] = {
    TensorProto.FLOAT16: (2, "int32_data"),
    TensorProto.BFLOAT16: (2, "int32_data"),
    TensorProto.FLOAT: (4, "float_data"),
    TensorProto.DOUBLE: (8, "double_data"),
}
#: a tensor, numbers in an attribute, or the reason not to load it
_Content = TensorProto | NDArray[np.float32] | str


def read(path: Path, wanted: Wanted) -> Iterator[Tensor | Skipped]:
    """The wanted tensors; one inside an ``If``, a ``Loop`` or a function has the outer names before its own.

    A file that a tensor points to is never opened: external data is a ``ValueError`` that names the tensor, as is
    damage. Training information is not read.
    """
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except DecodeError as error:
        raise ValueError(f"{path} is not a valid ONNX model: {error}") from error
    if not (model.HasField("graph") and model.ir_version > 0 and model.opset_import):
        raise ValueError(f"{path} is not a valid ONNX model: its graph, ir_version or opset_import is missing")
    entries = list(_graph(model.graph, ""))
    for function in model.functions:
        entries += _nodes(function.node, f"{_text(function.domain)}:{_text(function.name)}/")
    for name, count in Counter(name for name, _ in entries).items():
        if count > 1:
            raise ValueError(f"{path} is not a valid ONNX model: {count} tensors are called {name!r}")
    for name, content in entries:
        if wanted(name):
            yield _entry(name, content, path)


def _text(field: object) -> str:
    """A name; protobuf hands out bytes where it is not UTF-8."""
    if not isinstance(field, str):
        raise ValueError(f"the ONNX model is damaged: a name that is not UTF-8, {field!r}")
    return field


def _graph(graph: GraphProto, outer: str) -> Iterator[tuple[str, _Content]]:
    for tensor in graph.initializer:
        yield outer + _text(tensor.name), tensor
    for sparse in graph.sparse_initializer:
        yield outer + _text(sparse.values.name), "a sparse tensor"
    yield from _nodes(graph.node, outer)


def _nodes(nodes: Iterable[NodeProto], outer: str) -> Iterator[tuple[str, _Content]]:
    for node in nodes:
        name = outer + _text(node.output[0] if node.output else node.name)
        for attribute in node.attribute:
            if node.op_type == "Constant":
                yield name, _constant(attribute)
            for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _graph(graph, f"{name}/{_text(attribute.name)}/")


def _constant(attribute: AttributeProto) -> _Content:
    match attribute.name:
        case "value":
            return attribute.t
        case "value_float":
            return np.array(attribute.f, np.float32)
        case "value_floats":
            return np.array(attribute.floats, np.float32)
        case other:
            return f"a Constant of {_text(other)}"


def _entry(name: str, content: _Content, path: Path) -> Tensor | Skipped:
    if isinstance(content, str):
        return Skipped(name=name, reason=content)
    if isinstance(content, np.ndarray):
        return Tensor(name=name, values=content, source=str(path))
    if content.data_location == TensorProto.EXTERNAL or content.external_data:
        raise ValueError(
            f"{path}: tensor {name!r} keeps its data in another file, which is not opened; save the model with its "
            "data inside (onnx.save_model(..., save_as_external_data=False))"
        )
    if content.data_type not in _FLOATS:
        return Skipped(name=name, reason=f"dtype {_dtype_name(content.data_type)}, not a float of 16, 32 or 64 bits")
    return Tensor(name=name, values=_values(name, content, path), source=str(path))


def _dtype_name(number: int) -> str:
    known = number in TensorProto.DataType.values()
    return TensorProto.DataType.Name(number) if known else f"number {number}"


def _values(name: str, tensor: TensorProto, path: Path) -> NDArray[Any]:
    """The tensor's values, whose number must be what the shape says: nothing is inferred, cut or repeated."""
    size, field = _FLOATS[tensor.data_type]
    found = len(tensor.raw_data) / size if tensor.HasField("raw_data") else len(getattr(tensor, field))
    shape = list(tensor.dims)
    if min(shape, default=0) < 0 or math.prod(shape) != found:
        raise ValueError(f"{path}: tensor {name!r} of shape {shape} needs {math.prod(shape)} values, it has {found:g}")
    if size == 2 and any(not 0 <= word < 1 << 16 for word in tensor.int32_data):
        raise ValueError(f"{path}: tensor {name!r} holds a 16-bit pattern outside 0..65535")
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{path}: tensor {name!r} of shape {shape} cannot be read: {error}") from error
