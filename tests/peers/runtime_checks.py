"""What the tests of runtimes share: runs, the processor that the table is of, and networks drawn at random."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from peers.processor import features

import formats
from analysis.export import Runtime, run_litert, run_onnxruntime, to_onnx, to_tflite
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

Integers = np.ndarray[Any, np.dtype[Any]]
INT8 = formats.get("int8")
LITERT = tuple(runtime for runtime in Runtime if runtime is not Runtime.ONNX_RUNTIME)
RULE = "tflite_double_rounding"


def run(network: Network, x: Integers, runtime: Runtime) -> Integers:
    """The runtime's integers; ONNX Runtime's with and without rewriting of the graph, which must agree."""
    if runtime is not Runtime.ONNX_RUNTIME:
        return run_litert(to_tflite(network, batch=len(x)), x, runtime.value.removeprefix("litert_"))
    model = to_onnx(network)
    plain, optimised = (run_onnxruntime(model, x, optimised=optimised) for optimised in (False, True))
    np.testing.assert_array_equal(plain, optimised)
    return plain


def require_processor(runtime: Runtime) -> None:
    """Skips where the kernels may be others: the table was measured on x86-64 with AVX2 and FMA, without AVX-512."""
    if runtime is Runtime.LITERT_REFERENCE:
        return
    found = features()
    if platform.machine() != "x86_64" or not {"avx2", "fma"} <= found or found & {"avx512f", "avx_vnni"}:
        pytest.skip("the table of kernels is of x86-64 with AVX2 and FMA, without AVX-512 and VNNI")


@st.composite
def drawn_networks(draw: st.DrawFn, average_padding: bool) -> tuple[Network, Integers]:
    """Up to six int8 nodes on pictures, then perhaps a linear layer, and a batch of two; half of all scales tie."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ties = draw(st.booleans())
    shape = (draw(st.integers(3, 7)), draw(st.integers(3, 7)), draw(st.integers(1, 20)))
    nodes: list[Node] = [Input(name="x", out=_affine(rng, ties), shape=shape)]
    sizes = {"x": shape}
    for number in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(("convolution", "depthwise", "add", "max", "average", "moved", "join", "table")))
        source = nodes[draw(st.integers(0, len(nodes) - 1))]
        node, size = _node(rng, kind, f"n{number}", source, nodes, sizes, ties, average_padding)
        nodes.append(node)
        sizes[node.name] = size
    last = nodes[-1]
    match draw(st.sampled_from(("picture", "flat", "mean"))):
        case "flat":
            nodes.append(Flatten(name="flat", inputs=(last.name,), out=last.out))
            nodes.append(_linear(rng, "flat", last.out, int(np.prod(sizes[last.name])), ties))
        case "mean":
            mean = Pool(name="mean", inputs=(last.name,), out=last.out, kind="average_half_away", window=None)
            nodes += [mean, _linear(rng, "mean", last.out, sizes[last.name][2], ties)]
        case _:
            pass
    return Network(name="drawn", nodes=tuple(nodes)), rng.integers(-128, 128, (2, *shape)).astype(np.int8)


def _affine(rng: np.random.Generator, ties: bool) -> Affine:
    scale = 2.0 ** int(rng.integers(-6, -3)) if ties else float(np.float32(rng.uniform(0.02, 0.08)))
    return Affine(format=INT8, scale=scale, zero_point=int(rng.integers(-60, 60)))


def _layer(rng: np.random.Generator, source: Affine, weight_shape: tuple[int, ...], ties: bool, channels: bool) -> Any:
    fan, count = int(np.prod(weight_shape[1:])), weight_shape[0] if channels else 1
    scales = 2.0 ** rng.integers(-8, -5, count) if ties else rng.uniform(0.003, 0.02, count)
    spread = 2.0 ** int(np.log2(70 * fan**0.5)) if ties else 70 * fan**0.5
    out = Affine(
        format=INT8, scale=float(np.float32(source.scale * spread * 0.0078125)), zero_point=int(rng.integers(-60, 60))
    )
    return {
        "out": out,
        "weight": rng.integers(-127, 128, weight_shape).astype(np.int8),
        "weight_scale": tuple(float(np.float32(s)) for s in scales),
        "bias": rng.integers(-3000, 3000, weight_shape[0]).astype(np.int32) * int(rng.integers(0, 2)),
        "weight_format": INT8,
        "rule": RULE,
        "clamp": (out.zero_point, 127) if rng.integers(2) else None,
    }


def _linear(rng: np.random.Generator, source: str, affine: Affine, fan: int, ties: bool) -> Linear:
    layer = _layer(rng, affine, (13, fan), ties, channels=bool(rng.integers(2)))
    return Linear(name="logits", inputs=(source,), **layer)


def _node(
    rng: np.random.Generator,
    kind: str,
    name: str,
    source: Node,
    nodes: list[Node],
    sizes: dict[str, tuple[int, int, int]],
    ties: bool,
    average_padding: bool,
) -> tuple[Node, tuple[int, int, int]]:
    rows, columns, depth = sizes[source.name]
    mate = [node for node in nodes if sizes[node.name] == (rows, columns, depth)]
    other = mate[int(rng.integers(len(mate)))]
    inputs: dict[str, Any] = {"name": name, "inputs": (source.name,)}
    match kind:
        case "convolution" | "depthwise":
            groups = depth if kind == "depthwise" else 1
            out = depth if kind == "depthwise" else int(rng.integers(1, 20))
            strides = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
            padding = tuple((int(rng.integers(0, 3)), int(rng.integers(0, 3))) for _ in range(2))
            room = [length + sum(pad) for length, pad in zip((rows, columns), padding, strict=True)]
            size = tuple(min(int(rng.integers(1, 4)), length) for length in room)
            layer = _layer(rng, source.out, (out, *size, depth // groups), ties, channels=bool(rng.integers(2)))
            lengths = zip((rows, columns), size, strides, padding, strict=True)
            height, width = ((length + sum(pad) - w) // stride + 1 for length, w, stride, pad in lengths)
            node = Convolution(**inputs, **layer, strides=strides, padding=(padding[0], padding[1]), groups=groups)
            return node, (height, width, out)
        case "add":
            inputs["inputs"] = (source.name, other.name)
            return Add(**inputs, out=_affine(rng, ties), rule="tflite"), (rows, columns, depth)
        case "max" | "average":
            padded = kind == "max" or average_padding
            pool = Pool(
                **inputs,
                out=source.out,
                kind="max" if kind == "max" else "average_half_away",
                window=(min(2, rows), min(2, columns)),
                padding=((0, 1), (1, 0)) if padded and min(rows, columns) > 1 else ((0, 0), (0, 0)),
            )
            extra = int(pool.padding != ((0, 0), (0, 0)))
            return pool, (rows - min(2, rows) + 1 + extra, columns - min(2, columns) + 1 + extra, depth)
        case "moved":
            return Requantise(**inputs, out=_affine(rng, ties), rule=RULE), (rows, columns, depth)
        case "join":
            inputs["inputs"] = (source.name, other.name)
            return Concatenate(**inputs, out=_affine(rng, ties), rule=RULE), (rows, columns, 2 * depth)
        case _:
            if rng.integers(2):
                return Clamp(**inputs, out=source.out, low=-50, high=90), (rows, columns, depth)
            table = tuple(int(q) for q in rng.integers(-128, 128, 256))
            return Table(**inputs, out=_affine(rng, ties), table=table), (rows, columns, depth)
