"""Integer networks in LiteRT, by each choice of its kernels, against the golden output, element for element."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
from hypothesis import given, settings
from peers.aimed_networks import STYLES, operator_network
from peers.runtime_checks import LITERT, drawn_networks, require_processor, run

import formats
from analysis.export import KERNELS, Operator, Resolver, Runtime, golden, run_litert, to_tflite
from analysis.export.flatbuffer import Operator as Code
from analysis.export.flatbuffer import Tensor, model
from reference.integer.network import Affine, Input, Network, Pool

pytestmark = pytest.mark.peers
ROWS = [row for row in KERNELS if row.runtime is not Runtime.ONNX_RUNTIME]
SEEDS = range(3)
#: TFLite fixes the output's quantisation of these
ACTIVATIONS = (
    ("LOGISTIC", lambda x: 1 / (1 + np.exp(-x)), Affine(format=formats.get("int8"), scale=2.0**-8, zero_point=-128)),
    ("TANH", np.tanh, Affine(format=formats.get("int8"), scale=2.0**-7)),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.runtime.value}-{row.operator.name.lower()}")
def test_every_operator_follows_its_rule_and_no_rival(row):
    require_processor(row.runtime)
    differing = dict.fromkeys(row.rivals, 0)
    for style in STYLES:
        for seed in SEEDS:
            network, x = operator_network(row.operator, style, seed)
            theirs = run(network, x, row.runtime)
            np.testing.assert_array_equal(golden(network, x, row.runtime), theirs)
            for rival in row.rivals:
                ours = golden(network, x, row.runtime, instead={row.operator: rival})
                differing[rival] += int((ours != theirs).sum())
    assert all(differing.values()), differing


@pytest.mark.parametrize("runtime", LITERT)
@settings(max_examples=25, deadline=None)
@given(drawn=drawn_networks(average_padding=False))
def test_whole_networks(runtime, drawn):
    require_processor(runtime)
    network, x = drawn
    np.testing.assert_array_equal(golden(network, x, runtime), run(network, x, runtime))


@pytest.mark.parametrize(("scale", "zero_point"), [(0.0625, 0), (0.05, 13), (0.1, -40)])
@pytest.mark.parametrize(("code", "function", "out"), ACTIVATIONS, ids=[row[0] for row in ACTIVATIONS])
def test_activations_are_tables_of_the_rounded_function(code, function, out, scale, zero_point):
    q = np.arange(-128, 128)
    x = Tensor(name="x", shape=(1, 256), dtype="int8", scales=(scale,), zero_point=zero_point)
    y = Tensor(name="y", shape=(1, 256), dtype="int8", scales=(out.scale,), zero_point=out.zero_point)
    content = model([x, y], [Code(code=code, version=2, inputs=(0,), outputs=(1,))], [1])
    real = function((q - zero_point) * float(np.float32(scale))) / out.scale
    expected = np.clip(np.floor(real + 0.5) + out.zero_point, -128, 127)
    for resolver in Resolver:
        np.testing.assert_array_equal(run_litert(content, q[None].astype(np.int8), resolver)[0], expected)


def test_the_kernels_of_one_runtime_differ_among_themselves():
    require_processor(Runtime.LITERT_XNNPACK)
    network, x = operator_network(Operator.CONVOLUTION, "any", 0)
    results = [run(network, x, runtime) for runtime in LITERT]
    assert all((a != b).any() for i, a in enumerate(results) for b in results[:i])


def test_a_planted_fault_is_seen():
    network, x = operator_network(Operator.LINEAR, "any", 0)
    theirs, node = run(network, x, Runtime.LITERT_REFERENCE), network.nodes[1]
    weight = node.weight.copy()
    weight[:, 2] ^= 64
    faulty = replace(network, nodes=(network.nodes[0], replace(node, weight=weight)))
    assert (golden(faulty, x, Runtime.LITERT_REFERENCE) != theirs).any()


def test_what_is_not_exported_is_refused():
    affine = Affine(format=formats.get("int8"), scale=0.5)
    given_ = Input(name="x", out=affine, shape=(5, 5, 1))
    padding = ((2, 2), (0, 0))
    pool = Pool(name="y", inputs=("x",), out=affine, kind="average_half_away", window=(3, 3), padding=padding)
    with pytest.raises(ValueError, match=r"node 'y': the padding \(\(2, 2\), \(0, 0\)\) of an average is not SAME"):
        to_tflite(Network(name="padded", nodes=(given_, pool)))
    unsigned = replace(given_, out=replace(affine, format=formats.get("uint8")))
    with pytest.raises(ValueError, match="node 'x' is uint8; this runtime is given: int8"):
        to_tflite(Network(name="unsigned", nodes=(unsigned,)))
