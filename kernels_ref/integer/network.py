"""Integer-only networks under jit: integers in, integers out, bit for bit those of `reference.integer.run`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from kernels_ref.integer.addition import add
from kernels_ref.integer.batches import in_parts, part_size
from kernels_ref.integer.convolution import convolution
from kernels_ref.integer.linear import linear
from kernels_ref.integer.pooling import pool
from kernels_ref.integer.rescaling import concatenate, moved, rescaled
from kernels_ref.integer.table import look_up
from reference.integer.check import check
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
)
from reference.integer.ranges import integer_dtype
from reference.integer.shapes import input_node


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Compiled:
    """A network as a compiled function: see `compile_network`."""

    network: Network
    function: Callable[[Array], Array]

    def __call__(self, x: ArrayLike) -> Array:
        """The integers of the network's output for a batch of its input."""
        values = x if isinstance(x, Array) else np.asarray(x)
        _check(values, self.network)
        return self.function(jnp.asarray(values))  # pyright: ignore[reportUnknownMemberType]


def compile_network(network: Network) -> Compiled:
    """The network as a function from integers to integers, compiled for each size of batch.

    Takes (batch, *shape) integers of the input's format, in its type (int8, uint8, int16, ...), and gives those of the
    output: the same as `reference.integer.run`, bit for bit. Weights and parameters are constants of the compiled code;
    the code has integers only, unless a rule is one of floats (`kernels_ref.integer.audit` finds which). 64-bit types
    may be on or off.

    A network that does not fit, or that may overflow for some input, is refused here: see `reference.integer.check`.
    The call raises ``ValueError`` for another shape or integers out of the format, ``TypeError`` for another type;
    under a transformation, where no element can be looked at, the range is the caller's to keep.

    >>> import formats
    >>> x = Input(name="x", shape=(2,), out=Affine(format=formats.get("int8"), scale=0.5))
    >>> y = Clamp(name="y", inputs=("x",), out=x.out, low=0, high=6)
    >>> compile_network(Network(name="relu", nodes=(x, y)))(np.array([[-3, 9]], np.int8))
    Array([[0, 6]], dtype=int8)
    """
    check(network)
    run = executor(network)

    def output(x: Array) -> Array:
        return in_parts(lambda part: run(part)[network.output.name], x, part_size(run, x))

    return Compiled(network, jax.jit(output))  # pyright: ignore[reportUnknownMemberType]


def executor(network: Network) -> Callable[[Array], dict[str, Array]]:
    """What `compile_network` compiles, for every node: integers of the input to the integers of each, by name.

    Each node is traced in a ``jax.named_scope`` of its name.
    """

    def run(x: Array) -> dict[str, Array]:
        values: dict[str, Array] = {}
        for node in network:
            with jax.named_scope(node.name):
                inputs = [values[name] for name in node.inputs]
                sources = [network[name].out for name in node.inputs]
                values[node.name] = x if isinstance(node, Input) else evaluate(node, inputs, sources)
        return values

    return run


def evaluate(node: Node, inputs: Sequence[Array], sources: Sequence[Affine]) -> Array:
    """The integers of a node from those of its inputs, whose quantisations are ``sources``."""
    match node:
        case Convolution():
            return rescaled(convolution(inputs[0], sources[0], node), sources[0], node)
        case Linear():
            return rescaled(linear(inputs[0], sources[0], node), sources[0], node)
        case Add():
            (a, b), (first, second) = inputs, sources
            return add(a, first, b, second, node.out, rule=node.rule, clamp=node.clamp)
        case Pool():
            return pool(inputs[0], node)
        case Requantise():
            return moved(inputs[0], sources[0], node.out, node.rule, node.clamp)
        case Clamp():
            return jnp.clip(inputs[0], node.low, node.high)
        case Concatenate():
            return concatenate(inputs, sources, node)
        case Table():
            return look_up(inputs[0], sources[0], node)
        case Flatten():
            return inputs[0].reshape(len(inputs[0]), math.prod(inputs[0].shape[1:]))
        case _:
            raise TypeError(f"node {node.name!r} is a {type(node).__name__}, which no executor knows")


def _check(x: Array | np.ndarray[tuple[int, ...], np.dtype[np.generic]], network: Network) -> None:
    source = input_node(network)
    spec = source.out.format
    if x.dtype != integer_dtype(spec):
        raise TypeError(f"input of {x.dtype}; {network.name!r} takes {integer_dtype(spec)}")
    if x.shape[1:] != source.shape or not x.ndim:
        raise ValueError(
            f"input of shape {x.shape}; {network.name!r} takes (batch, {', '.join(map(str, source.shape))})"
        )
    if isinstance(x, Tracer) or spec.bits == 8 * x.dtype.itemsize or not x.size:
        return
    low, high = int(x.min()), int(x.max())
    if low < spec.minimum or high > spec.maximum:
        raise ValueError(f"input from {low} to {high}; {spec.name} has {spec.minimum} to {spec.maximum}")
