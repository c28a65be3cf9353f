"""Whether a network may run: its parameters, its shapes, and the range of every integer in it."""

from __future__ import annotations

import numpy as np

from formats.integer_only.additions import addition_rule
from formats.integer_only.averages import averages
from formats.integer_only.requantisers import requantiser
from reference.integer.intervals import Interval, intervals
from reference.integer.network import (
    Add,
    Affine,
    Clamp,
    Concatenate,
    Flatten,
    Input,
    Network,
    Node,
    Pool,
    Requantise,
    Table,
    Weighted,
)
from reference.integer.ranges import clamped_range
from reference.integer.shapes import shapes


def check(network: Network) -> dict[str, Interval]:
    """Refuse what cannot run, or might overflow for some input; returns the `intervals` of the nodes' integers.

    ``ValueError``, ``TypeError`` and ``KeyError`` name the node and what its parameters or `shapes` lack;
    ``OverflowError`` the node and channel whose accumulator, or whose step, may leave its width.
    """
    for node in network:
        _check_inputs(node)
        try:
            _check_parameters(node, [network[name].out for name in node.inputs])
        except (ValueError, TypeError, KeyError) as error:
            raise type(error)(f"node {node.name!r}: {error.args[0]}") from None
    shapes(network)
    return intervals(network)


def _check_inputs(node: Node) -> None:
    wanted = 0 if isinstance(node, Input) else 2 if isinstance(node, Add) else 1
    found = len(node.inputs)
    if found < wanted or (found > wanted and not isinstance(node, Concatenate)):
        raise ValueError(f"node {node.name!r}: {found} inputs; a {type(node).__name__} takes {wanted}")


def _check_parameters(node: Node, sources: list[Affine]) -> None:
    match node:
        case Weighted():
            _check_weights(node)
            requantiser(node.rule)
            clamped_range(node.out.format, node.out.zero_point, node.clamp)
        case Requantise():
            requantiser(node.rule)
            clamped_range(node.out.format, node.out.zero_point, node.clamp)
        case Add():
            addition_rule(node.rule)
            clamped_range(node.out.format, node.out.zero_point, node.clamp)
        case Concatenate():
            requantiser(node.rule)
        case Table():
            _check_table(node, sources[0])
        case Clamp():
            _check_same(node, sources[0])
            clamped_range(node.out.format, node.out.zero_point, (node.low, node.high))
        case Pool():
            _check_same(node, sources[0])
            if node.kind != "max" and node.kind not in averages():
                raise ValueError(f"kind={node.kind!r} is unknown; known: max, {', '.join(averages())}")
        case Flatten():
            _check_same(node, sources[0])
        case Input():
            pass
        case _:
            raise TypeError(f"a {type(node).__name__} is no node that runs")


def _check_same(node: Node, source: Affine) -> None:
    if node.out != source:
        raise ValueError(f"a {type(node).__name__} keeps the quantisation of its input, {source}, not {node.out}")


def _check_weights(node: Weighted) -> None:
    weight, bias, spec = node.weight, node.bias, node.weight_format
    if weight.dtype != np.int8 or not weight.size:
        raise TypeError(f"weight of {weight.dtype} and shape {weight.shape}; int8 is accepted, and not empty")
    outside = weight[(weight < spec.minimum) | (weight > spec.maximum)]
    if outside.size:
        raise ValueError(f"weight {outside[0]} is no integer of {spec.name}, {spec.minimum} to {spec.maximum}")
    if bias.dtype != np.int32 or bias.shape != (len(weight),):
        raise ValueError(f"bias of {bias.dtype} and shape {bias.shape}; int32 of shape {(len(weight),)} is accepted")
    if len(node.weight_scale) not in (1, len(weight)):
        raise ValueError(f"{len(node.weight_scale)} weight scales; 1 or {len(weight)} are accepted")


def _check_table(node: Table, source: Affine) -> None:
    spec = source.format
    if spec.bits > 8 or spec.maximum - spec.minimum + 1 != 1 << spec.bits:
        raise ValueError(f"a table takes a format of at most 8 bits that uses every code, not {spec.name}")
    if len(node.table) != 1 << spec.bits:
        raise ValueError(f"a table of {len(node.table)} entries; {spec.name} needs {1 << spec.bits}")
    out = node.out.format
    for entry in node.table:
        if not out.minimum <= entry <= out.maximum:
            raise ValueError(f"table entry {entry} is no integer of {out.name}, {out.minimum} to {out.maximum}")
