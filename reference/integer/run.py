"""Integer-only networks on NumPy arrays: integers in, integers out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.integer.addition import add
from reference.integer.affine import check_integers, dequantise, quantise_input
from reference.integer.check import check
from reference.integer.convolution import convolution
from reference.integer.intervals import Interval
from reference.integer.linear import linear
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
from reference.integer.pooling import pool
from reference.integer.ranges import integer_dtype
from reference.integer.rescaling import concatenate, moved, rescaled
from reference.integer.shapes import input_node
from reference.integer.table import clamp, look_up

__all__ = ["dequantise", "evaluate", "integers", "quantise_input", "run", "trace"]

Integers = NDArray[np.integer[Any]]


def run(network: Network, x: ArrayLike) -> Integers:
    """The integers of a network's output for integers of its input, by the definitions of its nodes' records.

    ``x``: (batch, *shape of the input) integers of the input's format. The result has the type of the output's format.

    The network is looked over first (`reference.integer.check`): parameters and shapes that do not fit raise
    ``ValueError``, ``TypeError`` or ``KeyError``, and an accumulator that may leave int32 for some input, or a step of
    a rule that may leave its width, ``OverflowError``. ``x`` of another shape, or with integers that the format lacks,
    raises ``ValueError``.

    >>> import formats
    >>> from dataclasses import replace
    >>> from reference.integer.network import Affine, Clamp, Input
    >>> x = Input(name="x", shape=(2,), out=Affine(format=formats.get("int8"), scale=0.5, zero_point=-3))
    >>> y = Clamp(name="y", inputs=("x",), out=x.out, low=-3, high=9)
    >>> run(Network(name="relu6", nodes=(x, y)), quantise_input([[-1.0, 7.0]], x.out))
    array([[-3,  9]], dtype=int8)
    """
    return trace(network, x)[network.output.name]


def trace(network: Network, x: ArrayLike, *, accumulators: bool = False) -> dict[str, Integers]:
    """The integers of every node by name, as of `run`.

    With ``accumulators``, those of convolutions and linear layers before requantisation instead, int32, and no others.
    """
    values, sums = evaluate(network, x)
    return sums if accumulators else values


def evaluate(network: Network, x: ArrayLike) -> tuple[dict[str, Integers], dict[str, Integers]]:
    """Both of `trace`, from one run: the integers of every node, and the accumulators."""
    limits = check(network)
    values: dict[str, Integers] = {}
    sums: dict[str, Integers] = {}
    for node in network:
        inputs = [values[name] for name in node.inputs]
        sources = [network[name].out for name in node.inputs]
        match node:
            case Input():
                values[node.name] = _entry(network, x)
            case Weighted():
                sums[node.name] = accumulator(inputs[0], sources[0], node, limits[node.inputs[0]])
                values[node.name] = rescaled(sums[node.name], sources[0], node)
            case _:
                values[node.name] = integers(node, inputs, sources)
    return values, sums


def accumulator(x: ArrayLike, source: Affine, node: Weighted, limits: Interval | None = None) -> NDArray[np.int32]:
    """The accumulators of a convolution or a linear layer: see those."""
    match node:
        case Convolution():
            return convolution(x, source, node, limits=limits)
        case Linear():
            return linear(x, source, node, limits=limits)
        case _:
            raise TypeError(f"node {node.name!r} is a {type(node).__name__}; convolutions and linear layers accumulate")


def _entry(network: Network, x: ArrayLike) -> Integers:
    """The input, checked, in the type of its format."""
    node = input_node(network)
    array = check_integers(x, node.out, f"input {node.name!r}")
    if array.shape[1:] != node.shape or not array.ndim:
        wanted = ", ".join(map(str, ("batch", *node.shape)))
        raise ValueError(f"input {node.name!r} has shape {array.shape}; ({wanted}) is accepted")
    return array.astype(integer_dtype(node.out.format))


def integers(node: Node, inputs: Sequence[Integers], sources: Sequence[Affine]) -> Integers:
    """The integers of a node without weights from those of its inputs, whose quantisations are ``sources``."""
    match node:
        case Add():
            return add(inputs[0], sources[0], inputs[1], sources[1], node.out, rule=node.rule, clamp=node.clamp)
        case Pool():
            return pool(inputs[0], node)
        case Requantise():
            return moved(inputs[0], sources[0], node.out, node.rule, node.clamp)
        case Clamp():
            return clamp(inputs[0], node)
        case Concatenate():
            return concatenate(inputs, sources, node)
        case Table():
            return look_up(inputs[0], sources[0], node)
        case Flatten():
            return inputs[0].reshape(len(inputs[0]), int(np.prod(inputs[0].shape[1:])))
        case _:
            raise TypeError(f"node {node.name!r} is a {type(node).__name__}, which does not run")
