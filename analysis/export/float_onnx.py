"""Float networks as ONNX models: the baseline that an integer network is timed and compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from analysis.networks.float_network import (
    Activation,
    FloatActivated,
    FloatAdd,
    FloatConcatenate,
    FloatConvolution,
    FloatFlatten,
    FloatInput,
    FloatLinear,
    FloatNetwork,
    FloatNode,
    FloatPool,
    fold,
)

_CHECKER: Any = onnx.checker
_TO_PLANES, _FROM_PLANES = (0, 3, 1, 2), (0, 2, 3, 1)
OPSET, IR_VERSION = 13, 8


def to_float_onnx(network: FloatNetwork, *, batch: int | None = None) -> onnx.ModelProto:
    """The ONNX model of a float network, batch norms folded: NHWC outside, NCHW inside, all float32.

    Only standard operators. ``batch``: its size, any where None. ``TypeError`` for a node of another kind.

    >>> x = FloatInput(name="x", shape=(8, 8, 1))
    >>> mean = FloatPool(name="mean", inputs=("x",), kind="average", window=None)
    >>> [node.op_type for node in to_float_onnx(FloatNetwork(name="means", nodes=(x, mean))).graph.node]
    ['Transpose', 'GlobalAveragePool', 'Flatten']
    """
    graph = _Graph()
    folded = fold(network)
    for node in folded:
        graph.add(node)
    source = next(node for node in folded if isinstance(node, FloatInput))
    name = graph.finished(folded.nodes[-1])
    given = helper.make_tensor_value_info(source.name, TensorProto.FLOAT, (batch, *source.shape))
    rank = 4 if graph.pictures[folded.nodes[-1].name] else 2
    result = helper.make_tensor_value_info(name, TensorProto.FLOAT, (batch, *[None] * (rank - 1)))
    made = helper.make_graph(graph.nodes, network.name, [given], [result], initializer=graph.constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="assay")
    _CHECKER.check_model(model)
    return model


@dataclass(slots=True)
class _Graph:
    nodes: list[onnx.NodeProto] = field(default_factory=list[onnx.NodeProto])
    constants: list[onnx.TensorProto] = field(default_factory=list[onnx.TensorProto])
    #: the tensor of each node, NCHW where it is a picture, and whether it is one
    names: dict[str, str] = field(default_factory=dict[str, str])
    pictures: dict[str, bool] = field(default_factory=dict[str, bool])

    def add(self, node: FloatNode) -> None:
        """The operators of one node, after those of its inputs."""
        inputs = [self.names[name] for name in node.inputs]
        self.pictures[node.name] = bool(inputs) and self.pictures[node.inputs[0]]
        match node:
            case FloatInput():
                self.names[node.name] = node.name
                self.pictures[node.name] = len(node.shape) == 3
                if self.pictures[node.name]:
                    self._operator("Transpose", node, [node.name], "/planes", perm=_TO_PLANES)
            case FloatConvolution():
                inputs += self._parameters(node.name, node.weight.transpose(0, 3, 1, 2), node.biases)
                window = _window(node.weight.shape[1:3], node.strides, node.padding)
                self._operator("Conv", node, inputs, group=node.groups, **window)
            case FloatLinear():
                inputs += self._parameters(node.name, node.weight, node.biases)
                self._operator("Gemm", node, inputs, transB=1)
            case FloatAdd():
                self._operator("Add", node, inputs)
            case FloatPool():
                self._pool(node, inputs)
            case FloatConcatenate():
                self._operator("Concat", node, inputs, axis=1)
            case FloatFlatten():
                self._flatten(node)
            case _:
                raise TypeError(f"node {node.name!r} is a {type(node).__name__}, which ONNX is not given")
        if isinstance(node, FloatActivated):
            self._activation(node)

    def finished(self, last: FloatNode) -> str:
        """The name of the output tensor, NHWC."""
        if self.pictures[last.name]:
            self._operator("Transpose", last, [self.names[last.name]], "/rows", perm=_FROM_PLANES)
        return self.names[last.name]

    def _operator(self, code: str, node: FloatNode, inputs: list[str], suffix: str = "", **attributes: Any) -> None:
        output = f"{node.name}{suffix}"
        self.nodes.append(helper.make_node(code, inputs, [output], name=output, **attributes))
        self.names[node.name] = output

    def _constant(self, name: str, data: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(data.astype(np.float32, order="C"), name))
        return name

    def _parameters(self, name: str, weight: NDArray[Any], bias: NDArray[Any]) -> list[str]:
        return [self._constant(f"{name}/weight", weight), self._constant(f"{name}/bias", bias)]

    def _activation(self, node: FloatActivated) -> None:
        match Activation(node.activation):
            case Activation.NONE:
                return
            case Activation.RELU:
                self._operator("Relu", node, [self.names[node.name]], "/relu")
            case Activation.RELU6:
                limits = [self._constant(f"{node.name}/{bound}", np.array(bound)) for bound in (0, 6)]
                self._operator("Clip", node, [self.names[node.name], *limits], "/relu6")

    def _pool(self, node: FloatPool, inputs: list[str]) -> None:
        greatest = node.kind == "max"
        if node.window is None:
            self._operator("GlobalMaxPool" if greatest else "GlobalAveragePool", node, inputs, "/planes")
            self._operator("Flatten", node, [self.names[node.name]], axis=1)
            self.pictures[node.name] = False
            return
        window = _window(node.window, node.strides, node.padding)
        if greatest:
            self._operator("MaxPool", node, inputs, **window)
        else:
            self._operator("AveragePool", node, inputs, count_include_pad=0, **window)

    def _flatten(self, node: FloatFlatten) -> None:
        """Row by row, so that pictures go back to NHWC first."""
        name = self.names[node.inputs[0]]
        if self.pictures[node.inputs[0]]:
            self._operator("Transpose", node, [name], "/rows", perm=_FROM_PLANES)
            name = self.names[node.name]
        self._operator("Flatten", node, [name], axis=1)
        self.pictures[node.name] = False


def _window(size: tuple[int, ...], strides: tuple[int, int], padding: Any) -> dict[str, Any]:
    (top, bottom), (left, right) = padding
    return {"kernel_shape": list(size), "strides": list(strides), "pads": [top, left, bottom, right]}
