"""Hypothesis strategies of small integer-only networks and of their inputs, for comparisons of what runs them.

Half of all scales are powers of two, so that ties are common; the others are any numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import formats
from formats import IntSpec
from formats.integer_only.averages import averages
from formats.results import INT16
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
from reference.integer.shapes import shapes

NARROW = tuple(formats.get(name) for name in ("int8", "uint8", "int4", "uint4"))
WEIGHTS = tuple(formats.get(name) for name in ("int8", "int4"))
#: a requantiser and the addition that goes with it
SYSTEMS = (
    ("tflite_double_rounding", "tflite"),
    ("tflite_single_rounding", "tflite_single_rounding"),
    ("hawq_v3_pytorch", "hawq_v3_pytorch"),
    ("hawq_v3_tvm", "hawq_v3_tvm"),
    ("tvm_upward", "tvm"),
    ("onnx_qlinear", "onnx_qlinear"),
)
_PICTURE = ("convolution", "depthwise", "pool", "add", "requantise", "clamp", "concatenate", "table", "flatten")
_FEATURES = ("linear", "add", "requantise", "clamp", "concatenate", "table", "linear")


@st.composite
def networks(draw: st.DrawFn, systems: tuple[tuple[str, str], ...] = SYSTEMS, nodes: int = 5) -> Network:
    """A network of one to so many nodes on pictures of up to 6 by 6 pixels, or on features, by one system."""
    system = draw(st.sampled_from(systems))
    sides = st.integers(1, 6)
    picture = draw(st.sampled_from((True, True, True, False)))
    shape = draw(st.tuples(sides, sides, st.integers(1, 4)) if picture else st.tuples(sides))
    made: list[Node] = [Input(name="x", out=draw(affines(1.0, ties=draw(st.booleans()))), shape=shape)]
    for i in range(draw(st.integers(1, nodes))):
        made.append(draw(_node(f"n{i}", made, shapes(Network(name="part", nodes=tuple(made))), *system)))
    return Network(name="drawn", nodes=tuple(made))


@st.composite
def inputs(draw: st.DrawFn, network: Network, batch: int = 2) -> np.ndarray[Any, np.dtype[Any]]:
    """Integers of the network's input: everywhere one of its ends, or its zero point, or anything."""
    node = network.nodes[0]
    assert isinstance(node, Input)
    spec, rng = node.out.format, np.random.default_rng(draw(st.integers(0, 2**16)))
    anything = rng.integers(spec.minimum, spec.maximum + 1, (batch, *node.shape))
    ends = rng.choice([spec.minimum, node.out.zero_point, spec.maximum], anything.shape)
    return np.where(rng.random(anything.shape) < draw(st.sampled_from((0.0, 0.5, 1.0))), ends, anything).astype(
        integer_dtype(spec)
    )


@st.composite
def affines(draw: st.DrawFn, scale: float, *, ties: bool, fmts: tuple[IntSpec, ...] = (*NARROW, INT16)) -> Affine:
    """A quantisation whose scale is ``scale`` times ``2^0`` to ``2^8``; a power of two for ``ties``."""
    spec = draw(st.sampled_from(fmts))
    times = 2.0 ** draw(st.integers(0, 8)) if ties else draw(st.floats(1.0, 256.0, exclude_min=True))
    zero = draw(st.just(0) | st.integers(spec.minimum, spec.maximum))
    return Affine(format=spec, scale=scale * times, zero_point=zero)


@st.composite
def _node(
    draw: st.DrawFn, name: str, made: list[Node], known: dict[str, tuple[int, ...]], rule: str, addition: str
) -> Node:
    last, shape = made[-1], known[made[-1].name]
    kind = draw(st.sampled_from(_FEATURES if len(shape) == 1 else _PICTURE))
    ties = draw(st.booleans())
    same: dict[str, Any] = {"name": name, "inputs": (last.name,), "out": last.out}
    spec = last.out.format
    match kind:
        case "convolution" | "depthwise":
            return draw(_convolution(same, shape, rule, ties=ties, depthwise=kind == "depthwise"))
        case "linear":
            return Linear(**same | draw(_weighted(last.out, (draw(st.integers(1, 5)), *shape), rule, ties=ties)))
        case "pool":
            return draw(_pool(same, shape))
        case "clamp":
            low = draw(st.integers(spec.minimum, spec.maximum))
            return Clamp(**same, low=low, high=draw(st.integers(low, spec.maximum)))
        case "flatten":
            return Flatten(**same)
        case "table" if spec.bits <= 8:
            out = draw(affines(last.out.scale, ties=ties))
            rng = np.random.default_rng(draw(st.integers(0, 2**16)))
            drawn = rng.integers(out.format.minimum, out.format.maximum + 1, 1 << spec.bits).tolist()
            return Table(**same | {"out": out}, table=tuple(drawn))
        case "add" | "concatenate":
            other = draw(st.sampled_from([node for node in made if known[node.name] == shape]))
            out = draw(affines(max(last.out.scale, other.out.scale), ties=ties))
            both: dict[str, Any] = {"name": name, "inputs": (last.name, other.name)}
            if kind == "add":
                return Add(**both, out=out, rule=addition, clamp=draw(_clamps(out.format)))
            return Concatenate(
                **both, out=draw(st.sampled_from((out, other.out, out))) if _fits(last, other) else out, rule=rule
            )
        case _:
            out = draw(affines(last.out.scale, ties=ties))
            return Requantise(**same | {"out": out}, rule=rule, clamp=draw(_clamps(out.format)))


def _fits(a: Node, b: Node) -> bool:
    """Whether numbers of one node need no larger ratio than one in the quantisation of the other."""
    return a.out.scale <= b.out.scale


@st.composite
def _clamps(draw: st.DrawFn, spec: IntSpec) -> tuple[int, int] | None:
    if draw(st.booleans()):
        return None
    low = draw(st.integers(spec.minimum, spec.maximum))
    return low, draw(st.integers(low, spec.maximum))


@st.composite
def _weighted(draw: st.DrawFn, source: Affine, shape: tuple[int, ...], rule: str, *, ties: bool) -> dict[str, Any]:
    spec = draw(st.sampled_from(WEIGHTS))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    scales = (
        tuple(float(s) for s in 2.0 ** rng.integers(-8, 1, shape[0]))
        if ties
        else tuple(rng.uniform(0.01, 1, shape[0]).tolist())
    )
    out = draw(affines(source.scale, ties=ties))
    return {
        "weight": rng.integers(spec.minimum, spec.maximum + 1, shape).astype(np.int8),
        "weight_scale": scales[:1] if draw(st.booleans()) else scales,
        "bias": rng.integers(-500, 501, shape[0]).astype(np.int32),
        "weight_format": spec,
        "rule": rule,
        "out": out,
        "clamp": draw(_clamps(out.format)),
    }


@st.composite
def _convolution(
    draw: st.DrawFn, same: dict[str, Any], shape: tuple[int, ...], rule: str, *, ties: bool, depthwise: bool
) -> Convolution:
    channels = shape[2]
    groups = channels if depthwise else draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    padding, window = draw(_windows(shape))
    weight = (groups * draw(st.integers(1, 2)), *window, channels // groups)
    weights = draw(_weighted(same["out"], weight, rule, ties=ties))
    return Convolution(**same | weights, groups=groups, padding=padding, strides=draw(_strides()))


@st.composite
def _pool(draw: st.DrawFn, same: dict[str, Any], shape: tuple[int, ...]) -> Pool:
    kind = draw(st.sampled_from(("max", *averages())))
    if draw(st.booleans()):
        return Pool(**same, kind=kind, window=None)
    padding, window = draw(_windows(shape, pool=True))
    return Pool(**same, kind=kind, window=window, strides=draw(_strides()), padding=padding)


@st.composite
def _windows(
    draw: st.DrawFn, shape: tuple[int, ...], *, pool: bool = False
) -> tuple[tuple[tuple[int, int], tuple[int, int]], tuple[int, int]]:
    """Padding, and a window that fits the padded picture; in pools the padding is less than the window."""
    sides: list[tuple[int, int]] = []
    window: list[int] = []
    for length in shape[:2]:
        extent = draw(st.integers(1, min(length, 3)))
        most = extent - 1 if pool else 2
        sides.append((draw(st.integers(0, most)), draw(st.integers(0, most))))
        window.append(extent)
    return (sides[0], sides[1]), (window[0], window[1])


def _strides() -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(1, 2), st.integers(1, 3))
