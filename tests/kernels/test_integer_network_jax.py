"""Integer-only networks in JAX: each form of a convolution against sums in NumPy, whole networks against its run."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integer_cases import affine, convolution, every_node, integers, linear
from integer_networks import inputs, networks

import formats
from formats import IntSpec
from formats.integer_only.averages import averages
from formats.results import INT16
from kernels_ref.integer import batches
from kernels_ref.integer import convolution as forms
from kernels_ref.integer.audit import audit
from kernels_ref.integer.batches import LIMIT, part_size
from kernels_ref.integer.network import compile_network, executor
from kernels_ref.integer.words import words
from reference.integer.network import Clamp, Concatenate, Convolution, Input, Network, Node, Pool
from reference.integer.run import run, trace

UINT16 = IntSpec(name="uint16", bits=16, minimum=0, maximum=65535, source="an unsigned half word")
FORMATS = {spec.name: spec for spec in (*map(formats.get, ("int8", "uint8", "int4", "uint4")), INT16, UINT16)}
#: form, weight, strides, groups, padding of the picture (2, 9, 8, in)
SAME = ((1, 1), (1, 1))
LAST = ((0, 1), (0, 1))
NONE = ((0, 0), (0, 0))
SHAPES = {
    "pixels": ((5, 1, 1, 7), (1, 1), 1, NONE),
    "pixels with strides": ((5, 1, 1, 7), (2, 2), 1, NONE),
    "each channel": ((6, 3, 3, 1), (1, 1), 6, SAME),
    "each channel with strides": ((6, 5, 3, 1), (2, 1), 6, ((2, 1), (0, 2))),
    "two of each channel": ((6, 3, 3, 1), (1, 1), 3, SAME),
    "one channel": ((6, 3, 3, 1), (1, 1), 1, SAME),
    "few channels": ((20, 3, 3, 3), (2, 2), 1, LAST),
    "sixteen channels": ((16, 3, 3, 16), (1, 1), 1, SAME),
    "seventeen channels": ((8, 3, 3, 17), (1, 1), 1, SAME),
    "many channels": ((33, 3, 2, 20), (2, 1), 1, ((1, 0), (1, 1))),
    "groups": ((6, 3, 3, 2), (1, 1), 3, SAME),
    "a window as large as the picture": ((4, 9, 8, 3), (1, 1), 1, NONE),
}


def sums(x: np.ndarray[Any, Any], zero: int, node: Convolution) -> np.ndarray[Any, Any]:
    """The accumulators by their definition, one output channel and window at a time, in int64."""
    centred = np.pad(x.astype(np.int64) - zero, ((0, 0), *node.padding, (0, 0)))
    out, height, width, channels = node.weight.shape
    rows = range(0, centred.shape[1] - height + 1, node.strides[0])
    columns = range(0, centred.shape[2] - width + 1, node.strides[1])
    total = np.zeros((len(x), len(rows), len(columns), out), np.int64)
    for o, (i, row), (j, column) in itertools.product(range(out), enumerate(rows), enumerate(columns)):
        first = o // (out // node.groups) * channels
        window = centred[:, row : row + height, column : column + width, first : first + channels]
        total[:, i, j, o] = (window * node.weight[o]).sum((1, 2, 3)) + node.bias[o]
    return total


#: a picture of each form in bytes, and each format in two forms
CASES = sorted(
    {(form, fmt) for form in SHAPES for fmt in FORMATS if fmt == "uint8" or form in ("pixels", "few channels")}
)


@pytest.mark.parametrize(("form", "fmt"), CASES)
def test_accumulators_of_convolutions_are_the_sums(form: str, fmt: str) -> None:
    shape, strides, groups, padding = SHAPES[form]
    rng = np.random.default_rng(0)
    node = convolution(rng, shape, strides=strides, groups=groups, padding=padding)
    source = affine(rng, FORMATS[fmt])
    x = integers(rng, (2, 9, 8, shape[3] * groups), source.format)
    found = jax.jit(lambda x: forms.convolution(x, source, node))(x)
    assert found.dtype == jnp.int32
    np.testing.assert_array_equal(found, sums(x, source.zero_point, node))


@pytest.mark.parametrize("padding", [SAME, LAST, ((2, 2), (2, 2)), ((0, 0), (1, 1))])
@pytest.mark.parametrize("window", [2, 3, 5])
def test_padding_with_zero_is_no_part_of_a_convolution(window, padding) -> None:
    """XLA folds it in, and is wrong then for most pictures of int8: every small size, zero point 0."""
    rng = np.random.default_rng(window)
    for size in itertools.product((1, 2, 3, 6), repeat=2):
        if min(extent + sum(pair) for extent, pair in zip(size, padding, strict=True)) < window:
            continue
        node = convolution(rng, (24, window, window, 20), padding=padding)
        source = replace(affine(rng), zero_point=0)
        x = integers(rng, (2, *size, 20))
        found = jax.jit(lambda x, source=source, node=node: forms.convolution(x, source, node))(x)
        np.testing.assert_array_equal(found, sums(x, 0, node))


def test_a_wrong_padding_or_zero_point_is_noticed() -> None:
    rng = np.random.default_rng(1)
    node = convolution(rng, (20, 3, 3, 3), padding=SAME)
    source = affine(rng)
    x = integers(rng, (2, 9, 8, 3))
    right = sums(x, source.zero_point, node)
    moved = replace(source, zero_point=source.zero_point + 1)
    assert (forms.convolution(jnp.asarray(x), moved, node) != right).any()
    flat = replace(source, zero_point=0)
    inside = np.s_[:, 1:-1, 1:-1]
    shifted = forms.convolution(jnp.asarray(x - np.int8(0)), flat, replace(node, bias=node.bias)) - right
    assert len(np.unique(shifted[inside][..., 0])) == 1, "inside, a zero point adds one number to a channel"
    assert len(np.unique(shifted[..., 0])) > 1, "at the edge it does not"


@pytest.mark.parametrize("fmt", FORMATS)
def test_words_add_up_to_every_integer(fmt: str) -> None:
    spec = FORMATS[fmt]
    width = 16 if spec.bits > 8 else 8
    x = np.arange(spec.minimum, spec.maximum + 1).astype(f"{'int' if spec.signed else 'uint'}{width}")
    for zero in (spec.minimum, 0, 1, spec.maximum):
        parts, offset = words(jnp.asarray(x), replace(affine(np.random.default_rng(0), spec), zero_point=zero))
        assert all(part.values.dtype == jnp.int8 for part in parts)
        total = sum(part.unit * np.asarray(part.values, np.int64) for part in parts) + offset
        np.testing.assert_array_equal(total, x)
        assert sum(part.unit * part.zero for part in parts) + offset == zero


def network_of(node: Node, source: Input) -> Network:
    return Network(name="one", nodes=(source, node))


def test_every_node_of_a_network_is_that_of_the_golden_model() -> None:
    network = every_node(0)
    x = integers(np.random.default_rng(0), (16, 8, 8, 3))
    expected = trace(network, x)
    found = jax.jit(executor(network))(x)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].dtype == values.dtype, name
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=6, deadline=None)
@given(st.data())
def test_random_networks_are_those_of_the_golden_model(data: st.DataObject) -> None:
    network = data.draw(networks(nodes=4))
    x = data.draw(inputs(network))
    found = executor(network)(jnp.asarray(x))
    for name, values in trace(network, x).items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("wide", [False, True], ids=["32-bit types", "64-bit types"])
def test_a_compiled_network_gives_the_output(wide: bool) -> None:
    network = every_node(7)
    x = integers(np.random.default_rng(7), (5, 8, 8, 3))
    with jax.enable_x64(wide):
        found = compile_network(network)(x)
    assert found.dtype == jnp.int8
    np.testing.assert_array_equal(found, run(network, x))


def pools(kind: str = "average_half_even", size: tuple[int, int] = (7, 6)) -> Network:
    """Pools in windows with edges, then of the whole picture."""
    out = affine(np.random.default_rng(5))
    x = Input(name="x", out=out, shape=(*size, 5))
    most = Pool(
        name="most", inputs=("x",), out=out, kind="max", window=(2, 3), strides=(1, 2), padding=((1, 0), (2, 1))
    )
    some = Pool(name="some", inputs=("x",), out=out, kind=kind, window=(3, 2), strides=(2, 1), padding=((1, 2), (0, 1)))
    small = Pool(name="small", inputs=("most",), out=out, kind=kind, window=None)
    whole = Pool(name="whole", inputs=("x",), out=out, kind=kind, window=None)
    top = Pool(name="top", inputs=("some",), out=out, kind="max", window=None)
    both = Concatenate(name="both", inputs=("small", "whole", "top"), out=out, rule="tvm_upward")
    return Network(name="pools", nodes=(x, most, some, small, whole, top, both))


@pytest.mark.parametrize("kind", averages())
def test_pools_of_each_kind(kind: str) -> None:
    network = pools(kind)
    x = integers(np.random.default_rng(5), (40, 7, 6, 5))
    expected = trace(network, x)
    for name, values in jax.jit(executor(network))(x).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_batches_of_any_size_are_rows_of_one() -> None:
    network = pools()
    compiled = compile_network(network)
    x = integers(np.random.default_rng(8), (5, 7, 6, 5))
    whole = np.asarray(compiled(x))
    np.testing.assert_array_equal(np.concatenate([compiled(x[:2]), compiled(x[2:])]), whole)
    assert compiled(x[:0]).shape == (0, 15)


def test_a_planted_fault_in_one_weight_is_noticed() -> None:
    network = every_node(9)
    x = integers(np.random.default_rng(9), (8, 8, 8, 3))
    node = network["depthwise"]
    assert isinstance(node, Convolution)
    weight = node.weight.copy()
    weight[4, 1, 1] ^= 64
    faulty = replace(network, nodes=tuple(replace(n, weight=weight) if n is node else n for n in network))
    assert (np.asarray(compile_network(faulty)(x)) != run(network, x)).any()


@pytest.mark.parametrize("fmt", FORMATS)
def test_linear_layers_of_each_format(fmt: str) -> None:
    rng = np.random.default_rng(3)
    source = Input(name="x", out=affine(rng, FORMATS[fmt]), shape=(40,))
    network = network_of(linear(rng, (12, 40)), source)
    x = integers(rng, (6, 40), source.out.format)
    np.testing.assert_array_equal(compile_network(network)(x), run(network, x))


def relu(fmt: str) -> Network:
    out = affine(np.random.default_rng(0), formats.get(fmt))
    return network_of(Clamp(name="y", inputs=("x",), out=out, low=0, high=1), Input(name="x", out=out, shape=(6,)))


def test_bad_input_is_refused() -> None:
    int8, int4 = compile_network(relu("int8")), compile_network(relu("int4"))
    with pytest.raises(TypeError, match="input of float32; 'one' takes int8"):
        int8(np.zeros((1, 6), np.float32))
    with pytest.raises(TypeError, match="input of uint8; 'one' takes int8"):
        int8(np.zeros((1, 6), np.uint8))
    with pytest.raises(ValueError, match=r"input of shape \(6, 2\); 'one' takes \(batch, 6\)"):
        int8(np.zeros((6, 2), np.int8))
    with pytest.raises(ValueError, match="input from 0 to 8; int4 has -8 to 7"):
        int4(np.array([[0, 8, 1, 7, 2, 3]], np.int8))
    assert int4(np.full((1, 6), 7, np.int8)).max() == 1
    unchecked = jax.jit(int4)(np.full((1, 6), 8, np.int8))
    assert unchecked.max() == 1


def test_parts_of_a_batch_are_rows_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    network = pools()
    x = integers(np.random.default_rng(6), (11, 7, 6, 5))
    assert part_size(executor(network), jnp.asarray(x)) == LIMIT // (4 * 7 * 6 * 5)
    monkeypatch.setattr(batches, "LIMIT", 4 * 4 * 7 * 6 * 5)
    parts = compile_network(network)
    assert "scan" in audit(parts, x.shape, x.dtype).primitives
    np.testing.assert_array_equal(parts(x), run(network, x))
    np.testing.assert_array_equal(parts(x[:8]), run(network, x[:8]))


def test_a_network_that_may_overflow_is_refused() -> None:
    source = Input(name="x", out=affine(np.random.default_rng(0), INT16), shape=(4000,))
    node = linear(np.random.default_rng(0), (2, 4000))
    node = replace(node, weight=np.full((2, 4000), 127, np.int8))
    with pytest.raises(OverflowError, match="node 'y': the accumulator of channel 0 may lie anywhere"):
        compile_network(network_of(node, source))


def test_two_inputs_and_unknown_nodes_are_refused() -> None:
    out = affine(np.random.default_rng(0))
    a, b = (Input(name=name, out=out, shape=(2,)) for name in "ab")
    with pytest.raises(ValueError, match="network 'two' has 2 inputs; one is accepted"):
        compile_network(Network(name="two", nodes=(a, b)))
    unknown = Network(name="odd", nodes=(a, Node(name="y", inputs=("a",), out=out)))
    with pytest.raises(TypeError, match="node 'y': a Node is no node that runs"):
        compile_network(unknown)
