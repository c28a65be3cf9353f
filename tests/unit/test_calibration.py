"""Calibration: ranges over batches against NumPy's, and against HAWQ's moving average written out."""

import numpy as np
import pytest

from analysis.networks.calibration import NodeRange, Range, calibrate
from analysis.networks.float_network import FloatAdd, FloatInput, FloatNetwork

NETWORK = FloatNetwork(
    name="n", nodes=(FloatInput(name="x", shape=(7,)), FloatAdd(name="y", inputs=("x", "x"), activation="relu"))
)
RNG = np.random.default_rng(3)
BATCHES = [RNG.normal(size=(5, 7)).astype(np.float32) for _ in range(3)]


def ends(values):
    return Range(float(np.min(values)), float(np.max(values)))


def test_least_and_greatest_before_and_after_the_activation():
    found = calibrate(NETWORK, BATCHES)
    everything = np.concatenate(BATCHES)
    assert found["x"] == NodeRange(ends(everything), ends(everything))
    assert found["y"] == NodeRange(ends(np.maximum(2 * everything, 0)), ends(2 * everything))
    assert found["y"].after.low == 0 > found["y"].before.low  # the two are told apart


def test_moving_average_as_hawq_writes_it():
    momentum, low, high = np.float32(0.95), np.float32(0), np.float32(0)
    for batch in BATCHES:
        if low == high:
            low, high = low + batch.min(), high + batch.max()
        else:
            low = low * momentum + batch.min() * np.float32(1 - 0.95)
            high = high * momentum + batch.max() * np.float32(1 - 0.95)
    assert calibrate(NETWORK, BATCHES, momentum=0.95)["x"].after == Range(float(low), float(high))


def test_percentiles_are_ranks():
    ordered = np.arange(35, dtype=np.float32).reshape(5, 7)
    found = calibrate(NETWORK, [RNG.permutation(ordered.ravel()).reshape(5, 7)], percentile=90)["x"].after
    assert found == Range(35 - 32, 32 - 1)  # round(35 * 0.9) = 32 (31.5, half to even): the 32nd from either end
    almost = calibrate(NETWORK, BATCHES, percentile=99.999)
    assert almost == calibrate(NETWORK, BATCHES)


def test_progress_is_told():
    heard = []
    calibrate(NETWORK, BATCHES, progress=lambda *news: heard.append(news))
    assert heard == [*((index, 3, "batch of 5") for index in range(3)), (3, 3, "calibrated")]


def test_bad_input():
    with pytest.raises(ValueError, match="no batches to calibrate on"):
        calibrate(NETWORK, [])
    for percentile in (50, 0, 100.5, float("nan")):
        with pytest.raises(ValueError, match=r"percentile=.* must lie in \(50, 100\]"):
            calibrate(NETWORK, BATCHES, percentile=percentile)
    for momentum in (-1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=r"momentum=.* must lie in \[0, 1\)"):
            calibrate(NETWORK, BATCHES, momentum=momentum)
    with pytest.raises(ValueError, match=r"node 'x' ranges over .*, which is not finite"):
        calibrate(NETWORK, [np.full((1, 7), np.inf)])
    for low, high in ((1, 0), (float("nan"), 1), (0, float("inf"))):
        with pytest.raises(ValueError, match="must be finite and not empty"):
            Range(low, high)
