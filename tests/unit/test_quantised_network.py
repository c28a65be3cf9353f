"""From float networks to integer ones: what each scheme makes of each node, and that the integers mean the floats."""

import dataclasses

import numpy as np
import pytest
from float_networks import residual_network, whole_network, whole_ranges

from analysis.networks.calibration import calibrate
from analysis.networks.float_network import FloatConcatenate, FloatInput, FloatLinear, FloatNetwork, fold
from analysis.networks.float_run import run_float
from analysis.networks.quantised import quantise
from analysis.networks.schemes import HAWQ_V3, Scheme, scheme, scheme_names
from reference.integer.network import Add, Affine, Convolution, Input, Linear, Pool, Requantise
from reference.integer.run import dequantise, quantise_input, run, trace

F32 = np.float32
X = np.random.default_rng(0).uniform(0, 4, (6, 8, 8, 1)).astype(F32)
NETWORK = fold(residual_network(1))
RANGES = calibrate(NETWORK, [X])
RULES = {
    "tflite_int8": [("tflite_double_rounding", "tflite"), ("tflite_single_rounding", "tflite"), ("onnx_qlinear",) * 2],
    "symmetric_int8": [("tflite_double_rounding", "tflite"), ("onnx_qlinear", "onnx_qlinear")],
    "hawq_v3": [("hawq_v3_pytorch",) * 2, ("hawq_v3_tvm",) * 2],
}
CASES = [(name, *rules) for name, pairs in RULES.items() for rules in pairs]


def described(network):
    """Type, inputs, format and clamp of every node."""
    return {
        node.name: (type(node), node.inputs, node.out.format.name, getattr(node, "clamp", None)) for node in network
    }


def test_tflite_int8_node_by_node():
    network = quantise(NETWORK, RANGES, "tflite_int8")
    relu = (-128, 127)
    assert described(network) == {
        "x": (Input, (), "int8", None),
        "stem": (Convolution, ("x",), "int8", relu),
        "one.a": (Convolution, ("stem",), "int8", relu),
        "one.b": (Convolution, ("one.a",), "int8", None),
        "one.sum": (Add, ("one.b", "stem"), "int8", relu),
        "two.a": (Convolution, ("one.sum",), "int8", relu),
        "two.b": (Convolution, ("two.a",), "int8", None),
        "two.short": (Convolution, ("one.sum",), "int8", None),
        "two.sum": (Add, ("two.b", "two.short"), "int8", relu),
        "mean": (Pool, ("two.sum",), "int8", None),
        "logits": (Linear, ("mean",), "int8", None),
    }
    for node in network:
        low, high = RANGES[node.name].after.low, RANGES[node.name].after.high
        if node.name != "mean":
            assert node.out.scale == float((F32(max(high, 0)) - F32(min(low, 0))) / F32(255))
    assert network["mean"].out == network["two.sum"].out
    assert network["mean"].kind == "average_half_away"
    assert {node.out.zero_point for node in network if node.name in ("stem", "one.a", "one.sum")} == {-128}
    assert network["stem"].weight_format.minimum == -127


def test_hawq_v3_node_by_node():
    bits = {"one.a": 4, "two.a": 4, "two.short": 4}
    network = quantise(NETWORK, RANGES, scheme("hawq_v3", bits=bits))
    wide = (0, 2**31 - 1)
    assert described(network) == {
        "x": (Input, (), "int8", None),
        "stem": (Convolution, ("x",), "int16", (0, 32767)),
        "stem/uint4": (Requantise, ("stem",), "uint4", None),
        "one.a": (Convolution, ("stem/uint4",), "int8", (0, 127)),
        "one.b": (Convolution, ("one.a",), "int32", None),
        "one.sum": (Add, ("one.b", "stem"), "int32", wide),
        "one.sum/uint4": (Requantise, ("one.sum",), "uint4", None),
        "two.a": (Convolution, ("one.sum/uint4",), "int8", (0, 127)),
        "two.b": (Convolution, ("two.a",), "int32", None),
        "two.short": (Convolution, ("one.sum/uint4",), "int32", None),
        "two.sum": (Add, ("two.b", "two.short"), "int32", wide),
        "mean": (Pool, ("two.sum",), "int32", None),
        "mean/int8": (Requantise, ("mean",), "int8", None),
        "logits": (Linear, ("mean/int8",), "int32", None),
    }
    assert {node.out.zero_point for node in network} == {0}
    for block in ("one", "two"):  # branches come at the scale of their sum, which is that before the activation
        before = RANGES[f"{block}.sum"].before
        due = float(max(abs(F32(before.low)), abs(F32(before.high))) / F32(32767))
        assert network[f"{block}.b"].out.scale == network[f"{block}.sum"].out.scale == due
    assert network["one.sum/uint4"].out.scale == float(F32(RANGES["one.sum"].after.high) / F32(15))
    assert network["one.a"].out.scale == float(F32(RANGES["one.a"].after.high) / F32(127))
    formats = {name: network[name].weight_format.name for name in ("stem", *bits, "one.b", "logits")}
    assert formats == {name: "int4" if name in bits else "int8" for name in formats}
    assert np.abs(network["one.a"].weight).max() == 7
    assert network["mean"].kind == "average_hawq_v3"
    last = network["logits"]
    assert last.out.scale == min(float(F32(network["mean/int8"].out.scale) * F32(s)) for s in last.weight_scale)


def test_two_layers_of_other_widths_take_a_stream_each_in_its_own():
    network = quantise(NETWORK, RANGES, scheme("hawq_v3", bits={"two.a": 4}))
    assert network["two.a"].inputs == ("one.sum/uint4",)
    assert network["two.short"].inputs == ("one.sum/int8",)


def test_a_max_pool_lets_the_stream_through():
    pooled = fold(residual_network(2, pool=True))
    network = quantise(pooled, calibrate(pooled, [X]), "hawq_v3")
    assert network["pool"].out == network["stem"].out
    assert network["stem"].out.format.name == "int16"
    assert network["pool/int8"].inputs == ("pool",)


@pytest.mark.parametrize(("name", "rule", "addition"), CASES)
def test_where_scales_are_one_the_integers_are_the_floats(name, rule, addition):
    """Nothing is lost: whole weights, whole biases and scales of 1 leave every rule nothing to round."""
    hawq = name == "hawq_v3"
    network = whole_network(127)
    ends = (-128, 127) if name == "tflite_int8" else (-127, 127)
    ranges = whole_ranges(network, ends, (-32767, 32767) if hawq else ends)
    integer = quantise(network, ranges, scheme(name, rule=rule, addition=addition))
    assert {node.out.scale for node in integer} == {1.0}
    x = np.random.default_rng(5).integers(-6, 7, (50, 2, 2, 4)).astype(F32)
    x[..., 0] = 0
    expected = run_float(network, x)
    found = run(integer, quantise_input(x, integer.nodes[0].out))
    assert np.array_equal(dequantise(found, integer.output.out), expected)
    assert len(np.unique(expected)) > 10


def test_four_bits_are_exact_as_well_where_scales_are_one():
    network = whole_network(7)
    first, last = network["stem"], network["y"]
    stem = dataclasses.replace(first, weight=np.where(first.weight == 7, 127, first.weight).astype(F32))
    network = FloatNetwork(name="whole", nodes=(network["x"], stem, *network.nodes[2:-1], last))
    ranges = whole_ranges(network, (0, 15), (-32767, 32767))
    ranges |= {name: whole_ranges(network, (-127, 127), (-32767, 32767))[name] for name in ("x", "max", "y")}
    integer = quantise(network, ranges, scheme("hawq_v3", bits={"a": 4, "b": 4}))
    assert {node.out.scale for node in integer} == {1.0}
    assert integer["a"].weight_format.name == "int4"
    x = np.random.default_rng(5).integers(-2, 3, (50, 2, 2, 4)).astype(F32)
    x[..., 0] = 0
    found = run(integer, quantise_input(x, integer.nodes[0].out))
    assert np.array_equal(found, run_float(network, x))


@pytest.mark.parametrize(("name", "rule", "addition"), CASES)
def test_integers_mean_the_floats(name, rule, addition):
    """A random network: next to what a fault in one layer's scales does, quantisation does little."""
    integer = quantise(NETWORK, RANGES, scheme(name, rule=rule, addition=addition))
    expected = run_float(NETWORK, X)

    def cosine(network):
        found = dequantise(run(network, quantise_input(X, network.nodes[0].out)), network.output.out)
        return (found * expected).sum() / np.linalg.norm(found) / np.linalg.norm(expected)

    faulty = dataclasses.replace(integer["two.b"], weight_scale=integer["two.b"].weight_scale[::-1])
    nodes = tuple(faulty if node.name == "two.b" else node for node in integer)
    assert 1 - cosine(integer) < (1 - cosine(dataclasses.replace(integer, nodes=nodes))) / 10


def test_a_branch_into_a_sum_stops_nowhere():
    """HAWQ-V3's sum is ``round(m * b / 2^c) + round(r * b' / 2^c')``: the branch's share is its accumulator's."""
    integer = quantise(NETWORK, RANGES, "hawq_v3")
    x = quantise_input(X, integer.nodes[0].out)
    values, sums = trace(integer, x), trace(integer, x, accumulators=True)
    node, source = integer["one.b"], integer["one.a"].out
    ratio = np.float64(F32(1)) * (np.float64(source.scale) * np.array(node.weight_scale)).astype(F32) / node.out.scale
    assert np.abs(values["one.b"] - sums["one.b"] * ratio).max() <= 0.5 + 2.0**-20
    shortcut = values["stem"] * (integer["stem"].out.scale / node.out.scale)
    assert np.abs(values["one.sum"] - np.maximum(values["one.b"] + shortcut, 0)).max() <= 0.5 + 2.0**-10


def test_schemes_are_data():
    assert scheme_names() == ("tflite_int8", "symmetric_int8", "hawq_v3")
    assert scheme(HAWQ_V3) == HAWQ_V3
    with pytest.raises(KeyError, match="unknown scheme 'int3'; known: tflite_int8, symmetric_int8, hawq_v3"):
        scheme("int3")
    with pytest.raises(ValueError, match="scheme 'hawq_v3': 3 bits for layer 'a'; accepted: 4, 8"):
        scheme("hawq_v3", bits={"a": 3})
    with pytest.raises(ValueError, match="scheme 'tflite_int8' has 8 bits in every layer; 'a' was given 4"):
        scheme("tflite_int8", bits={"a": 4})
    assert isinstance(scheme("symmetric_int8", average="average_half_even"), Scheme)


def test_bad_input():
    with pytest.raises(ValueError, match="'stem' has a batch norm; fold it first"):
        quantise(residual_network(1), RANGES, "tflite_int8")
    with pytest.raises(ValueError, match=r"'one\.b' has no range; calibrate the network first"):
        quantise(NETWORK, {name: found for name, found in RANGES.items() if name != "one.b"}, "hawq_v3")
    with pytest.raises(
        ValueError, match=r"bits for 'three.a', which is no layer of network 'residual'; known: stem, o"
    ):
        quantise(NETWORK, RANGES, scheme("hawq_v3", bits={"three.a": 4}))
    for name in ("stem", "logits"):
        with pytest.raises(ValueError, match=f"4 bits for '{name}': the first and the last layer have 8"):
            quantise(NETWORK, RANGES, scheme("hawq_v3", bits={name: 4}))
    with pytest.raises(ValueError, match=r"node 'x': range \[0.0, 0.0\] has the scale 0.0; calibrate on inputs that"):
        quantise(NETWORK, calibrate(NETWORK, [np.zeros_like(X)]), "tflite_int8")
    x = FloatInput(name="x", shape=(2,))
    both = FloatNetwork(name="n", nodes=(x, FloatConcatenate(name="y", inputs=("x", "x"))))
    with pytest.raises(TypeError, match="node 'y' is a FloatConcatenate, which scheme hawq_v3 does not have"):
        quantise(both, whole_ranges(both, (-1, 1), (-1, 1)), "hawq_v3")
    negative = FloatLinear(name="a", inputs=("x",), weight=np.ones((2, 2), F32))
    chain = [dataclasses.replace(negative, name=name, inputs=(source,)) for name, source in ("ax", "ba", "cb")]
    network = FloatNetwork(name="n", nodes=(x, *chain))
    with pytest.raises(ValueError, match=r"node 'a': range \[-1, 1\]: unsigned 4 bits without a zero point"):
        quantise(network, whole_ranges(network, (-1, 1), (-1, 1)), scheme("hawq_v3", bits={"b": 4}))


def test_what_is_concatenated_is_requantised():
    x = FloatInput(name="x", shape=(2,))
    network = FloatNetwork(name="n", nodes=(x, FloatConcatenate(name="y", inputs=("x", "x"))))
    integer = quantise(network, calibrate(network, [[[-1, 1]]]), "tflite_int8")
    assert integer["y"].rule == "tflite_double_rounding"
    assert integer["y"].out == Affine(format=integer["x"].out.format, scale=float(F32(2) / F32(255)), zero_point=-1)
