"""Networks of one operator whose accumulators are aimed at ties, for the comparison with runtimes."""

from __future__ import annotations

from typing import Any

import numpy as np

import formats
from analysis.export.kernels import Operator
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
    Table,
)

Integers = np.ndarray[Any, np.dtype[Any]]
Generator = np.random.Generator
RULE = "tflite_double_rounding"
#: how the scales are chosen: powers of two (every tie is exact), any binary32 numbers, or ratios near 2^-22 with
#: accumulators near 2^29, where it matters how a ratio was formed
STYLES = ("powers of two", "any", "tiny ratios")
CHANNELS = 203  # no multiple of 8


def binary32(x: float) -> float:
    return float(np.float32(x))


def affine(rng: Generator, style: str, fmt: str = "int8") -> Affine:
    spec = formats.get(fmt)
    scale = 2.0 ** int(rng.integers(-6, -2)) if style == "powers of two" else binary32(rng.uniform(0.02, 0.08))
    return Affine(format=spec, scale=scale, zero_point=int(rng.integers(spec.minimum // 2, spec.maximum // 2)))


def operator_network(operator: Operator, style: str, seed: int, fmt: str = "int8") -> tuple[Network, Integers]:
    """A network whose last node is of the operator, and integers for its input."""
    rng = np.random.default_rng(seed)
    make = _WEIGHTED.get(operator)
    if make is not None:
        return make(rng, style, operator, fmt)
    return _OTHER[operator](rng, style, fmt)


def integers(rng: Generator, shape: tuple[int, ...], fmt: str) -> Integers:
    spec = formats.get(fmt)
    return rng.integers(spec.minimum, spec.maximum + 1, shape).astype(fmt)


def _scales(rng: Generator, style: str, source: Affine, count: int, fan: int) -> tuple[tuple[float, ...], Affine]:
    """Weight scales, and an output in whose units accumulators of random weights are a few hundred."""
    if style == "powers of two":
        weights = tuple(2.0 ** int(k) for k in rng.integers(-7, -4, count))
        scale = source.scale * 2.0 ** int(np.log2(fan) / 2)
    elif style == "any":
        weights = tuple(binary32(s) for s in rng.uniform(0.003, 0.02, count))
        scale = binary32(source.scale * fan**0.5 / 2)
    else:
        weights = tuple(binary32(s) for s in rng.uniform(0.003, 0.004, count))
        scale = binary32(source.scale * weights[0] * 2.0 ** rng.uniform(20.5, 22))
    return weights, Affine(format=source.format, scale=scale, zero_point=int(rng.integers(-20, 20) % 100))


def _aimed(rng: Generator, source: Affine, weights: tuple[float, ...], out: Affine, count: int) -> Integers:
    """Biases next to ``(k + 1/2) / ratio``: what a picture of zeros makes the accumulators."""
    ratios = source.scale * np.resize(np.array(weights), count) / out.scale
    halves = rng.integers(-120, 120, count) + 0.5
    return (np.rint(halves / ratios) + rng.integers(-1, 2, count)).astype(np.int32)


def _given(rng: Generator, source: Affine, shape: tuple[int, ...], style: str) -> Integers:
    """A batch of zeros, numbers next to zero and any integers: at most the first two where ratios are tiny."""
    zero, spec = source.zero_point, source.format
    near = np.clip(rng.integers(zero - 2, zero + 3, shape), spec.minimum, spec.maximum)
    far = near if style == "tiny ratios" else integers(rng, shape, spec.name)
    return np.stack([np.full(shape, zero), near, far]).astype(spec.name)


def _convolution(rng: Generator, style: str, operator: Operator, fmt: str) -> tuple[Network, Integers]:
    depthwise = operator is Operator.DEPTHWISE
    source, depth, limit = affine(rng, style, fmt), CHANNELS if depthwise else 5, 127 if fmt == "int8" else 63
    shape = (CHANNELS, 3, 2, 1 if depthwise else depth)
    weights, out = _scales(rng, style, source, CHANNELS, int(np.prod(shape[1:])) * 128**2)
    node = Convolution(
        name="y",
        inputs=("x",),
        out=out,
        weight=rng.integers(-limit, limit + 1, shape).astype(np.int8),
        weight_scale=weights,
        bias=_aimed(rng, source, weights, out, CHANNELS),
        weight_format=formats.get("int8"),
        rule=RULE,
        groups=depth if depthwise else 1,
        strides=(1, 2),
        padding=((1, 1), (0, 1)),
    )
    return _one(source, (4, 5, depth), node), _given(rng, source, (4, 5, depth), style)


def _linear(rng: Generator, style: str, operator: Operator, fmt: str) -> tuple[Network, Integers]:
    source, fan, limit = affine(rng, style, fmt), 33, 127 if fmt == "int8" else 63
    weights, out = _scales(rng, style, source, 1 if operator is Operator.LINEAR else CHANNELS, fan * 128**2)
    node = Linear(
        name="y",
        inputs=("x",),
        out=out,
        weight=rng.integers(-limit, limit + 1, (CHANNELS, fan)).astype(np.int8),
        weight_scale=weights,
        bias=_aimed(rng, source, weights, out, CHANNELS),
        weight_format=formats.get("int8"),
        rule=RULE,
    )
    return _one(source, (fan,), node), _given(rng, source, (fan,), style)


def _one(source: Affine, shape: tuple[int, ...], *nodes: Node) -> Network:
    return Network(name="one", nodes=(Input(name="x", out=source, shape=shape), *nodes))


def _near(rng: Generator, source: Affine, style: str) -> Affine:
    """A quantisation whose scale is a small fraction of the other, so that ties occur or nearly do."""
    ratio = 2.0 ** int(rng.integers(0, 3)) if style == "powers of two" else rng.integers(3, 13) / rng.integers(3, 9)
    spec = source.format
    zero = int(rng.integers(spec.minimum // 2, spec.maximum // 2))
    return Affine(format=spec, scale=binary32(source.scale * ratio), zero_point=zero)


def _add(rng: Generator, style: str, fmt: str) -> tuple[Network, Integers]:
    """``x`` and what a table and a pool make of it: pairs of any integers, from one input."""
    source = affine(rng, style, fmt)
    other, out = _near(rng, source, style), _near(rng, source, style)
    shape = (9, 7, 31)
    table = tuple(int(q) for q in rng.permutation(np.arange(source.format.minimum, source.format.maximum + 1)))
    nodes = (
        Table(name="other", inputs=("x",), out=other, table=table),
        Pool(name="moved", inputs=("other",), out=other, kind="max", window=(2, 2), padding=((0, 1), (1, 0))),
        Add(name="y", inputs=("x", "moved"), out=out, rule="tflite"),
    )
    return _one(source, shape, *nodes), integers(rng, (8, *shape), fmt)


def _moved(rng: Generator, style: str, fmt: str) -> tuple[Network, Integers]:
    source = affine(rng, style, fmt)
    first, second = _near(rng, source, style), _near(rng, source, style)
    nodes = (
        Requantise(name="first", inputs=("x",), out=first, rule=RULE),
        Concatenate(name="y", inputs=("x", "first"), out=second, rule=RULE),
    )
    every = np.arange(source.format.minimum, source.format.maximum + 1).astype(fmt)
    return _one(source, (len(every) + 3,), *nodes), np.resize(every, (3, len(every) + 3))


def _average(rng: Generator, style: str, fmt: str) -> tuple[Network, Integers]:
    source = affine(rng, style, fmt)
    options: dict[str, Any] = {"window": (2, 2), "strides": (1, 1), "padding": ((0, 1), (0, 1))}
    node = Pool(name="y", inputs=("x",), out=source, kind="average_half_away", **options)
    return _one(source, (9, 8, 19), node), integers(rng, (4, 9, 8, 19), fmt)


def _global_average(rng: Generator, style: str, fmt: str) -> tuple[Network, Integers]:
    source = affine(rng, style, fmt)
    shape = (2, int(rng.integers(1, 5)), CHANNELS)
    node = Pool(name="y", inputs=("x",), out=source, kind="average_half_away", window=None)
    return _one(source, shape, node), integers(rng, (8, *shape), fmt)


_WEIGHTED = {
    Operator.CONVOLUTION: _convolution,
    Operator.DEPTHWISE: _convolution,
    Operator.LINEAR: _linear,
    Operator.LINEAR_CHANNELS: _linear,
}
_OTHER = {
    Operator.ADD: _add,
    Operator.REQUANTISE: _moved,
    Operator.AVERAGE: _average,
    Operator.GLOBAL_AVERAGE: _global_average,
}
