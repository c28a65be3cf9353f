"""Integer-only networks in NumPy: worked examples, and bounds that are attained."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace

import numpy as np
import pytest
from integer_cases import every_node, integers
from integer_lines import ONE, features, line, linear

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
    Flatten,
    Input,
    Network,
    Node,
    Pool,
    Requantise,
    Table,
)
from reference.integer.run import run, trace
from reference.integer.shapes import shapes

INT8, INT4, UINT8, UINT4 = map(formats.get, ("int8", "int4", "uint8", "uint4"))


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


def test_shapes_of_every_kind_of_node() -> None:
    found = shapes(every_node(0))
    assert (found["stem"], found["mean"], found["joined"]) == ((4, 4, 20), (4, 4, 12), (4, 4, 44))
    assert (found["all"], found["flat"], found["logits"]) == ((44,), (704,), (10,))
