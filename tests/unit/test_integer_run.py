"""Integer-only networks in NumPy: worked examples, bounds that are attained, and networks that are refused."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from integer_cases import every_node, integers

import formats
from formats import IntSpec
from formats.results import INT16, INT32
from reference.exact import integer_network as judge
from reference.integer.accumulator import accumulator_bound
from reference.integer.check import check
from reference.integer.intervals import intervals
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
from reference.integer.run import accumulator, dequantise, quantise_input, run, trace
from reference.integer.shapes import shapes

INT8, INT4, UINT8, UINT4 = map(formats.get, ("int8", "int4", "uint8", "uint4"))
ONE = Affine(format=INT8, scale=1.0)


def line(*nodes: Node) -> Network:
    return Network(name="line", nodes=nodes)


def linear(weight: Any, *, out: Affine = ONE, **options: Any) -> Linear:
    array = np.array(weight, np.int8)
    standard: dict[str, Any] = {
        "weight_scale": (1.0,),
        "bias": np.zeros(len(array), np.int32),
        "weight_format": INT8,
        "rule": "tvm_tonearest",
    }
    return Linear(name="y", inputs=("x",), out=out, weight=array, **standard | options)


def features(size: int, out: Affine = ONE) -> Input:
    return Input(name="x", out=out, shape=(size,))


# Worked examples ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [("hawq_v3_pytorch", [4, 10]), ("hawq_v3_tvm", [4, 10]), ("tvm_upward", [4, 10]), ("tvm_truncate", [3, 10])],
)
def test_the_worked_layer_of_hawq_v3(rule: str, wanted: list[int]) -> None:
    x = features(3, Affine(format=UINT4, scale=0.2))
    layer = linear(
        [[7, -4, 1], [-7, 1, 3]],
        weight_scale=(0.1, 0.2),
        bias=np.array([25, -8], np.int32),
        weight_format=INT4,
        out=Affine(format=INT8, scale=0.1),
        rule=rule,
    )
    network = line(x, layer)
    assert trace(network, [[0, 4, 10]], accumulators=True)["y"].tolist() == [[19, 26]]
    assert run(network, [[0, 4, 10]]).tolist() == [wanted]
    assert judge.run(network, [0, 4, 10]) == wanted


def test_the_worked_matrix_product_of_onnx() -> None:
    # B transposed; its zero point -2 is taken into the weights, as ours have none
    x = features(3, Affine(format=INT8, scale=0.05, zero_point=1))
    weight = [[4, 1, 9], [2, 7, -126]]
    out = Affine(format=INT8, scale=0.13, zero_point=-5)
    network = line(x, linear(weight, weight_scale=(0.02,), out=out, rule="onnx_qlinear"))
    a = [[1, -2, 3], [-128, 127, 64]]
    assert trace(network, a, accumulators=True)["y"].tolist() == [[15, -273], [177, -7314]]
    assert run(network, a).tolist() == [[-5, -7], [-4, -61]]


@pytest.mark.parametrize(("zero", "wanted"), [(0, [0, 2, 2, 4, 0, -2, -2, 64]), (3, [3, 5, 5, 7, 3, 1, 1, 67])])
def test_onnx_adds_the_zero_point_after_rounding(zero: int, wanted: list[int]) -> None:
    layer = linear([[1]], out=Affine(format=INT8, scale=2.0, zero_point=zero), rule="onnx_qlinear")
    x = [[q] for q in (1, 3, 5, 7, -1, -3, -5, 127)]
    assert run(line(features(1), layer), x).ravel().tolist() == wanted


def test_the_worked_residual_of_hawq_v3_is_not_clamped() -> None:
    stream = Affine(format=INT32, scale=1 / 500)
    r = Input(name="r", out=Affine(format=INT16, scale=1 / 1000), shape=(1,))
    m = Requantise(name="m", inputs=("r",), out=Affine(format=INT16, scale=7 / 2500), rule="hawq_v3_pytorch")
    sums = Add(name="sum", inputs=("r", "m"), out=stream, rule="hawq_v3_pytorch")
    found = trace(line(r, m, sums), [[32767]])
    assert found["m"].item() == 11703  # 32767 * 5 / 14, of which the sum takes 7 / 5
    assert found["sum"].item() == 16384 + 16384
    assert intervals(line(r, m, sums))["sum"] == (-32768, 32768)


def test_every_kind_of_node_is_the_judges() -> None:
    network = every_node(4)
    x = integers(np.random.default_rng(1), (1, 8, 8, 3))
    found, wanted = trace(network, x), judge.trace(network, x[0].tolist())
    assert {name: values[0].tolist() for name, values in found.items()} == wanted
    assert {type(node).__name__ for node in network} == {
        "Input", "Convolution", "Linear", "Add", "Pool", "Requantise", "Clamp", "Concatenate", "Table", "Flatten",
    }  # fmt: skip


def changed(node: Node) -> list[Node]:
    """The node with one of its fields changed, for each that should change the network's integers."""
    others: list[Node] = []
    for field in fields(node):
        value = getattr(node, field.name)
        match field.name:
            case "out" if not isinstance(node, Input | Pool | Clamp | Flatten | Table):
                others += [replace(node, out=replace(value, scale=value.scale * 1.5))]
                others += [replace(node, out=replace(value, zero_point=value.zero_point + 1))]
            case "weight":
                others += [replace(node, weight=value ^ np.int8(3))]
            case "bias":
                others += [replace(node, bias=value + np.int32(300))]
            case "weight_scale":
                others += [replace(node, weight_scale=tuple(s * 1.1 for s in value))]
            case "table":
                others += [replace(node, table=value[::-1])]
            case "low":
                others += [replace(node, low=0)]
            case "rule":
                others += [replace(node, rule="tvm" if isinstance(node, Add) else "tvm_truncate")]
            case "kind":
                others += [replace(node, kind="max" if value != "max" else "average_truncate")]
            case _:
                pass
    return others


def test_every_change_of_a_node_is_noticed() -> None:
    network = every_node(4)
    x = integers(np.random.default_rng(1), (8, 8, 8, 3))
    base = trace(network, x)
    changes = [(node.name, other) for node in network for other in changed(node)]
    for name, other in changes:
        nodes = tuple(other if node.name == name else node for node in network)
        found = trace(Network(name="changed", nodes=_follow(nodes)), x)
        assert (found[name] != base[name]).any(), other
    assert len(changes) > 25


def _follow(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Nodes that keep the quantisation of their input follow its change."""
    done: dict[str, Node] = {}
    for node in nodes:
        keeps = isinstance(node, Pool | Clamp | Flatten)
        done[node.name] = replace(node, out=done[node.inputs[0]].out) if keeps else node
    return tuple(done.values())


# Bounds ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", [INT4, UINT4], ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("zero", [0, 3])
def test_the_bound_of_an_accumulator_is_attained(fmt: IntSpec, zero: int) -> None:
    source = Affine(format=fmt, scale=1.0, zero_point=zero)
    node = linear([[5, -7], [3, 4], [-1, -2]], bias=np.array([9, -8, 0], np.int32))
    least, greatest = accumulator_bound(node, source)
    for channel, (row, bias) in enumerate(zip(node.weight.tolist(), node.bias.tolist(), strict=True)):
        sums = {
            sum(some)
            for values in itertools.product(range(fmt.minimum, fmt.maximum + 1), repeat=2)
            for size in range(4)
            for some in itertools.combinations(
                (*((q - zero) * w for q, w in zip(values, row, strict=True)), bias), size
            )
        }
        assert (least[channel], greatest[channel]) == (min(sums), max(sums))


def test_an_accumulator_that_may_leave_int32_is_refused_with_channel_and_bound() -> None:
    width = 66_311  # the most inputs of 255 at weight 127 that int32 holds
    assert 255 * 127 * width <= 2**31 - 1 < 255 * 127 * (width + 1)
    x = features(width, Affine(format=UINT8, scale=1e-4))
    weight = np.zeros((2, width), np.int8)
    weight[1] = 127
    layer = linear(weight, weight_scale=(1e-3,))
    assert run(line(x, layer), np.full((1, width), 255)).tolist() == [[0, 127]]
    bias = np.array([0, 2**31 - 255 * 127 * width], np.int32)
    message = "node 'y': the accumulator of channel 1 may lie anywhere from 0 to 2147483648, which int32 does not hold"
    with pytest.raises(OverflowError, match=message):
        run(line(x, replace(layer, bias=bias)), np.zeros((1, width), np.uint8))
    # integers that never come need no room
    halved = Clamp(name="half", inputs=("x",), out=x.out, low=0, high=127)
    assert run(line(x, halved, replace(layer, bias=bias, inputs=("half",))), np.full((1, width), 255)).shape == (1, 2)


def test_a_step_that_may_leave_its_width_is_refused() -> None:
    layer = linear([[127] * 80] * 2, out=Affine(format=INT8, scale=1e-4), rule="tflite_double_rounding")
    with pytest.raises(OverflowError, match=r"node 'y': x=-1300480 at \[0, 0\]: left shift in tflite_double_rounding"):
        check(line(features(80), layer))


def test_a_sum_of_a_window_that_may_leave_int32_is_refused() -> None:
    out = Affine(format=INT32, scale=1.0)
    x = Input(name="x", out=out, shape=(2, 2, 1))
    mean = Pool(name="mean", inputs=("x",), out=out, kind="average_truncate", window=(1, 2))
    with pytest.raises(OverflowError, match="node 'mean': the sum of a window may lie anywhere from -4294967296"):
        check(line(x, mean))
    narrow = Clamp(name="narrow", inputs=("x",), out=out, low=-(2**30), high=2**30 - 1)
    assert check(line(x, narrow, replace(mean, inputs=("narrow",))))["mean"] == (-(2**30), 2**30 - 1)


def test_the_difference_to_a_zero_point_that_leaves_int32_is_refused() -> None:
    x = features(1, Affine(format=INT32, scale=1.0, zero_point=-1))
    other = Requantise(name="y", inputs=("x",), out=ONE, rule="tvm_upward")
    with pytest.raises(OverflowError, match="node 'y': x less its zero point is 2147483648"):
        check(line(x, other))


# Refusals -------------------------------------------------------------------------------------------------------------

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


def test_shapes_of_every_kind_of_node() -> None:
    found = shapes(every_node(0))
    assert (found["stem"], found["mean"], found["joined"]) == ((4, 4, 20), (4, 4, 12), (4, 4, 44))
    assert (found["all"], found["flat"], found["logits"]) == ((44,), (704,), (10,))


# Numbers to integers and back -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("zero", "wanted"), [(0, [0, 2, 2, 0, -2, 127, -128]), (1, [1, 3, 3, 1, -1, 127, -128])])
def test_onnx_vectors_of_quantisation(zero: int, wanted: list[int]) -> None:
    affine = Affine(format=INT8, scale=1.0, zero_point=zero)
    assert quantise_input([0.5, 1.5, 2.5, -0.5, -1.5, 300.0, -300.0], affine).tolist() == wanted


@pytest.mark.parametrize("fmt", [INT8, UINT4, INT16], ids=lambda fmt: fmt.name)
def test_quotients_are_rounded_once(fmt: IntSpec) -> None:
    rng = np.random.default_rng(9)
    for scale in (0.1, 1 / 3, 0.037, 2.0**-7, 3e-310, 1e300):
        affine = Affine(format=fmt, scale=scale, zero_point=fmt.maximum // 3)
        ties = (rng.integers(fmt.minimum, fmt.maximum + 1, 60) + 0.5) * scale
        near = np.concatenate(
            [ties, np.nextafter(ties, np.inf), np.nextafter(ties, -np.inf), rng.normal(size=20) * scale]
        )
        x = np.concatenate([near, [0.0, -0.0, 1e308, -1e308, 5e-324]])
        assert quantise_input(x, affine).tolist() == [judge.quantise_input(v, affine) for v in x.tolist()]


def test_a_quotient_in_binary64_is_rounded_twice_somewhere() -> None:
    affine = Affine(format=INT8, scale=0.1 / 3)
    x = next(
        v
        for k in range(1, 100)
        for v in np.nextafter((k + 0.5) * affine.scale, [-np.inf, np.inf]).tolist()
        if round(v / affine.scale) != round(Fraction(v) / Fraction(affine.scale))
    )
    assert quantise_input(x, affine).item() == judge.quantise_input(x, affine) != round(x / affine.scale)


def test_numbers_of_every_accepted_type() -> None:
    affine = Affine(format=UINT8, scale=0.5, zero_point=7)
    for dtype in (np.float16, np.float32, np.float64, np.uint8, np.int8, np.int32, np.uint32):
        assert quantise_input(np.array([0, 3, 100], dtype), affine).tolist() == [7, 13, 207]
    assert quantise_input([], affine).shape == (0,)
    assert quantise_input(3, affine).item() == 13
    with pytest.raises(TypeError, match="x has dtype int64; accepted: float16, float32"):
        quantise_input(np.array([1]), affine)
    with pytest.raises(ValueError, match=r"x is nan at \[1\]; finite numbers are accepted"):
        quantise_input([1.0, float("nan")], affine)


def test_integers_come_back_as_numbers() -> None:
    affine = Affine(format=INT8, scale=0.1, zero_point=-3)
    q = np.arange(-128, 128)
    assert dequantise(q, affine).tolist() == [affine.value(v) for v in q.tolist()]
    assert (quantise_input(dequantise(q, affine), affine) == q).all()
    with pytest.raises(ValueError, match=r"q is 128 at \[0\]; int8 has -128 to 127"):
        dequantise([128], affine)
