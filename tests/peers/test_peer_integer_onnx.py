"""Integer networks in ONNX Runtime against the golden output by its kernels' rules, element for element."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
from hypothesis import given, settings
from peers.aimed_networks import STYLES, integers, operator_network
from peers.runtime_checks import drawn_networks, require_processor, run

import formats
from analysis.export import KERNELS, Runtime, golden, run_onnxruntime, to_float_onnx, to_onnx, with_binary32_scales
from analysis.export.kernel_rules import by
from analysis.export.saturation import SAFE_WEIGHT, saturated_linear
from analysis.networks.float_network import FloatFlatten, FloatInput, FloatLinear, FloatNetwork, FloatPool
from analysis.networks.float_run import run_float
from reference.integer.network import Affine, Input, Linear, Network

pytestmark = pytest.mark.peers
ORT = Runtime.ONNX_RUNTIME
ROWS = [row for row in KERNELS if row.runtime is ORT]
SEEDS = range(3)


@pytest.mark.parametrize("fmt", ["int8", "uint8"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.operator.name.lower())
def test_every_operator_follows_its_rule_and_no_rival(row, fmt):
    require_processor(ORT)
    differing = dict.fromkeys(row.rivals, 0)
    for style in STYLES:
        for seed in SEEDS:
            network, x = operator_network(row.operator, style, seed, fmt)
            theirs = run(network, x, ORT)
            np.testing.assert_array_equal(golden(network, x, ORT), theirs)
            for rival in row.rivals:
                differing[rival] += int((golden(network, x, ORT, instead={row.operator: rival}) != theirs).sum())
    assert all(differing.values()), differing


@settings(max_examples=40, deadline=None)
@given(drawn_networks(average_padding=True))
def test_whole_networks(drawn):
    require_processor(ORT)
    network, x = drawn
    np.testing.assert_array_equal(golden(network, x, ORT), run(network, x, ORT))


def _pairs(fan: int, weight: int, seed: int) -> tuple[Network, Linear, np.ndarray]:
    rng = np.random.default_rng(seed)
    given_, out = (Affine(format=formats.get("uint8"), scale=s, zero_point=100) for s in (1.0, 4096.0))
    node = Linear(
        name="y",
        inputs=("x",),
        out=out,
        weight=rng.choice([weight, -weight, weight - 3], (16, fan)).astype(np.int8),
        weight_scale=(1.0,),
        bias=np.full(16, seed % 2, np.int32),
        weight_format=formats.get("int8"),
        rule="onnx_qlinear",
    )
    network = Network(name="pairs", nodes=(Input(name="x", out=given_, shape=(fan,)), node))
    return network, node, rng.choice([0, 200, 255], (7, fan)).astype(np.uint8)


@pytest.mark.parametrize("fan", [2, 5, 33, 200])
@pytest.mark.parametrize("seed", [0, 1])
def test_pairs_of_uint8_saturate_unless_weights_are_small_or_precision_is_asked_for(fan, seed):
    require_processor(ORT)
    network, node, x = _pairs(fan, 127, seed)
    exact, source = golden(network, x, ORT), network["x"].out
    saturated = by("onnx_qlinear", saturated_linear(x, source, node).astype(np.int32), source, node)
    assert (exact != saturated).any()
    np.testing.assert_array_equal(run(network, x, ORT), saturated)
    np.testing.assert_array_equal(run_onnxruntime(to_onnx(network), x, optimised=True, precise=True), exact)
    safe, _, x = _pairs(fan, SAFE_WEIGHT, seed)
    np.testing.assert_array_equal(run(safe, x, ORT), golden(safe, x, ORT))


def test_a_planted_fault_is_seen():
    require_processor(ORT)
    network, x = operator_network(ROWS[0].operator, "any", 0)
    theirs = run(network, x, ORT)
    node = network.nodes[1]
    bias = node.bias.copy()
    bias[7] += 300
    faulty = replace(network, nodes=(network.nodes[0], replace(node, bias=bias)))
    assert (golden(faulty, x, ORT) != theirs)[..., 7].any()
    assert (np.delete(golden(faulty, x, ORT) != theirs, 7, axis=-1)).sum() == 0


def test_what_is_not_exported_is_refused():
    network, _ = operator_network(ROWS[0].operator, "any", 0)
    wide = replace(network, nodes=(replace(network.nodes[0], out=replace(network.nodes[0].out, scale=0.1)),))
    with pytest.raises(ValueError, match=r"node 'x': scale=0\.1 is no binary32 number"):
        to_onnx(wide)
    assert with_binary32_scales(wide).output.out.scale == np.float32(0.1)
    fmt = Affine(format=formats.get("uint4"), scale=0.5)
    with pytest.raises(ValueError, match="node 'x' is uint4; this runtime is given: int8, uint8"):
        to_onnx(replace(network, nodes=(replace(network.nodes[0], out=fmt),)))


def test_float_networks_are_those_of_the_float_run():
    rng = np.random.default_rng(0)
    nodes = (
        FloatInput(name="x", shape=(4, 6, 3)),
        FloatPool(name="small", inputs=("x",), kind="average", window=(3, 3), padding=((1, 1), (0, 1))),
        FloatFlatten(name="flat", inputs=("small",)),
        FloatLinear(name="y", inputs=("flat",), weight=rng.normal(size=(5, 60)).astype(np.float32), activation="relu6"),
    )
    network, x = FloatNetwork(name="floats", nodes=nodes), rng.normal(size=(2, 4, 6, 3)).astype(np.float32)
    theirs = run_onnxruntime(to_float_onnx(network), x, optimised=True)
    # 60 products and 9 sums in binary32, of numbers below 8: an error of at most 70 * 8 * 2^-23 each
    np.testing.assert_allclose(run_float(network, x), theirs, rtol=0, atol=70 * 8 * 60 * 2.0**-23)
    assert integers(rng, (3,), "int8").dtype == np.int8
