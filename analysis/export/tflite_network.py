"""Integer-only networks as TFLite flatbuffers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analysis.export.flatbuffer import Operator, Tensor, model
from analysis.export.shapes import Shape, Window, with_batch
from analysis.export.suitable import check_network, output_clamp
from reference.integer.network import (
    Add,
    Affine,
    Clamp,
    Concatenate,
    Convolution,
    Flatten,
    Input,
    Linear,
    Network,
    Node,
    Pool,
    Requantise,
    Table,
    Weighted,
)

_SAME, _VALID = 0, 1


def to_tflite(network: Network, *, batch: int = 1) -> bytes:
    """The flatbuffer of a network: weights, scales and zero points of the records, NHWC, one operator a node.

    A flatbuffer names no requantiser: the rules are those of the kernel that runs it, not of the records. What those
    are, for each kernel of LiteRT: `analysis.export.golden`. Averages are AVERAGE_POOL_2D, tables CAST, ADD and
    GATHER, clamps MAXIMUM and MINIMUM, and padding that is neither SAME nor VALID is an operator of its own.

    Raises ``ValueError``, naming the node, where an activation is not int8, a scale is no binary32 number (see
    `analysis.export.with_binary32_scales`), or an average has padding that is neither SAME nor VALID.

    >>> import formats
    >>> from reference.integer.network import Affine, Clamp, Input
    >>> affine = Affine(format=formats.get("int8"), scale=0.5)
    >>> x = Input(name="x", out=affine, shape=(4,))
    >>> relu = Clamp(name="relu", inputs=("x",), out=affine, low=0, high=127)
    >>> to_tflite(Network(name="relu", nodes=(x, relu)))[4:8]
    b'TFL3'
    """
    check_network(network, ("int8",))
    graph = _Graph(network, with_batch(network, batch))
    for node in network:
        graph.add(node)
    return model(graph.tensors, graph.operators, [graph.places[network.output.name]])


@dataclass(slots=True)
class _Graph:
    network: Network
    shapes: dict[str, Shape]
    tensors: list[Tensor] = field(default_factory=list[Tensor])
    operators: list[Operator] = field(default_factory=list[Operator])
    places: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, node: Node) -> None:
        """The operators of one node, after those of its inputs."""
        match node:
            case Input():
                place = self._tensor(node.name, self.shapes[node.name], node.out)
            case Convolution():
                place = self._convolution(node)
            case Linear():
                place = self._linear(node)
            case Add():
                inputs = tuple(self.places[name] for name in node.inputs)
                place = self._computed(node, "ADD", inputs, "AddOptions", {"PotScaleInt16": False}, version=2)
            case Pool():
                place = self._pool(node)
            case Requantise():
                place = self._computed(node, "QUANTIZE", (self._only(node),), "QuantizeOptions", {}, version=2)
            case Clamp():
                place = self._only(node)
            case Concatenate():
                place = self._concatenation(node)
            case Table():
                place = self._table(node)
            case Flatten():
                place = self._reshaped(node, self._only(node), self.shapes[node.name])
            case _:
                raise TypeError(f"node {node.name!r} is a {type(node).__name__}, which TFLite is not given")
        self.places[node.name] = self._clamped(node, place)

    def _only(self, node: Node) -> int:
        return self.places[node.inputs[0]]

    def _tensor(self, name: str, shape: Shape, affine: Affine) -> int:
        scales, zero_point = (affine.scale,), affine.zero_point
        return self._place(Tensor(name=name, shape=shape, dtype="int8", scales=scales, zero_point=zero_point))

    def _constant(self, name: str, data: Any, dtype: str = "int32", **quantisation: Any) -> int:
        array = np.asarray(data, dtype)
        return self._place(Tensor(name=name, shape=array.shape, dtype=dtype, data=array, **quantisation))

    def _place(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def _operator(
        self, code: str, inputs: tuple[int, ...], output: int, options: str | None, fields: Any, version: int
    ) -> int:
        self.operators.append(
            Operator(code=code, version=version, inputs=inputs, outputs=(output,), options=options, fields=dict(fields))
        )
        return output

    def _computed(
        self, node: Node, code: str, inputs: tuple[int, ...], options: str | None, fields: Any, version: int
    ) -> int:
        """An operator whose output has the shape and the quantisation of the node."""
        output = self._tensor(node.name, self.shapes[node.name], node.out)
        return self._operator(code, inputs, output, options, fields, version)

    def _reshaped(self, node: Node, source: int, shape: Shape) -> int:
        target = self._constant(f"{node.name}/shape", shape)
        output = self._tensor(node.name, shape, node.out)
        return self._operator("RESHAPE", (source, target), output, None, {}, version=1)

    def _clamped(self, node: Node, place: int) -> int:
        """MAXIMUM and MINIMUM where the node clamps to less than its format."""
        for code, bound in output_clamp(node):
            limit = self._constant(
                f"{node.name}/{code}", [bound], "int8", scales=(node.out.scale,), zero_point=node.out.zero_point
            )
            output = self._tensor(f"{node.name}/clamped", self.shapes[node.name], node.out)
            place = self._operator(code, (place, limit), output, "MaximumMinimumOptions", {}, version=2)
        return place

    def _parameters(self, node: Weighted, source: Affine, weight: Any, axis: int) -> tuple[int, int]:
        """The places of the weights and of the bias."""
        weights = self._constant(f"{node.name}/weight", weight, "int8", scales=node.weight_scale, axis=axis)
        products = tuple(float(np.float32(source.scale) * np.float32(scale)) for scale in node.weight_scale)
        return weights, self._constant(f"{node.name}/bias", node.bias, "int32", scales=products)

    def _linear(self, node: Linear) -> int:
        parameters = self._parameters(node, self.network[node.inputs[0]].out, node.weight, 0)
        inputs = (self._only(node), *parameters)
        return self._computed(node, "FULLY_CONNECTED", inputs, "FullyConnectedOptions", {}, version=12)

    def _convolution(self, node: Convolution) -> int:
        source = self.network[node.inputs[0]].out
        given, shape = self.places[node.inputs[0]], self.shapes[node.inputs[0]]
        window = Window(node.weight.shape[1:3], node.strides, node.padding)
        if not window.is_named(shape):
            given = self._padded(node, given, shape, source, source.zero_point)
        fields: dict[str, int] = {"Padding": _SAME if window.is_same(shape) else _VALID, **_strides(node.strides)}
        fields |= {"DilationWFactor": 1, "DilationHFactor": 1}
        if node.groups == shape[3] and node.groups > 1:
            weight = node.weight.transpose(3, 1, 2, 0)
            fields["DepthMultiplier"] = weight.shape[3] // node.groups
            inputs = (given, *self._parameters(node, source, weight, 3))
            return self._computed(node, "DEPTHWISE_CONV_2D", inputs, "DepthwiseConv2DOptions", fields, version=3)
        inputs = (given, *self._parameters(node, source, node.weight, 0))
        return self._computed(node, "CONV_2D", inputs, "Conv2DOptions", fields, version=3)

    def _padded(self, node: Convolution | Pool, given: int, shape: Shape, source: Affine, value: int) -> int:
        """PADV2: ``value`` around the picture."""
        amounts = self._constant(f"{node.name}/padding", ((0, 0), *node.padding, (0, 0)))
        quantisation = {"scales": (source.scale,), "zero_point": source.zero_point}
        constant = self._constant(f"{node.name}/padding_value", [value], "int8", **quantisation)
        rows, columns = (shape[1 + axis] + sum(node.padding[axis]) for axis in (0, 1))
        output = self._tensor(f"{node.name}/padded", (shape[0], rows, columns, shape[3]), source)
        return self._operator("PADV2", (given, amounts, constant), output, "PadV2Options", {}, version=2)

    def _pool(self, node: Pool) -> int:
        source, shape = self.network[node.inputs[0]].out, self.shapes[node.inputs[0]]
        given = self._only(node)
        window = Window(node.window or shape[1:3], node.strides if node.window else (1, 1), node.padding)
        if not window.is_named(shape):
            if node.kind != "max":
                raise ValueError(f"node {node.name!r}: the padding {node.padding} of an average is not SAME or VALID")
            given = self._padded(node, given, shape, source, node.out.format.minimum)
        fields = {"Padding": _SAME if window.is_same(shape) else _VALID, **_strides(window.strides)}
        fields |= {"FilterHeight": window.size[0], "FilterWidth": window.size[1]}
        code = "MAX_POOL_2D" if node.kind == "max" else "AVERAGE_POOL_2D"
        output = self._tensor(f"{node.name}/pooled", window.output(shape), node.out)
        place = self._operator(code, (given,), output, "Pool2DOptions", fields, version=2)
        return place if node.window else self._reshaped(node, place, self.shapes[node.name])

    def _concatenation(self, node: Concatenate) -> int:
        inputs: list[int] = []
        for number, name in enumerate(node.inputs):
            place = self.places[name]
            if self.network[name].out != node.out:
                output = self._tensor(f"{node.name}/{number}", self.shapes[name], node.out)
                place = self._operator("QUANTIZE", (place,), output, "QuantizeOptions", {}, version=2)
            inputs.append(place)
        axis = len(self.shapes[node.name]) - 1
        return self._computed(node, "CONCATENATION", tuple(inputs), "ConcatenationOptions", {"Axis": axis}, version=2)

    def _table(self, node: Table) -> int:
        """The integer plus 128, as an index."""
        shape = self.shapes[node.name]
        wide, places = (
            self._place(Tensor(name=f"{node.name}/{part}", shape=shape, dtype="int32")) for part in ("wide", "places")
        )
        options = {"InDataType": 9, "OutDataType": 2}  # INT8 to INT32
        self._operator("CAST", (self._only(node),), wide, "CastOptions", options, version=1)
        offset = self._constant(f"{node.name}/offset", [-node.out.format.minimum])
        self._operator("ADD", (wide, offset), places, "AddOptions", {"PotScaleInt16": False}, version=1)
        quantisation = {"scales": (node.out.scale,), "zero_point": node.out.zero_point}
        table = self._constant(f"{node.name}/table", node.table, "int8", **quantisation)
        return self._computed(node, "GATHER", (table, places), "GatherOptions", {"Axis": 0}, version=2)


def _strides(strides: tuple[int, int]) -> dict[str, int]:
    return {"StrideH": strides[0], "StrideW": strides[1]}
