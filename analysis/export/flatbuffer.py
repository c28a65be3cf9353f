"""TFLite flatbuffers from plain records: tensors, and operators that name them by their place."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: neither package has complete types
_SCHEMA: Any = importlib.import_module("tflite")
_FLATBUFFERS: Any = importlib.import_module("flatbuffers")
_IDENTIFIER, _VERSION = b"TFL3", 3

#: the schema's element types that are written here
ELEMENT_TYPES = {"int8": "INT8", "uint8": "UINT8", "int16": "INT16", "int32": "INT32", "float32": "FLOAT32"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tensor:
    """A tensor of a graph. ``data``: its constant, None for one that is computed.

    ``scales`` and ``zero_point``: one scale, or one for each index of axis ``axis``; no scales for plain integers.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    data: NDArray[Any] | None = None
    scales: tuple[float, ...] = ()
    zero_point: int = 0
    axis: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator. ``code``: its name in the schema's BuiltinOperator; ``inputs`` and ``outputs``: places of tensors.

    ``options``: the name of its options table, or none, and the fields that it sets, by their names in the schema.
    """

    code: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: str | None = None
    fields: Mapping[str, int | bool | float | tuple[int, ...]] = field(default_factory=dict[str, int])


def model(tensors: Sequence[Tensor], operators: Sequence[Operator], outputs: Sequence[int]) -> bytes:
    """The flatbuffer of one graph, whose inputs are the tensors without data that no operator makes.

    Scales are rounded to binary32, since the schema has no other. Source: the TFLite schema, version 3
    (tensorflow/lite/schema/schema.fbs), through the classes of the package tflite.

    >>> x = Tensor(name="x", shape=(1, 2), dtype="int8", scales=(0.5,))
    >>> y = Tensor(name="y", shape=(2,), dtype="int8", scales=(0.5,))
    >>> shape = Tensor(name="shape", shape=(1,), dtype="int32", data=np.array([2], np.int32))
    >>> reshape = Operator(code="RESHAPE", version=1, inputs=(0, 2), outputs=(1,))
    >>> model([x, y, shape], [reshape], [1])[4:8]
    b'TFL3'
    """
    return _Writing(_FLATBUFFERS.Builder(1 << 16)).model(tensors, operators, outputs)


@dataclass(slots=True)
class _Writing:
    builder: Any

    def model(self, tensors: Sequence[Tensor], operators: Sequence[Operator], outputs: Sequence[int]) -> bytes:
        made = {place for operator in operators for place in operator.outputs}
        inputs = [n for n, tensor in enumerate(tensors) if tensor.data is None and n not in made]
        codes = list(dict.fromkeys((operator.code, operator.version) for operator in operators))
        buffers = [self._table("Buffer", {})] + [self._buffer(t.data) for t in tensors if t.data is not None]
        graph = self._table(
            "SubGraph",
            {
                "Tensors": self._tables("SubGraph", "Tensors", self._tensors(tensors)),
                "Inputs": self._numbers(np.array(inputs, np.int32)),
                "Outputs": self._numbers(np.array(outputs, np.int32)),
                "Operators": self._tables("SubGraph", "Operators", [self._operator(o, codes) for o in operators]),
            },
        )
        fields = {
            "Version": _VERSION,
            "OperatorCodes": self._tables("Model", "OperatorCodes", [self._code(*code) for code in codes]),
            "Subgraphs": self._tables("Model", "Subgraphs", [graph]),
            "Buffers": self._tables("Model", "Buffers", buffers),
        }
        self.builder.Finish(self._table("Model", fields), _IDENTIFIER)
        return bytes(self.builder.Output())

    def _table(self, name: str, fields: Mapping[str, Any]) -> int:
        _call(f"{name}Start")(self.builder)
        for key, content in fields.items():
            _call(f"{name}Add{key}")(self.builder, content)
        return _call(f"{name}End")(self.builder)

    def _tables(self, name: str, key: str, offsets: Sequence[int]) -> int:
        _call(f"{name}Start{key}Vector")(self.builder, len(offsets))
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return self.builder.EndVector()

    def _numbers(self, numbers: NDArray[Any]) -> int:
        return self.builder.CreateNumpyVector(numbers)

    def _buffer(self, data: NDArray[Any]) -> int:
        little = np.ascontiguousarray(data, data.dtype.newbyteorder("<")).reshape(-1).view(np.uint8)
        return self._table("Buffer", {"Data": self._numbers(little)})

    def _tensors(self, tensors: Sequence[Tensor]) -> list[int]:
        offsets: list[int] = []
        buffer = 0
        for tensor in tensors:
            buffer += tensor.data is not None
            offsets.append(self._tensor(tensor, buffer if tensor.data is not None else 0))
        return offsets

    def _tensor(self, tensor: Tensor, buffer: int) -> int:
        fields = {
            "Shape": self._numbers(np.array(tensor.shape, np.int32)),
            "Type": getattr(_SCHEMA.TensorType, ELEMENT_TYPES[tensor.dtype]),
            "Buffer": buffer,
            "Name": self.builder.CreateString(tensor.name),
        }
        if tensor.scales:
            fields["Quantization"] = self._quantisation(tensor)
        return self._table("Tensor", fields)

    def _quantisation(self, tensor: Tensor) -> int:
        zero_points = np.full(len(tensor.scales), tensor.zero_point, np.int64)
        fields = {
            "Scale": self._numbers(np.array(tensor.scales, np.float32)),
            "ZeroPoint": self._numbers(zero_points),
            "QuantizedDimension": tensor.axis,
        }
        return self._table("QuantizationParameters", fields)

    def _code(self, code: str, version: int) -> int:
        number = getattr(_SCHEMA.BuiltinOperator, code)
        fields = {"DeprecatedBuiltinCode": min(number, 127), "BuiltinCode": number, "Version": version}
        return self._table("OperatorCode", fields)

    def _operator(self, operator: Operator, codes: Sequence[tuple[str, int]]) -> int:
        fields = {
            "OpcodeIndex": codes.index((operator.code, operator.version)),
            "Inputs": self._numbers(np.array(operator.inputs, np.int32)),
            "Outputs": self._numbers(np.array(operator.outputs, np.int32)),
        }
        if operator.options is not None:
            content = {key: self._content(number) for key, number in operator.fields.items()}
            fields["BuiltinOptionsType"] = getattr(_SCHEMA.BuiltinOptions, operator.options)
            fields["BuiltinOptions"] = self._table(operator.options, content)
        return self._table("Operator", fields)

    def _content(self, number: int | bool | float | tuple[int, ...]) -> Any:
        return self._numbers(np.array(number, np.int32)) if isinstance(number, tuple) else number


def _call(name: str) -> Callable[..., int]:
    return getattr(_SCHEMA, name)
