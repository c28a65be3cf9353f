"""Trained integer networks in ONNX Runtime and LiteRT against the golden output, element for element."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_litert")
from peers.runtime_checks import require_processor, run

from analysis.export import Runtime, golden, with_binary32_scales
from analysis.networks.calibration import calibrate
from analysis.networks.float_network import fold
from analysis.networks.quantised import quantise
from reference.integer.run import quantise_input

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def digits_network():
    from analysis.networks.digits import digits
    from analysis.networks.digits_resnet import trained

    data = digits()
    network = fold(trained("float"))
    integer = with_binary32_scales(quantise(network, calibrate(network, [data.train_x[:256]]), "tflite_int8"))
    return integer, quantise_input(data.held_out_x[:64], integer.nodes[0].out)


@pytest.mark.parametrize("runtime", Runtime)
def test_digits_resnet(runtime, digits_network):
    require_processor(runtime)
    network, x = digits_network
    np.testing.assert_array_equal(golden(network, x, runtime), run(network, x, runtime))


@pytest.mark.exhaustive
def test_efficientnet_lite0_on_two_pictures():
    from analysis.networks.efficientnet_comparison import integer_efficientnet
    from analysis.networks.pictures import EVALUATED, pictures

    network = with_binary32_scales(integer_efficientnet("tflite_int8"))
    x = quantise_input(pictures(EVALUATED[:2]), network.nodes[0].out)
    for runtime in Runtime:
        require_processor(runtime)
        np.testing.assert_array_equal(golden(network, x, runtime), run(network, x, runtime))
