"""The digits network: kept weights, accuracy in floats, in integers of 8, 4 and mixed bits, and the allocation."""

from __future__ import annotations

import functools
import hashlib
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analysis.hawq import digits as hawq_digits
from analysis.hawq.digits import FLAVOURS, MIXED, allocation, bits, choices, costs, integer_network, layers, predictions
from analysis.hawq.making import SEED
from analysis.hawq.sensitivity import hessian_traces, weight_error
from analysis.networks.digits import digits
from analysis.networks.digits_resnet import TRAINED, digits_resnet, initial, trained, trained_parameters
from analysis.networks.digits_training import train
from analysis.networks.float_network import fold
from analysis.networks.float_run import run_float
from kernels_ref.integer.audit import audit
from kernels_ref.integer.network import compile_network
from reference.integer.run import quantise_input, run, trace

DATA = digits()
#: of the kept parameters, in the order of their names
DIGESTS = {
    "float": "d5266c0b419ef6c8",
    "int4": "e70ec5f4e7b7a400",
    "mixed_75": "2be540601bca426d",
    "mixed_50": "9fc22fe03c33009c",
    "mixed_25": "476269de88038c60",
}


@pytest.fixture(scope="module", autouse=True)
def float_networks_compiled_once():
    """Every integer network of some weights is calibrated by one compiled float network."""
    with pytest.MonkeyPatch.context() as patch:
        for function in (trained, fold):
            patch.setattr(hawq_digits, function.__name__, functools.cache(function))
        yield


@functools.cache
def network_of(name, flavour=FLAVOURS[0]):
    return integer_network(name, DATA, flavour=flavour)


@functools.cache
def wrong_in_float():
    return wrong(run_float(trained("float"), DATA.held_out_x))


@pytest.mark.parametrize("name", TRAINED)
def test_kept_weights_are_those_that_the_pages_speak_of(name):
    parameters = trained_parameters(name)
    digest = hashlib.sha256()
    for key in sorted(parameters):
        digest.update(key.encode() + parameters[key].tobytes())
    assert digest.hexdigest()[:16] == DIGESTS[name]


def wrong(found):
    return int((np.asarray(found).argmax(-1) != DATA.held_out_y).sum())


def test_float_accuracy_is_at_least_99_percent():
    assert len(DATA.held_out_y) == 450
    assert wrong_in_float() <= 4


@pytest.mark.parametrize("name", ["int8", "int4", *MIXED])
def test_integer_networks_on_every_held_out_digit(name):
    """8 bits within half a point of float; all within one; both flavours of HAWQ-V3's rules see the same digits."""
    seen = [predictions(network_of(name, flavour), DATA.held_out_x) for flavour in FLAVOURS]
    np.testing.assert_array_equal(*seen)
    allowed = 0.005 if name == "int8" else 0.01
    assert (seen[0] != DATA.held_out_y).sum() - wrong_in_float() <= allowed * 450


@pytest.mark.parametrize("name", ["int8", "int4"])
def test_nothing_but_integers_between_input_and_output(name):
    network = network_of(name, "hawq_v3_tvm")
    assert audit(network).integer_only
    x = quantise_input(DATA.held_out_x[:64], network.nodes[0].out)
    np.testing.assert_array_equal(np.asarray(compile_network(network)(x)), run(network, x))


def test_sums_between_blocks_leave_16_bits_unclamped():
    """As in HAWQ-V3's PyTorch code; what enters the stream is clamped."""
    network = network_of("int8")
    found = trace(network, quantise_input(DATA.held_out_x, network.nodes[0].out))
    assert found["stem"].dtype == np.int16
    assert found["block1"].max() == 33231 > 32767


class TestAllocation:
    def test_bits_of_the_networks(self):
        assert {name: "".join(map(str, bits(name).values())) for name in MIXED} == {
            "mixed_75": "88848848", "mixed_50": "84848848", "mixed_25": "44848848",
        }  # fmt: skip

    @pytest.mark.parametrize("f", [Fraction(3, 4), Fraction(1, 2), Fraction(1, 4)])
    def test_the_optimum_is_within_its_limit_and_its_ties(self, f):
        chosen = allocation(f).bits
        low, high = costs("int4")[1], costs("int8")[1]
        spent = sum(float(layer.cost("bops", b)) for layer, b in zip(layers(), chosen, strict=True))
        assert spent <= low + float(f) * (high - low)
        assert (chosen[2], chosen[5]) == (chosen[4], chosen[7])

    def test_unknown_networks(self):
        with pytest.raises(KeyError, match="known: int8, int4, mixed_75"):
            bits("int3")
        with pytest.raises(KeyError, match="known: float, int4"):
            trained("int8")

    def test_the_kept_errors_are_those_of_the_kept_weights(self):
        for layer, node in zip(layers(), choices(fold(trained("float"))), strict=True):
            assert layer.name == node.name
            assert float(layer.error4) == pytest.approx(weight_error(node.weight, 4), rel=1e-5)
            assert float(layer.error8) == pytest.approx(weight_error(node.weight, 8), rel=1e-5)


class TestSensitivity:
    def test_a_diagonal_hessian_is_found_exactly_by_any_probe(self):
        weights = {"a": np.arange(4, dtype=np.float32), "b": np.float32(2)}
        found = hessian_traces(lambda w: (w["a"] ** 2).sum() * 3 + w["b"] ** 2, weights, probes=2, seed=1)
        assert (found["a"].estimate, found["a"].standard_error, found["b"].estimate) == (24.0, 0.0, 2.0)

    def test_estimates_surround_the_exact_trace(self):
        matrix = np.random.default_rng(0).standard_normal((6, 6)).astype(np.float32)
        matrix = matrix + matrix.T

        def loss(w):
            return (w["a"] @ (jnp.asarray(matrix) @ w["a"])) / 2 + jnp.sin(w["b"]).sum()

        weights = {"a": np.ones(6, np.float32), "b": np.zeros(3, np.float32)}
        found = hessian_traces(loss, weights, probes=400, seed=0)["a"]
        exact = float(np.trace(np.asarray(jax.hessian(lambda a: loss({"a": a, "b": weights["b"]}))(weights["a"]))))
        assert abs(found.estimate - exact) < 4 * found.standard_error

    def test_one_probe_has_no_error(self):
        with pytest.raises(ValueError, match="probes=1; at least 2"):
            hessian_traces(lambda w: w["a"] ** 2, {"a": np.float32(1)}, probes=1, seed=0)


def test_training_is_reproducible_from_its_seed_and_learns():
    some = type(DATA)(
        train_x=DATA.train_x[:256], train_y=DATA.train_y[:256], held_out_x=DATA.held_out_x, held_out_y=DATA.held_out_y
    )
    first, again = (train(SEED, some, epochs=2) for _ in range(2))
    for key in first:
        np.testing.assert_array_equal(first[key], again[key])
    assert wrong(run_float(digits_resnet(first), DATA.held_out_x)) < wrong(
        run_float(digits_resnet(initial(SEED)), DATA.held_out_x)
    )
