"""What a runtime's kernels make of an integer-only network, by their rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import formats
from analysis.export import kernel_rules as rules
from analysis.export.kernels import Operator, Runtime, kernel
from analysis.export.lanes import lanes_add, lanes_depthwise, lanes_requantise
from analysis.export.windowed_average import onnxruntime_average
from formats.integer_only.requantisers import requantiser
from reference.integer.addition import add
from reference.integer.affine import check_integers
from reference.integer.convolution import convolution
from reference.integer.linear import linear
from reference.integer.network import (
    Add,
    Affine,
    Concatenate,
    Convolution,
    Input,
    Linear,
    Network,
    Node,
    Pool,
    Requantise,
    Weighted,
)
from reference.integer.pooling import pool
from reference.integer.ranges import integer_dtype
from reference.integer.rescaling import moved
from reference.integer.run import integers

Integers = NDArray[np.integer[Any]]

_WEIGHTED: Mapping[str, Callable[[Integers, Affine, Weighted], NDArray[np.int64]]] = {
    "binary64_half_away": rules.binary64_half_away,
    "lanes_depthwise": lanes_depthwise,
    "squeezed": lambda accumulator, source, node: rules.by(rules.squeezed("ruy_neon"), accumulator, source, node),
}
_ADDITIONS = {"mlas_add": rules.mlas_add, "xnnpack_add": rules.xnnpack_add, "lanes_add": lanes_add}
_CONVERSIONS = {
    "dequantise_quantise": rules.dequantise_quantise,
    "xnnpack_convert": rules.xnnpack_convert,
    "lanes_requantise": lanes_requantise,
}


def golden(
    network: Network, x: ArrayLike, runtime: Runtime | str, *, instead: Mapping[Operator, str] | None = None
) -> Integers:
    """The network's output, every rule replaced by that of the runtime's kernel: see `analysis.export.kernels`.

    ``x``: integers of the network's input, (batch, ...). ``instead``: rules to use in place of the table's, which
    shows what another rule would have given. The rules in the records are not used.

    >>> import formats
    >>> int8 = formats.get("int8")
    >>> half, one = Affine(format=int8, scale=0.5), Affine(format=int8, scale=1.0)
    >>> given = Input(name="x", out=half, shape=(4,))
    >>> whole = Requantise(name="y", inputs=("x",), out=one, rule="tflite_double_rounding")
    >>> network = Network(name="halves", nodes=(given, whole))
    >>> for runtime in Runtime:
    ...     print(f"{runtime.value:17}", golden(network, np.array([[-3, -1, 1, 3]], np.int8), runtime))
    onnxruntime       [[-2  0  0  2]]
    litert_reference  [[-1  0  1  2]]
    litert_optimised  [[-1  0  1  2]]
    litert_xnnpack    [[-1  0  1  2]]
    """
    chosen = formats.parse_enum(Runtime, runtime, "runtime")
    known: dict[str, Integers] = {}
    walk = _Walk(network, chosen, instead or {})
    for node in network:
        known[node.name] = walk.output(node, [known[name] for name in node.inputs], x)
    return known[network.output.name]


class _Walk:
    def __init__(self, network: Network, runtime: Runtime, instead: Mapping[Operator, str]) -> None:
        self.network, self.runtime, self.instead = network, runtime, instead

    def output(self, node: Node, inputs: list[Integers], x: ArrayLike) -> Integers:
        sources = [self.network[name].out for name in node.inputs]
        match node:
            case Input():
                return check_integers(x, node.out, "x")
            case Weighted():
                return self._weighted(node, inputs[0], sources[0])
            case Add():
                return self._add(node, inputs, sources)
            case Requantise():
                return self._moved(inputs[0], sources[0], node.out, node.clamp)
            case Concatenate():
                parts = zip(inputs, sources, strict=True)
                return np.concatenate([self._moved(q, source, node.out, None) for q, source in parts], axis=-1)
            case Pool():
                return self._pool(node, inputs[0], sources[0])
            case _:
                return integers(node, inputs, sources)

    def _rule(self, operator: Operator, runtime: Runtime | None = None) -> str:
        return self.instead.get(operator) or kernel(runtime or self.runtime, operator).rule

    def _weighted(self, node: Weighted, x: Integers, source: Affine) -> Integers:
        if isinstance(node, Convolution):
            accumulator = convolution(x, source, node)
            depthwise = node.groups > 1 and node.groups == x.shape[-1]
            operator = Operator.DEPTHWISE if depthwise else Operator.CONVOLUTION
        else:
            assert isinstance(node, Linear)
            accumulator = linear(x, source, node)
            operator = Operator.LINEAR_CHANNELS if len(node.weight_scale) > 1 else Operator.LINEAR
        rule = self._rule(operator)
        if rule in _WEIGHTED:
            return clamped(_WEIGHTED[rule](accumulator, source, node), node.out, node.clamp)
        return clamped(rules.by(rule, accumulator, source, node), node.out, node.clamp)

    def _add(self, node: Add, inputs: list[Integers], sources: list[Affine]) -> Integers:
        (a, b), (first, second) = inputs, sources
        rule = self._rule(Operator.ADD)
        if rule == "xnnpack_add" and not rules.xnnpack_add_takes(first, second, node.out):
            rule = self._rule(Operator.ADD, Runtime.LITERT_OPTIMISED)
        if rule in _ADDITIONS:
            return clamped(_ADDITIONS[rule](a, first, b, second, node.out), node.out, node.clamp)
        return add(a, first, b, second, node.out, rule=rule, clamp=node.clamp)

    def _moved(self, q: Integers, source: Affine, out: Affine, limits: tuple[int, int] | None) -> Integers:
        if source == out:
            return clamped(q.astype(np.int64), out, limits)
        rule = self._rule(Operator.REQUANTISE)
        if rule == "xnnpack_convert" and not rules.xnnpack_convert_takes(source, out):
            rule = self._rule(Operator.REQUANTISE, Runtime.LITERT_OPTIMISED)
        if rule in _CONVERSIONS:
            return clamped(_CONVERSIONS[rule](q, source, out), out, limits)
        requantiser(rule)
        return moved(q, source, out, rule, limits)

    def _pool(self, node: Pool, x: Integers, source: Affine) -> Integers:
        if node.kind == "max":
            return pool(x, node)
        rule = self._rule(Operator.AVERAGE if node.window else Operator.GLOBAL_AVERAGE)
        if rule == "onnxruntime_average":
            return clamped(onnxruntime_average(x, source, node), node.out, None)
        if rule == "mlas_global_average":
            return clamped(rules.mlas_global_average(x, source, node.out), node.out, None)
        return pool(x, replace(node, kind=rule))


def clamped(q: NDArray[np.int64], out: Affine, limits: tuple[int, int] | None) -> Integers:
    """The integers within ``limits``, or the format where None, in the format's type."""
    low, high = limits or (out.format.minimum, out.format.maximum)
    return np.clip(q, low, high).astype(integer_dtype(out.format))
