"""Batch norm folded: the same numbers as convolution and batch norm one after the other."""

from fractions import Fraction

import numpy as np
import pytest

from analysis.networks.float_network import BatchNorm, FloatConvolution, FloatInput, FloatLinear, FloatNetwork, fold
from analysis.networks.float_run import run_float
from reference.integer.folding import fold_batch_norm

RNG = np.random.default_rng(20260)


def statistics(channels):
    return {
        "gamma": RNG.normal(size=channels).astype(np.float32),
        "beta": RNG.normal(size=channels).astype(np.float32),
        "mean": RNG.normal(size=channels).astype(np.float32),
        "variance": RNG.uniform(0, 2, channels).astype(np.float32),
    }


def test_folded_is_exact_where_the_root_is():
    """Variances plus epsilon are squares of powers of two, so that binary64 makes no error and Fractions agree."""
    weight, bias = RNG.integers(-9, 9, (3, 2, 2, 4)), np.array([1, -2, 3])
    gamma, beta, mean = np.array([3, -1, 0.5]), np.array([0.25, 0, -7]), np.array([1, 2, -3])
    variance, epsilon = np.array([3.75, 0.0, 15.75]), 0.25
    folded, shift = fold_batch_norm(weight, bias, gamma, beta, mean, variance, epsilon)
    for channel, root in enumerate((2, Fraction(1, 2), 4)):
        factor = Fraction(gamma[channel]) / root
        assert folded[channel].ravel().tolist() == [factor * int(w) for w in weight[channel].ravel()]
        assert shift[channel] == (int(bias[channel]) - Fraction(mean[channel])) * factor + Fraction(beta[channel])


def test_a_folded_layer_is_the_two_one_after_the_other():
    """In binary64, for any x: at most a few units in the last place of the sum of magnitudes."""
    weight, x = RNG.normal(size=(5, 7)), RNG.normal(size=(100, 7))
    s = statistics(5)
    folded, shift = fold_batch_norm(weight, None, **s, epsilon=1e-3)
    wide = {name: values.astype(np.float64) for name, values in s.items()}
    factor = wide["gamma"] / np.sqrt(wide["variance"] + 1e-3)
    apart = (x @ weight.T - wide["mean"]) * factor + wide["beta"]
    magnitudes = np.abs(x) @ np.abs(folded).T + np.abs(wide["mean"] * factor) + np.abs(wide["beta"])
    unit = np.finfo(np.float64).eps
    assert (np.abs(x @ folded.T + shift - apart) <= 2 * (7 + 4) * unit * magnitudes).all()


def test_a_folded_network_is_the_network():
    """Through float32, whose roundings bound the difference as above; a network without the fold is far away."""
    convolution = FloatConvolution(
        name="c",
        inputs=("x",),
        weight=RNG.normal(size=(6, 3, 3, 2)).astype(np.float32),
        bias=RNG.normal(size=6).astype(np.float32),
        batch_norm=BatchNorm(**statistics(6), epsilon=1e-5),
        padding=((1, 1), (1, 1)),
        activation="relu",
    )
    network = FloatNetwork(name="n", nodes=(FloatInput(name="x", shape=(5, 5, 2)), convolution))
    folded = fold(network)
    x = RNG.normal(size=(4, 5, 5, 2)).astype(np.float32)
    factor = convolution.batch_norm.gamma / np.sqrt(convolution.batch_norm.variance + np.float32(1e-5))
    largest = np.abs(x).max() * np.abs(folded["c"].weight).reshape(6, -1).sum(1) + np.abs(folded["c"].bias)
    largest += np.abs(factor) * (np.abs(convolution.bias) + np.abs(convolution.batch_norm.mean))
    bound = 2 * (18 + 6) * np.finfo(np.float32).eps * largest.max()
    assert np.abs(run_float(network, x) - run_float(folded, x)).max() <= bound
    assert folded["c"].batch_norm is None
    assert np.abs(run_float(network, x)).max() > 100 * bound


def test_what_has_no_batch_norm_stays():
    linear = FloatLinear(name="y", inputs=("x",), weight=np.ones((1, 2), np.float32))
    network = FloatNetwork(name="n", nodes=(FloatInput(name="x", shape=(2,)), linear))
    assert fold(network)["y"] is linear


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gamma": [1, 2]}, r"gamma has shape \(2,\); the weight has \(3,\) output channels"),
        ({"bias": 1.0}, r"bias has shape \(\); the weight has \(3,\) output channels"),
        ({"weight": 1.0}, r"the weight has no output channels"),
        ({"epsilon": -1e-3}, "epsilon=-0.001 must be at least 0"),
        ({"variance": [1, -1e-9, 1]}, "variance=-1e-09 of channel 1 with epsilon=0.001"),
        ({"variance": [1, 1, 0], "epsilon": 0.0}, "variance=0.0 of channel 2 with epsilon=0.0"),
        ({"variance": [1, np.nan, 1]}, "variance=nan of channel 1"),
    ],
)
def test_bad_input(change, message):
    given = {"weight": np.ones((3, 2)), "bias": None, "gamma": [1] * 3, "beta": [0] * 3, "mean": [0] * 3}
    with pytest.raises(ValueError, match=message):
        fold_batch_norm(**{**given, "variance": [1] * 3, "epsilon": 1e-3, **change})
