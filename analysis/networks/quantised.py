"""From a float network and its ranges to an integer-only network, by a scheme."""

from __future__ import annotations

from analysis.networks import integer_parameters as integers
from analysis.networks.calibration import NodeRange, Ranges
from analysis.networks.float_network import (
    FloatAdd,
    FloatConcatenate,
    FloatFlatten,
    FloatInput,
    FloatNetwork,
    FloatNode,
    FloatPool,
    FloatWeighted,
)
from analysis.networks.integer_nodes import unchanged, weighted
from analysis.networks.residual_stream import residual_stream
from analysis.networks.schemes import Activations, Scheme, scheme
from reference.integer.network import (
    Add,
    Affine,
    Concatenate,
    Input,
    Network,
    Node,
)


def quantise(network: FloatNetwork, ranges: Ranges, by: Scheme | str) -> Network:
    """The integer-only network of a float network, whose batch norms are folded (`fold`).

    ``ranges``: of every node, as `calibrate` gives. ``by``: a scheme or its name. Weights, biases, scales and zero
    points are formed in float32 as the scheme's own code forms them; what runs afterwards is integers alone. Nodes keep
    their names.

    Raises ``ValueError`` for a batch norm, a node without a range, bits for a layer that does not exist, and where a
    bias or a range cannot be represented.

    >>> import numpy as np
    >>> from analysis.networks.calibration import calibrate
    >>> from analysis.networks.float_network import FloatLinear
    >>> x = FloatInput(name="x", shape=(2,))
    >>> y = FloatLinear(name="y", inputs=("x",), weight=np.array([[1.0, -2.0]], np.float32), activation="relu")
    >>> line = FloatNetwork(name="line", nodes=(x, y))
    >>> quantise(line, calibrate(line, [[[0, 0], [1, 0]]]), "tflite_int8")["y"].weight
    array([[  64, -127]], dtype=int8)
    """
    chosen = scheme(by)
    _check(network, ranges, chosen)
    if chosen.activations is Activations.RESIDUAL_STREAM:
        return residual_stream(network, ranges, chosen)
    nodes: dict[str, Node] = {}
    for node in network:
        nodes[node.name] = _uniform(node, nodes, ranges[node.name], chosen)
    return Network(name=network.name, nodes=tuple(nodes.values()))


def _check(network: FloatNetwork, ranges: Ranges, chosen: Scheme) -> None:
    for node in network:
        if isinstance(node, FloatWeighted) and node.batch_norm is not None:
            raise ValueError(f"network {network.name!r}: {node.name!r} has a batch norm; fold it first, by `fold`")
        if node.name not in ranges:
            raise ValueError(f"network {network.name!r}: {node.name!r} has no range; calibrate the network first")
    layers = [node.name for node in network.weighted]
    for name in chosen.bits:
        if name not in layers:
            raise ValueError(
                f"bits for {name!r}, which is no layer of network {network.name!r}; known: {', '.join(layers)}"
            )


def _uniform(node: FloatNode, nodes: dict[str, Node], found: NodeRange, chosen: Scheme) -> Node:
    """A node where every tensor has one int8 quantisation; pools and flattening keep that of their input."""
    name, inputs = node.name, node.inputs
    match node:
        case FloatPool() | FloatFlatten():
            return unchanged(node, nodes[inputs[0]].out, chosen)
        case FloatInput():
            return Input(name=name, out=_affine(name, found, chosen), shape=node.shape)
        case FloatConcatenate():
            return Concatenate(name=name, inputs=inputs, out=_affine(name, found, chosen), rule=chosen.rule)
        case FloatAdd():
            out = _affine(name, found, chosen)
            clamp = integers.clamp(node.bounds, out, integers.half_away)
            return Add(name=name, inputs=inputs, out=out, rule=chosen.addition, clamp=clamp)
        case FloatWeighted():
            source = nodes[inputs[0]].out
            weights = integers.tflite_weights(node.weight, node.biases, source.scale)
            out = _affine(name, found, chosen)
            return weighted(node, source, out, weights, integers.INT8_NARROW, chosen.rule, integers.half_away)
        case _:
            raise TypeError(f"node {name!r} is a {type(node).__name__}, which is not quantised here")


def _affine(name: str, found: NodeRange, chosen: Scheme) -> Affine:
    if chosen.activations is Activations.SYMMETRIC_INT8:
        return integers.symmetric(found.after, integers.INT8, 8)
    try:
        return integers.asymmetric(found.after)
    except ValueError as error:
        raise ValueError(f"node {name!r}: {error}") from None
