"""EfficientNet-Lite0 in integers on all sixteen pictures: against the float network, and executor against executor."""

import dataclasses
import functools

import numpy as np
import pytest
from rotation import rotate

from analysis.networks import efficientnet_comparison
from analysis.networks.efficientnet_comparison import compare_efficientnet, integer_efficientnet
from analysis.networks.pictures import EVALUATED, pictures
from kernels_ref.integer.network import compile_network
from reference.integer.run import quantise_input, run

pytestmark = pytest.mark.exhaustive
NAMES = [picture.name for picture in EVALUATED]


@pytest.fixture(scope="module", autouse=True)
def float_network_compiled_once():
    """Both comparisons are with one float network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            efficientnet_comparison, "efficientnet_lite0", functools.cache(efficientnet_comparison.efficientnet_lite0)
        )
        yield


@pytest.fixture(scope="module")
def network():
    return integer_efficientnet("tflite_int8")


@pytest.fixture(scope="module")
def compiled(network):
    return compile_network(network)


@pytest.fixture(scope="module")
def compared(network, compiled):
    return compare_efficientnet(network, execute=lambda _, x: np.asarray(compiled(x)))


def test_the_float_network_knows_what_it_sees(compared):
    """Classes of ImageNet-1k: 281 to 285 are cats, 967 is espresso, 665 a moped, 985 a daisy."""
    seen = dict(zip(NAMES, compared.exact.argmax(1), strict=True))
    assert seen["chelsea"] in range(281, 286)
    assert (seen["coffee"], seen["motorcycle_left"], seen["motorcycle_right"], seen["flower"]) == (967, 665, 665, 985)


def test_integers_point_where_floats_do(compared):
    assert compared.cosines.mean() >= 0.98


def test_a_fault_in_one_of_fifty_layers_is_noticed(network):
    """The scales of one layer in the middle reversed: cosines fall below what is claimed."""
    layer = network["block7.expand"]
    wrong = dataclasses.replace(layer, weight_scale=layer.weight_scale[::-1])
    nodes = tuple(wrong if node is layer else node for node in network)
    faulty = compile_network(dataclasses.replace(network, nodes=nodes))
    compared = compare_efficientnet(network, EVALUATED, execute=lambda _, x: np.asarray(faulty(x)))
    assert compared.cosines.mean() < 0.98


def test_golden_model_and_jax_are_equal(network, compiled):
    """NumPy's and JAX's logits, for four pictures a day."""
    x = quantise_input(pictures(rotate(EVALUATED, 4)), network.nodes[0].out)
    assert np.array_equal(run(network, x), compiled(x))
