"""HAWQ-V3's quantised networks: 4 or 8 bits into every layer, 16 bits between residual blocks, no zero point at all."""

from __future__ import annotations

from dataclasses import dataclass, field

from analysis.networks import integer_parameters as integers
from analysis.networks.calibration import Ranges
from analysis.networks.float_network import (
    FloatAdd,
    FloatFlatten,
    FloatInput,
    FloatNetwork,
    FloatNode,
    FloatPool,
    FloatWeighted,
)
from analysis.networks.integer_nodes import unchanged, weighted
from analysis.networks.schemes import Scheme
from formats import IntSpec
from formats.results import INT16, INT32
from reference.integer.network import Add, Affine, Input, Network, Node, Requantise


def residual_stream(network: FloatNetwork, ranges: Ranges, chosen: Scheme) -> Network:
    """The integer-only network as HAWQ-V3's code builds it, node by node.

    - A layer of 8 bits takes symmetric int8, one of 4 bits uint4 without a zero point, so nothing negative; its weights
      are int8 or int4 with a scale for each output channel. The first and the last layer have 8.
    - A layer that one other layer takes is requantised to that layer's input; the ranges are those after activations.
    - The residual stream has scales ``max(|low|, |high|) / 32767`` of the numbers before activations. What enters it is
      clamped to 16 bits; sums are not, and so are int32. A branch that ends in a sum is requantised from its
      accumulator to the scale of that sum, without another stop. What leaves the stream for a layer is a node
      ``STREAM/FORMAT``.
    - The network's output is int32 with the least of the last layer's scales: there, floats multiply each class's
      accumulator by a scale of its own, after the integers. That is the one step that is ours.

    Their code observes the range of the stream's first tensor after a max pool, which this does before it.
    Source: HAWQ-V3, arXiv 2011.10680, and its code, q_resnet.py and quant_modules.py.
    """
    return _Building(network, ranges, chosen).network()


@dataclass(slots=True)
class _Building:
    float_network: FloatNetwork
    ranges: Ranges
    chosen: Scheme
    nodes: dict[str, Node] = field(default_factory=dict[str, Node])

    def network(self) -> Network:
        for node in self.float_network:
            self.nodes[node.name] = self._integer(node)
        return Network(name=self.float_network.name, nodes=tuple(self.nodes.values()))

    def _integer(self, node: FloatNode) -> Node:
        match node:
            case FloatInput():
                return Input(name=node.name, out=self._narrow(node.name, 8), shape=node.shape)
            case FloatPool() | FloatFlatten():
                return unchanged(node, self.nodes[node.inputs[0]].out, self.chosen)
            case FloatAdd():
                out = self._stream(node.name, INT32)
                clamp = integers.clamp(node.bounds, out, integers.half_even)
                return Add(name=node.name, inputs=node.inputs, out=out, rule=self.chosen.addition, clamp=clamp)
            case FloatWeighted():
                return self._layer(node)
            case _:
                raise TypeError(f"node {node.name!r} is a {type(node).__name__}, which scheme hawq_v3 does not have")

    def _layer(self, node: FloatWeighted) -> Node:
        bits = self._bits(node)
        given = self._taken(node.inputs[0], bits)
        source = self.nodes[given].out
        weights = integers.hawq_weights(node.weight, bits)
        if node is self.float_network.nodes[-1]:
            unit = min(float(integers.F32(source.scale) * scale) for scale in weights[1])
            out = Affine(format=INT32, scale=unit)
        else:
            out = self._destination(node)
        fmt = integers.INT4 if bits == 4 else integers.INT8
        return weighted(node, source, out, weights, fmt, self.chosen.rule, integers.half_even, (given,))

    def _bits(self, node: FloatWeighted) -> int:
        bits = self.chosen.bits.get(node.name, 8)
        first, last = self.float_network.weighted[0], self.float_network.weighted[-1]
        if bits == 4 and node in (first, last):
            raise ValueError(f"4 bits for {node.name!r}: the first and the last layer have 8 in scheme hawq_v3")
        return bits

    def _destination(self, node: FloatWeighted) -> Affine:
        """The output's quantisation: of the only layer or sum that takes it, or of the stream."""
        match self._takers(node.name):
            case [FloatAdd() as taker]:
                return self._stream(taker.name, INT32)
            case [FloatWeighted() as taker]:
                return self._narrow(node.name, self._bits(taker))
            case _:
                return self._stream(node.name, INT16)

    def _takers(self, name: str) -> list[FloatNode]:
        """What takes a node, looking through flattening and max pools."""
        found: list[FloatNode] = []
        for consumer in map(self.float_network.__getitem__, self.float_network.consumers(name)):
            passes = isinstance(consumer, FloatFlatten) or (isinstance(consumer, FloatPool) and consumer.kind == "max")
            found += self._takers(consumer.name) if passes else [consumer]
        return found

    def _stream(self, name: str, fmt: IntSpec) -> Affine:
        return integers.symmetric(self.ranges[name].before, fmt, 16)

    def _narrow(self, name: str, bits: int) -> Affine:
        found = self.ranges[name].after
        if bits == 8:
            return integers.symmetric(found, integers.INT8, 8)
        try:
            return integers.scale_only_uint4(found)
        except ValueError as error:
            raise ValueError(f"node {name!r}: {error}") from None

    def _taken(self, name: str, bits: int) -> str:
        """The node that a layer of these bits takes: the float network's, or that one requantised from the stream."""
        fmt = integers.UINT4 if bits == 4 else integers.INT8
        if self.nodes[name].out.format == fmt:
            return name
        requantised = f"{name}/{fmt.name}"
        if requantised not in self.nodes:
            self.nodes[requantised] = Requantise(
                name=requantised, inputs=(name,), out=self._narrow(name, bits), rule=self.chosen.rule
            )
        return requantised
