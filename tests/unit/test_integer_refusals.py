"""Integer-only networks that do not fit, and input that does not: each is refused with what is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from integer_lines import ONE, features, line, linear

import formats
from formats import IntSpec
from formats.results import INT16
from reference.integer.check import check
from reference.integer.network import (
    Add,
    Affine,
    Clamp,
    Concatenate,
    Convolution,
    Flatten,
    Input,
    Node,
    Pool,
    Table,
)
from reference.integer.run import accumulator, run

INT8, INT4, UINT4 = map(formats.get, ("int8", "int4", "uint4"))


PICTURE = Input(name="x", out=ONE, shape=(4, 5, 6))


def conv(shape: tuple[int, ...] = (4, 3, 3, 6), **options: Any) -> Convolution:
    standard: dict[str, Any] = {
        "weight_scale": (0.01,),
        "bias": np.zeros(shape[0], np.int32),
        "weight_format": INT8,
        "rule": "tvm_upward",
    }
    weight = np.ones(shape, np.int8)
    return Convolution(name="y", inputs=("x",), out=ONE, **{"weight": weight} | standard | options)


def pooled(**options: Any) -> Pool:
    return Pool(name="y", inputs=("x",), out=ONE, **{"kind": "max", "window": (2, 2)} | options)


def table(size: int, **options: Any) -> Table:
    return Table(name="y", inputs=("x",), out=ONE, **{"table": (0,) * size} | options)


HALF = Affine(format=INT8, scale=0.5)
NARROW = IntSpec(name="int8_narrow", bits=8, minimum=-127, maximum=127, source="a test")
REFUSED = {
    "channels": ((PICTURE, conv((4, 3, 3, 5))), ValueError, r"has 5 channels; 6 / 1 come in"),
    "groups": ((PICTURE, conv((4, 3, 3, 2), groups=4)), ValueError, "groups=4 must divide 6 channels in and 4 out"),
    "no groups": ((PICTURE, conv(groups=0)), ValueError, "groups=0 must divide"),
    "axes of a weight": ((PICTURE, conv((4, 3, 6))), ValueError, r"weight of shape \(4, 3, 6\) must be \(out, height"),
    "window": ((PICTURE, conv((4, 5, 3, 6))), ValueError, r"a picture of \(4, 5\), padded, has no window of \(5, 3\)"),
    "strides": ((PICTURE, conv(strides=(0, 1))), ValueError, r"strides=\(0, 1\) must be positive"),
    "padding": ((PICTURE, conv(padding=((0, -1), (0, 0)))), ValueError, "not negative"),
    "weight out of its format": (
        (PICTURE, conv(weight=np.full((4, 3, 3, 6), 8, np.int8), weight_format=INT4)),
        ValueError,
        "node 'y': weight 8 is no integer of int4, -8 to 7",
    ),
    "type of a weight": ((PICTURE, conv(weight=np.ones((4, 3, 3, 6)))), TypeError, "weight of float64"),
    "type of a bias": ((PICTURE, conv(bias=np.zeros(4))), ValueError, "bias of float64 and shape"),
    "length of a bias": ((PICTURE, conv(bias=np.zeros(3, np.int32))), ValueError, r"int32 of shape \(4,\) is accepted"),
    "weight scales": ((PICTURE, conv(weight_scale=(1.0, 2.0))), ValueError, "2 weight scales; 1 or 4 are accepted"),
    "a weight scale": ((PICTURE, conv(weight_scale=(-1.0,))), ValueError, "node 'y': scales"),
    "a rule": ((PICTURE, conv(rule="nearest")), KeyError, "node 'y': unknown requantiser 'nearest'"),
    "a ratio": ((PICTURE, conv(weight_scale=(4.0,), rule="qnnpack")), ValueError, "node 'y': ratio=4"),
    "a clamp": ((PICTURE, conv(clamp=(0, 200))), ValueError, r"node 'y': clamp=\(0, 200\) must be low <= high"),
    "a flat picture": ((features(6), conv()), ValueError, r"input of shape \(6,\) must be \(height, width, channels\)"),
    "features": ((features(6), linear([[1] * 5])), ValueError, r"\(1, 5\), \(out, in\), does not take \(6,\)"),
    "a picture to a layer": ((PICTURE, linear([[1] * 6])), ValueError, r"does not take \(4, 5, 6\)"),
    "a pool's quantisation": ((PICTURE, replace(pooled(), out=HALF)), ValueError, "a Pool keeps the quantisation"),
    "a kind": ((PICTURE, pooled(kind="mean")), ValueError, "kind='mean' is unknown; known: max, average_half_away"),
    "a pool's padding": (
        (PICTURE, pooled(padding=((2, 0), (0, 0)))),
        ValueError,
        r"padding=\(\(2, 0\), \(0, 0\)\) must be less than the window \(2, 2\)",
    ),
    "strides of the whole": ((PICTURE, pooled(window=None, strides=(2, 2))), ValueError, "mean nothing for the whole"),
    "a window of nothing": ((PICTURE, pooled(window=(0, 2))), ValueError, "node 'y': "),
    "window of hundredths": (
        (Input(name="x", out=ONE, shape=(10, 10, 1)), pooled(kind="average_hawq_v3", window=None)),
        ValueError,
        "a window of 100 pixels; average_hawq_v3 takes at most 99",
    ),
    "length of a table": ((PICTURE, table(255)), ValueError, "a table of 255 entries; int8 needs 256"),
    "entries of a table": ((PICTURE, table(256, table=(300,) * 256)), ValueError, "table entry 300 is no integer"),
    "format of a table": (
        (Input(name="x", out=Affine(format=INT16, scale=1.0), shape=(2,)), table(256)),
        ValueError,
        "at most 8 bits that uses every code, not int16",
    ),
    "codes of a table": (
        (Input(name="x", out=Affine(format=NARROW, scale=1.0), shape=(2,)), table(255)),
        ValueError,
        "uses every code, not int8_narrow",
    ),
    "ends of a clamp": (
        (PICTURE, Clamp(name="y", inputs=("x",), out=ONE, low=5, high=4)),
        ValueError,
        r"clamp=\(5, 4\) must be low <= high within int8",
    ),
    "a clamp's quantisation": (
        (PICTURE, Clamp(name="y", inputs=("x",), out=HALF, low=0, high=4)),
        ValueError,
        "a Clamp keeps the quantisation of its input",
    ),
    "a flattening's": ((PICTURE, Flatten(name="y", inputs=("x",), out=HALF)), ValueError, "a Flatten keeps"),
    "terms of a sum": (
        (PICTURE, pooled(), Add(name="z", inputs=("x", "y"), out=ONE, rule="tflite")),
        ValueError,
        r"inputs of shapes \[\(4, 5, 6\), \(3, 4, 6\)\] must have one shape",
    ),
    "rule of a sum": (
        (PICTURE, Add(name="z", inputs=("x", "x"), out=ONE, rule="ruy")),
        KeyError,
        "node 'z': unknown addition rule 'ruy'",
    ),
    "one term": ((PICTURE, Add(name="z", inputs=("x",), out=ONE, rule="tflite")), ValueError, "1 inputs; a Add takes"),
    "parts": (
        (PICTURE, pooled(), Concatenate(name="z", inputs=("x", "y"), out=ONE, rule="ruy")),
        ValueError,
        "differ before the last axis",
    ),
    "no parts": ((PICTURE, Concatenate(name="z", inputs=(), out=ONE, rule="ruy")), ValueError, "0 inputs"),
    "two inputs": ((PICTURE, replace(PICTURE, name="y")), ValueError, "network 'line' has 2 inputs; one is accepted"),
    "an input of an input": ((PICTURE, Input(name="y", inputs=("x",), out=ONE, shape=(1,))), ValueError, "1 inputs; a"),
    "shape of an input": ((Input(name="x", out=ONE, shape=(2, 2)),), ValueError, r"shape=\(2, 2\) must be"),
    "a kind of node": ((PICTURE, Node(name="y", inputs=("x",), out=ONE)), TypeError, "node 'y': a Node is no node"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_networks_that_do_not_fit_are_refused(name: str) -> None:
    nodes, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        check(line(*nodes))


def test_input_that_does_not_fit_is_refused() -> None:
    network = line(features(2, Affine(format=UINT4, scale=1.0)))
    assert run(network, [[0, 15]]).tolist() == [[0, 15]]
    with pytest.raises(ValueError, match=r"input 'x' is 16 at \[0, 1\]; uint4 has 0 to 15"):
        run(network, [[0, 16]])
    with pytest.raises(TypeError, match="input 'x' has dtype float64; integers of uint4 are accepted"):
        run(network, [[0.0, 1.0]])
    for shape in ((2,), (1, 3), (1, 2, 1), ()):
        with pytest.raises(ValueError, match=r"input 'x' has shape .*; \(batch, 2\) is accepted"):
            run(network, np.zeros(shape, np.uint8))
    with pytest.raises(TypeError, match="node 'x' is a Input; convolutions and linear layers accumulate"):
        accumulator([[1]], ONE, features(1))  # pyright: ignore[reportArgumentType]
