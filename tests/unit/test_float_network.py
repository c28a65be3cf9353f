"""Float networks: the records, and their run in JAX against sums written out in NumPy."""

import numpy as np
import pytest

from analysis.networks.float_network import (
    FloatAdd,
    FloatConcatenate,
    FloatConvolution,
    FloatFlatten,
    FloatInput,
    FloatLinear,
    FloatNetwork,
    FloatPool,
)
from analysis.networks.float_run import float_trace, run_float

RNG = np.random.default_rng(7)
PICTURE = FloatInput(name="x", shape=(6, 5, 4))


def whole(shape):
    """Small integers, whose sums float32 holds: any order of summation gives the same."""
    return RNG.integers(-8, 8, shape).astype(np.float32)


def slow_convolution(x, weight, bias, strides, padding, groups):
    x = np.pad(x, ((0, 0), *padding, (0, 0)))
    outputs, rows, columns, width = weight.shape
    height = (x.shape[1] - rows) // strides[0] + 1
    breadth = (x.shape[2] - columns) // strides[1] + 1
    y = np.zeros((x.shape[0], height, breadth, outputs), np.float32)
    for o in range(outputs):
        first = o // (outputs // groups) * width
        for i in range(height):
            for j in range(breadth):
                top, left = i * strides[0], j * strides[1]
                window = x[:, top : top + rows, left : left + columns, first : first + width]
                y[:, i, j, o] = (window * weight[o]).sum((1, 2, 3)) + bias[o]
    return y


@pytest.mark.parametrize("kernel", [(1, 1), (3, 2), (2, 3)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (3, 2)])
@pytest.mark.parametrize(("outputs", "groups"), [(3, 1), (4, 2), (4, 4), (8, 4)])
@pytest.mark.parametrize("padding", [((0, 0), (0, 0)), ((1, 2), (0, 1))])
def test_convolution(kernel, strides, outputs, groups, padding):
    weight, bias, x = whole((outputs, *kernel, 4 // groups)), whole(outputs), whole((2, 6, 5, 4))
    node = FloatConvolution(
        name="y", inputs=("x",), weight=weight, bias=bias, strides=strides, padding=padding, groups=groups
    )
    expected = slow_convolution(x, weight, bias, strides, padding, groups)
    assert np.array_equal(run_float(FloatNetwork(name="n", nodes=(PICTURE, node)), x), expected)


def test_every_node_and_its_trace():
    x = whole((3, 6, 5, 4))
    nodes = (
        PICTURE,
        FloatPool(name="max", inputs=("x",), kind="max", window=(2, 2), strides=(2, 2), padding=((0, 0), (0, 1))),
        FloatPool(name="mean", inputs=("x",), kind="average", window=(2, 2), strides=(2, 2), padding=((0, 0), (0, 1))),
        FloatAdd(name="sum", inputs=("max", "mean"), activation="relu6"),
        FloatConcatenate(name="both", inputs=("sum", "max")),
        FloatFlatten(name="flat", inputs=("both",)),
        FloatLinear(name="y", inputs=("flat",), weight=whole((2, 72))),
    )
    network = FloatNetwork(name="n", nodes=nodes)
    after, before = float_trace(network, x), float_trace(network, x, before_activation=True)
    assert list(after) == [node.name for node in nodes]
    windows = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=np.nan).reshape(3, 3, 2, 3, 2, 4)
    assert np.array_equal(after["max"], np.nanmax(windows, (2, 4)))
    assert np.array_equal(after["mean"], np.nanmean(windows, (2, 4)))
    assert np.array_equal(before["sum"], after["max"] + after["mean"])
    assert np.array_equal(after["sum"], np.clip(before["sum"], 0, 6))
    assert np.array_equal(after["both"], np.concatenate([after["sum"], after["max"]], -1))
    assert np.array_equal(after["flat"], after["both"].reshape(3, 72))
    assert np.array_equal(run_float(network, x), after["y"])
    assert (before["sum"] < 0).any()  # else the activation was not seen


def test_pools_of_the_whole_picture_lose_two_axes():
    x = whole((3, 6, 5, 4))
    for kind, expected in (("max", x.max((1, 2))), ("average", x.mean((1, 2), dtype=np.float64))):
        node = FloatPool(name="y", inputs=("x",), kind=kind, window=None)
        found = run_float(FloatNetwork(name="n", nodes=(PICTURE, node)), x)
        assert np.abs(found - expected).max() <= 2 * np.finfo(np.float32).eps * np.abs(expected).max()


def test_bad_input():
    with pytest.raises(ValueError, match=r"activation='gelu' is not known; choose one of: none, relu, relu6"):
        FloatAdd(name="y", inputs=("x", "x"), activation="gelu")
    with pytest.raises(ValueError, match=r"kind='median'; accepted: max, average"):
        FloatPool(name="y", inputs=("x",), kind="median", window=None)
    with pytest.raises(ValueError, match="two nodes are called 'x'"):
        FloatNetwork(name="n", nodes=(PICTURE, PICTURE))
    late = FloatAdd(name="y", inputs=("x", "z"))
    with pytest.raises(ValueError, match="'y' takes 'z', which is not before it"):
        FloatNetwork(name="n", nodes=(PICTURE, late))
    network = FloatNetwork(name="n", nodes=(PICTURE,))
    with pytest.raises(KeyError, match="unknown node 'q' of network 'n'; known: x"):
        network["q"]
    for shape in ((6, 5, 4), (1, 5, 6, 4), ()):
        with pytest.raises(ValueError, match=r"network 'n' takes \(batch, \*\(6, 5, 4\)\)"):
            run_float(network, np.zeros(shape))
    with pytest.raises(ValueError, match="network 'none' has 0 inputs; one is run here"):
        run_float(FloatNetwork(name="none", nodes=()), [0])
