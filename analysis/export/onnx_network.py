"""Integer-only networks as ONNX models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from analysis.export.shapes import Shape, with_batch
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

#: its types are not complete
_CHECKER: Any = onnx.checker
#: ONNX Runtime's own operators: QLinearAdd, QLinearConcat and the average pools are not in the standard
MICROSOFT = "com.microsoft"
OPSETS = (("", 13), (MICROSOFT, 1))
IR_VERSION = 8
_TO_PLANES, _FROM_PLANES = (0, 3, 1, 2), (0, 2, 3, 1)
_ELEMENTS = {"int8": TensorProto.INT8, "uint8": TensorProto.UINT8}


def to_onnx(network: Network, *, batch: int | None = None) -> onnx.ModelProto:
    """The ONNX model of a network: NHWC outside, NCHW inside, with one transposition at each edge.

    ONNX names no requantiser: the rules are those of the runtime, not of the records; what those of ONNX Runtime are:
    `analysis.export.golden`. A convolution is QLinearConv; so is a linear layer with a bias, over a picture of one
    element, since QLinearMatMul has no bias. Requantise is DequantizeLinear and QuantizeLinear, a table Cast, Add and
    Gather, a clamp Max and Min. ``batch``: its size, any where None.

    Raises ``ValueError``, naming the node, where an activation is neither int8 nor uint8, or a scale is no binary32
    number (see `analysis.export.with_binary32_scales`).

    >>> import formats
    >>> affine = Affine(format=formats.get("int8"), scale=0.5)
    >>> x = Input(name="x", out=affine, shape=(4,))
    >>> relu = Clamp(name="relu", inputs=("x",), out=affine, low=0, high=127)
    >>> [node.op_type for node in to_onnx(Network(name="relu", nodes=(x, relu))).graph.node]
    ['Max']
    """
    check_network(network, tuple(_ELEMENTS))
    graph = _Graph(network, with_batch(network, 1))
    for node in network:
        graph.add(node)
    name, out = graph.finished()
    source = next(node for node in network if isinstance(node, Input))
    ends = (
        [_information(source.name, source.out, (batch, *source.shape))],
        [_information(name, out.out, (batch, *graph.shapes[out.name][1:]))],
    )
    made = helper.make_graph(graph.nodes, network.name, *ends, initializer=graph.constants)
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="assay")
    _CHECKER.check_model(model)
    return model


def _information(name: str, affine: Affine, shape: tuple[int | None, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, _ELEMENTS[affine.format.name], shape)


@dataclass(slots=True)
class _Graph:
    network: Network
    shapes: dict[str, Shape]
    nodes: list[onnx.NodeProto] = field(default_factory=list[onnx.NodeProto])
    constants: list[onnx.TensorProto] = field(default_factory=list[onnx.TensorProto])
    #: the tensor of each node; pictures are NCHW there
    names: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, node: Node) -> None:
        """The operators of one node, after those of its inputs."""
        match node:
            case Input():
                self.names[node.name] = node.name
                if len(node.shape) == 3:
                    self._operator("Transpose", node, (node.name,), suffix="/planes", perm=_TO_PLANES)
            case Convolution():
                self._convolution(node)
            case Linear():
                self._linear(node)
            case Add():
                self._own("QLinearAdd", node, [part for name in node.inputs for part in self._quantised(name)])
            case Pool():
                self._pool(node)
            case Requantise():
                source = self._quantised(node.inputs[0])
                self._operator("DequantizeLinear", node, source, suffix="/real")
                self._operator("QuantizeLinear", node, (self.names[node.name], *self._scale(node.name, node.out)))
            case Clamp():
                self.names[node.name] = self.names[node.inputs[0]]
            case Concatenate():
                axis = 1 if len(self.shapes[node.name]) == 4 else -1
                inputs = [*self._scale(node.name, node.out)]
                inputs += [part for name in node.inputs for part in self._quantised(name)]
                self._operator("QLinearConcat", node, inputs, domain=MICROSOFT, axis=axis)
            case Table():
                self._table(node)
            case Flatten():
                self._flatten(node)
            case _:
                raise TypeError(f"node {node.name!r} is a {type(node).__name__}, which ONNX is not given")
        for bound, limit in output_clamp(node):
            operator, constant = ("Max", "lower") if bound == "MAXIMUM" else ("Min", "upper")
            value = self._constant(f"{node.name}/{constant}", np.array(limit, node.out.format.name))
            self._operator(operator, node, (self.names[node.name], value), suffix=f"/{operator}")

    def finished(self) -> tuple[str, Node]:
        """The name of the output tensor, NHWC, and its node."""
        out = self.network.output
        if len(self.shapes[out.name]) == 4:
            self._operator("Transpose", out, (self.names[out.name],), suffix="/rows", perm=_FROM_PLANES)
        return self.names[out.name], out

    def _operator(self, code: str, node: Node, inputs: Any, *, suffix: str = "", **attributes: Any) -> None:
        """An operator that makes the tensor of a node, or a step towards it."""
        output = f"{node.name}{suffix}"
        self.nodes.append(helper.make_node(code, list(inputs), [output], name=output, **attributes))
        self.names[node.name] = output

    def _own(self, code: str, node: Node, inputs: list[str], **attributes: Any) -> None:
        """One of ONNX Runtime's operators, which name the output's quantisation last."""
        inputs += self._scale(node.name, node.out)
        self._operator(code, node, inputs, domain=MICROSOFT, **attributes)

    def _constant(self, name: str, data: NDArray[Any]) -> str:
        if all(constant.name != name for constant in self.constants):
            self.constants.append(numpy_helper.from_array(data.copy(order="C"), name))
        return name

    def _scale(self, name: str, affine: Affine) -> tuple[str, str]:
        scale = self._constant(f"{name}/scale", np.array(affine.scale, np.float32))
        return scale, self._constant(f"{name}/zero_point", np.array(affine.zero_point, affine.format.name))

    def _quantised(self, name: str) -> tuple[str, str, str]:
        return (self.names[name], *self._scale(name, self.network[name].out))

    def _weights(self, node: Weighted, weight: NDArray[Any]) -> tuple[str, str, str]:
        """The names of weights, scales and zero points."""
        scale = np.array(node.weight_scale[0] if len(node.weight_scale) == 1 else node.weight_scale, np.float32)
        return (
            self._constant(f"{node.name}/weight", weight),
            self._constant(f"{node.name}/weight_scale", scale),
            self._constant(f"{node.name}/weight_zero_point", np.zeros(scale.shape, np.int8)),
        )

    def _convolution(self, node: Convolution) -> None:
        inputs = (*self._quantised(node.inputs[0]), *self._weights(node, node.weight.transpose(0, 3, 1, 2)))
        inputs += (*self._scale(node.name, node.out), self._constant(f"{node.name}/bias", node.bias))
        window = _window(node.weight.shape[1:3], node.strides, node.padding)
        self._operator("QLinearConv", node, inputs, group=node.groups, **window)

    def _linear(self, node: Linear) -> None:
        source = self._quantised(node.inputs[0])
        scale = self._scale(node.name, node.out)
        if not node.bias.any():
            self._operator("QLinearMatMul", node, (*source, *self._weights(node, node.weight.T), *scale))
            return
        ones = self._constant(f"{node.name}/picture", np.array([0, -1, 1, 1]))
        self._operator("Reshape", node, (source[0], ones), suffix="/picture_of_one")
        inputs = (self.names[node.name], *source[1:], *self._weights(node, node.weight[:, :, None, None]), *scale)
        inputs += (self._constant(f"{node.name}/bias", node.bias),)
        self._operator("QLinearConv", node, inputs, suffix="/convolved")
        self._features(node)

    def _features(self, node: Node) -> None:
        """(batch, channels, 1, 1) as (batch, channels)."""
        self._operator("Flatten", node, (self.names[node.name],), axis=1)

    def _pool(self, node: Pool) -> None:
        source = self._quantised(node.inputs[0])
        if node.window is None and node.kind != "max":
            inputs = [*source, *self._scale(node.name, node.out)]
            self._operator("QLinearGlobalAveragePool", node, inputs, suffix="/mean", domain=MICROSOFT, channels_last=0)
            self._features(node)
            return
        size = node.window or self.shapes[node.inputs[0]][1:3]
        window = _window(size, node.strides if node.window else (1, 1), node.padding)
        suffix = "" if node.window else "/greatest"
        if node.kind == "max":
            self._operator("MaxPool", node, source[:1], suffix=suffix, **window)
        else:
            self._own("QLinearAveragePool", node, [*source], count_include_pad=0, **window)
        if node.window is None:
            self._features(node)

    def _table(self, node: Table) -> None:
        least = self.network[node.inputs[0]].out.format.minimum
        offset = self._constant(f"{node.name}/offset", np.array(-least, np.int32))
        table = self._constant(f"{node.name}/table", np.array(node.table, node.out.format.name))
        self._operator("Cast", node, (self.names[node.inputs[0]],), suffix="/wide", to=TensorProto.INT32)
        self._operator("Add", node, (self.names[node.name], offset), suffix="/places")
        self._operator("Gather", node, (table, self.names[node.name]), axis=0)

    def _flatten(self, node: Flatten) -> None:
        """Row by row, so that pictures go back to NHWC first."""
        name = self.names[node.inputs[0]]
        if len(self.shapes[node.inputs[0]]) == 4:
            self._operator("Transpose", node, (name,), suffix="/rows", perm=_FROM_PLANES)
            name = self.names[node.name]
        self._operator("Flatten", node, (name,), axis=1)


def _window(size: Shape, strides: tuple[int, int], padding: Any) -> dict[str, Any]:
    (top, bottom), (left, right) = padding
    return {"kernel_shape": list(size), "strides": list(strides), "pads": [top, left, bottom, right]}
