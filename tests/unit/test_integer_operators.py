"""Integer operators on NumPy arrays: against the judge, against each other, and on published vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from integer_cases import affine, convolution, integers, linear

import formats
from formats import Rounding
from formats.integer_only.averages import Average, average, averages
from formats.integer_only.requantisers import requantisers
from formats.results import INT16, INT32
from reference.array.integer import pooling as array_pooling
from reference.array.integer.convolution import exact_dtype
from reference.exact import integer_network as judge
from reference.integer import convolution as operator
from reference.integer.check import check
from reference.integer.linear import linear as matrix_product
from reference.integer.network import Affine, Clamp, Concatenate, Input, Network, Pool, Table
from reference.integer.pooling import KINDS, pool
from reference.integer.requantise import requantise
from reference.integer.rescaling import concatenate, moved, rescaled
from reference.integer.run import run
from reference.integer.table import clamp, look_up

INT8, UINT8, UINT4 = formats.get("int8"), formats.get("uint8"), formats.get("uint4")
ONE = Affine(format=INT8, scale=1.0)
SUMS = [48, 49, 97, -48, -49, -50, -97]
#: weight, groups, strides, padding for pictures of (5, 6, in)
CONVOLUTIONS = {
    "pixels": ((3, 1, 1, 4), 1, (1, 1), ((0, 0), (0, 0))),
    "one side padded": ((2, 3, 3, 2), 1, (1, 1), ((0, 2), (1, 0))),
    "strides": ((2, 2, 3, 2), 1, (2, 3), ((1, 1), (0, 0))),
    "left over": ((2, 2, 2, 1), 1, (2, 2), ((0, 0), (0, 0))),
    "groups": ((4, 3, 2, 3), 2, (1, 2), ((1, 1), (1, 1))),
    "depthwise": ((3, 3, 3, 1), 3, (1, 1), ((1, 1), (1, 1))),
    "depthwise, two for each": ((6, 3, 3, 1), 3, (2, 2), ((1, 1), (1, 1))),
    "all is padding at the edge": ((1, 2, 2, 1), 1, (1, 1), ((3, 3), (2, 2))),
}


def case(name: str, fmt: formats.IntSpec) -> tuple[Any, Any, Any]:
    shape, groups, strides, padding = CONVOLUTIONS[name]
    rng = np.random.default_rng(7)
    node = convolution(rng, shape, groups=groups, strides=strides, padding=padding)
    return integers(rng, (2, 5, 6, shape[3] * groups), fmt), affine(rng, fmt), node


@pytest.mark.parametrize("fmt", [INT8, UINT8, INT16, UINT4], ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_are_the_judges(name: str, fmt: formats.IntSpec) -> None:
    x, source, node = case(name, fmt)
    found = operator.convolution(x, source, node)
    assert found.dtype == np.int32
    assert found.tolist() == [judge.accumulator(example, source, node) for example in x.tolist()]
    # the judge would not agree with another zero point, stride, padding or weight
    for other in (
        operator.convolution(x, replace(source, zero_point=source.zero_point + 1), node),
        operator.convolution(x, source, replace(node, weight=node.weight ^ 1)),
        operator.convolution(np.roll(x, 1, axis=2), source, node),
    ):
        assert other.tolist() != found.tolist()


@pytest.mark.parametrize("fmt", [INT8, UINT8, INT16], ids=lambda fmt: fmt.name)
def test_linear_is_the_judges_and_a_convolution_of_one_pixel(fmt: formats.IntSpec) -> None:
    rng = np.random.default_rng(3)
    node, source, x = linear(rng, (5, 33)), affine(rng, fmt), integers(rng, (4, 33), fmt)
    found = matrix_product(x, source, node)
    assert found.tolist() == [judge.accumulator(row, source, node) for row in x.tolist()]
    pixels = convolution(rng, (5, 1, 1, 33))
    pixels = replace(pixels, weight=node.weight[:, None, None, :], bias=node.bias)
    assert (operator.convolution(x.reshape(2, 2, 1, 33), source, pixels).reshape(4, 5) == found).all()


def test_padding_is_pixels_of_the_zero_point() -> None:
    x, source, node = case("one side padded", UINT8)
    around = np.pad(x, ((0, 0), *node.padding, (0, 0)), constant_values=source.zero_point)
    bare = replace(node, padding=((0, 0), (0, 0)))
    assert (operator.convolution(x, source, node) == operator.convolution(around, source, bare)).all()
    assert source.zero_point
    zeros = np.pad(x, ((0, 0), *node.padding, (0, 0)))
    assert (operator.convolution(x, source, node) != operator.convolution(zeros, source, bare)).any()


def test_groups_are_convolutions_side_by_side() -> None:
    x, source, node = case("groups", INT8)
    parts: list[Any] = []
    for g in range(2):
        out = slice(2 * g, 2 * g + 2)
        part = replace(node, groups=1, weight=node.weight[out], bias=node.bias[out])
        parts.append(operator.convolution(x[..., 3 * g : 3 * g + 3], source, part))
    assert (np.concatenate(parts, axis=3) == operator.convolution(x, source, node)).all()


@pytest.mark.parametrize("width", [128, 129, 1024, 4000])
def test_sums_are_exact_on_both_sides_of_binary32(width: int) -> None:
    # 255 * 127 * 519 is the first product of these beyond 2^24
    rng = np.random.default_rng(width)
    source, x = Affine(format=UINT8, scale=1.0), np.full((1, width), 255, np.uint8)
    node = replace(linear(rng, (2, width)), weight=np.full((2, width), 127, np.int8), bias=np.array([1, -1], np.int32))
    node.weight[1, ::2] = -126
    wanted = 255 * node.weight.astype(object).sum(axis=1) + node.bias
    assert (matrix_product(x, source, node)[0] == wanted).all()
    assert operator.sum_dtype(node, source, None) == (np.float32 if 255 * 127 * width < 1 << 24 else np.float64)


def test_binary32_is_not_exact_one_beyond_its_bound() -> None:
    bound = 1 << 24
    assert exact_dtype(bound) is np.float32
    assert exact_dtype(bound + 1) is np.float64
    assert np.float32(bound) + np.float32(1) == bound
    with pytest.raises(ValueError, match=r"bound=9007199254740993 must be at most 2\^53"):
        exact_dtype((1 << 53) + 1)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("average_hawq_v3", [0, 1, 1, 0, 0, -1, -1]),
        ("average_truncate", [0, 1, 1, 0, -1, -1, -1]),
        ("average_half_away", [1, 1, 2, -1, -1, -1, -2]),
        ("average_half_even", [1, 1, 2, -1, -1, -1, -2]),
    ],
)
def test_published_averages_of_49(kind: str, wanted: list[int]) -> None:
    assert array_pooling.average(np.array(SUMS, np.int32), np.int32(49), kind, np).tolist() == wanted


@pytest.mark.parametrize("kind", averages())
def test_averages_are_the_judges(kind: str) -> None:
    for count in (*range(1, 13), 49, 98, 99):
        total = np.arange(-3 * count, 3 * count + 1, dtype=np.int32)
        found = array_pooling.average(total, np.int32(count), kind, np)
        assert found.tolist() == [judge.average([t] + [0] * (count - 1), kind) for t in total.tolist()]


def test_averages_that_differ_only_at_ties_differ_there() -> None:
    total = np.array([1, 3, 5, -1, -3, -5], np.int32)
    away, even = (array_pooling.average(total, np.int32(2), f"average_half_{mode}", np) for mode in ("away", "even"))
    assert (away.tolist(), even.tolist()) == ([1, 2, 3, -1, -2, -3], [0, 2, 2, 0, -2, -2])


def in_binary32(total: np.ndarray[Any, np.dtype[np.int64]], count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """HAWQ-V3's average as its code computes it."""
    return np.trunc(total.astype(np.float32) / np.float32(count) + np.float32(0.01))


def test_hawq_v3_in_binary32_is_the_exact_rule_for_8_bits() -> None:
    for count in range(1, 100):
        total = np.arange(-128 * count, 255 * count + 1)
        exact = array_pooling.average(total, np.int64(count), "average_hawq_v3", np)
        assert (in_binary32(total, count) == exact).all()


@pytest.mark.parametrize(("count", "first"), [(16, None), (49, None), (64, None), (98, 8192), (99, 2048)])
def test_hawq_v3_in_binary32_leaves_the_exact_rule_for_16_bits_and_large_windows(count: int, first: int | None) -> None:
    total = np.arange(0, 32767 * count + 1)
    exact = array_pooling.average(total, np.int64(count), "average_hawq_v3", np)
    wrong = exact[in_binary32(total, count) != exact]
    assert wrong.tolist()[:1] == ([] if first is None else [first])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fmt", [INT8, UINT8, INT16], ids=lambda fmt: fmt.name)
def test_pools_are_the_judges(kind: str, fmt: formats.IntSpec) -> None:
    rng = np.random.default_rng(11)
    x, out = integers(rng, (2, 5, 6, 3), fmt), affine(rng, fmt)
    for window, strides, padding in (
        ((2, 2), (2, 2), ((0, 0), (0, 0))),
        ((3, 2), (1, 2), ((2, 1), (0, 1))),
        ((5, 6), (1, 1), ((4, 4), (5, 5))),
        (None, (1, 1), ((0, 0), (0, 0))),
    ):
        node = Pool(name="p", inputs=("x",), out=out, kind=kind, window=window, strides=strides, padding=padding)
        found = pool(x, node)
        assert found.dtype == x.dtype
        assert found.tolist() == [judge.pool(example, node) for example in x.tolist()]


@pytest.mark.parametrize("kind", KINDS)
def test_the_average_of_equal_integers_is_the_integer(kind: str) -> None:
    codes = np.arange(-128, 128).astype(np.int8)
    x = np.broadcast_to(codes, (1, 3, 3, 256))
    for window, padding in ((None, 0), ((3, 3), 1), ((2, 1), 0)):
        node = Pool(name="p", inputs=("x",), out=ONE, kind=kind, window=window, padding=((padding, 0), (0, 0)))
        wrong = codes < 0 if kind == "average_hawq_v3" else False  # what 0.01 breaks
        assert (pool(x, node) == codes + wrong).all()


@pytest.mark.parametrize("kind", averages())
def test_averages_are_odd_but_for_the_one_with_hundredths(kind: str) -> None:
    total = np.arange(-600, 601, dtype=np.int32)
    for count in (1, 2, 3, 4, 7):
        found = array_pooling.average(total, np.int32(count), kind, np)
        assert (found == -found[::-1]).all() == (kind != "average_hawq_v3")


def test_max_pools_commute_with_requantisation() -> None:
    rng = np.random.default_rng(2)
    x, source = integers(rng, (1, 6, 6, 2)), affine(rng)
    out = replace(affine(rng), scale=0.11)
    window: dict[str, Any] = {
        "name": "p",
        "inputs": ("x",),
        "kind": "max",
        "window": (3, 2),
        "padding": ((1, 1), (0, 1)),
    }
    for rule in requantisers():
        before = moved(pool(x, Pool(**window, out=source)), source, out, rule)
        assert (before == pool(moved(x, source, out, rule), Pool(**window, out=out))).all(), rule


@pytest.mark.parametrize("rule", requantisers())
def test_relu_commutes_with_requantisation_without_a_zero_point(rule: str) -> None:
    x = np.arange(-3000, 3001, dtype=np.int32)
    for ratio in (0.125, 0.03, 0.4999):
        after = np.maximum(requantise(x, ratio, rule=rule, fmt="int8"), 0)
        assert (after == requantise(np.maximum(x, 0), ratio, rule=rule, fmt="int8")).all()
        assert (after == requantise(x, ratio, rule=rule, fmt="int8", clamp=(0, 127))).all()


def test_concatenated_parts_keep_their_quantisation_or_move() -> None:
    half = Affine(format=UINT8, scale=0.5, zero_point=10)
    a, b = np.array([[10, 13]], np.uint8), np.array([[-128, 127]], np.int8)
    node = Concatenate(name="both", inputs=("a", "b"), out=ONE, rule="tvm_tonearest")
    found = concatenate([a, b], [half, ONE], node)
    assert (found.tolist(), found.dtype) == ([[0, 2, -128, 127]], np.int8)


def test_every_entry_of_a_table_is_found() -> None:
    for fmt in (INT8, UINT8, formats.get("int4"), UINT4):
        size = 1 << fmt.bits
        table = tuple(np.random.default_rng(1).permutation(size).tolist())
        node = Table(name="t", inputs=("x",), out=Affine(format=UINT8, scale=1.0), table=table)
        x = np.arange(fmt.minimum, fmt.maximum + 1)
        assert tuple(look_up(x, Affine(format=fmt, scale=1.0), node).tolist()) == table


def test_clamps_are_exhausted() -> None:
    x = np.arange(-128, 128)
    for low, high in ((-128, 127), (0, 127), (-3, 9), (5, 5)):
        node = Clamp(name="c", inputs=("x",), out=ONE, low=low, high=high)
        assert clamp(x, node).tolist() == [min(max(q, low), high) for q in x.tolist()]


def test_rescaling_uses_the_scale_of_each_channel() -> None:
    rng = np.random.default_rng(5)
    node = replace(linear(rng, (3, 4)), weight_scale=(0.01, 0.02, 0.03))
    source = affine(rng)
    sums = np.array([[1000, 1000, 1000], [-999, 7, 0]], np.int32)
    one = [rescaled(sums[:, [c]], source, replace(node, weight_scale=(s,))) for c, s in enumerate(node.weight_scale)]
    assert (rescaled(sums, source, node) == np.concatenate(one, axis=1)).all()


def test_bad_input_is_named() -> None:
    x, source, node = case("pixels", INT8)
    with pytest.raises(ValueError, match=r"node 'y': x of shape \(5, 6, 4\) must be \(batch, height, width, 4\)"):
        operator.convolution(x[0], source, node)
    with pytest.raises(TypeError, match="x has dtype float64; integers of int8 are accepted"):
        operator.convolution(x.astype(float), source, node)
    wrong = x.astype(np.int16)
    wrong[0, 0, 0, 1] = 200
    with pytest.raises(ValueError, match=r"x is 200 at \[0, 0, 0, 1\]; int8 has -128 to 127"):
        operator.convolution(wrong, source, node)
    row, _, strided = case("strides", INT8)
    with pytest.raises(ValueError, match=r"a picture of \(1, 6\), padded, has no window of \(2, 3\)"):
        operator.convolution(row[:, :1], source, replace(strided, padding=((0, 0), (0, 0))))
    with pytest.raises(ValueError, match=r"node 'y': x of shape \(4, 6\) must be \(batch, 33\)"):
        matrix_product(np.zeros((4, 6), np.int8), ONE, linear(np.random.default_rng(0), (2, 33)))
    with pytest.raises(ValueError, match=r"node 'p': x of shape \(4, 6\) must be \(batch, height, width, channels\)"):
        pool(np.zeros((4, 6), np.int8), Pool(name="p", inputs=("x",), out=ONE, kind="max", window=None))
    with pytest.raises(KeyError, match="unknown average 'mean'; known: average_half_away, average_truncate"):
        average("mean")


def test_a_sum_that_leaves_int32_is_refused_in_a_pool() -> None:
    out = Affine(format=INT32, scale=1.0)
    node = Pool(name="p", inputs=("x",), out=out, kind="average_truncate", window=(1, 2))
    x = np.array([2**30, 2**30, 2**30 - 1], np.int32).reshape(1, 1, 3, 1)
    assert pool(x[:, :, 1:], node).item() == 2**30 - 1
    with pytest.raises(OverflowError, match=r"node 'p': the sum 2147483648 at \[0, 0, 0, 0\] leaves int32"):
        pool(x, node)


def test_a_rounding_that_no_executor_knows_is_refused() -> None:
    rule = Average(name="floor", rounding=Rounding.TOWARD_NEGATIVE, source="none", evidence="none")
    with pytest.raises(ValueError, match="average 'floor' rounds toward_negative"):
        array_pooling.average(np.array([1]), np.array([2]), rule, np)


@pytest.mark.parametrize("kind", ["average_hawq_v3", "average_half_away", "average_truncate", "average_half_even"])
@pytest.mark.parametrize("ends", [(-1, -1), (-128, 127), (-3, 2), (5, 5)])
def test_averages_reach_the_ends_of_their_interval(kind, ends):
    out = Affine(format=formats.get("int8"), scale=1.0, zero_point=0)
    nodes = (
        Input(name="x", out=out, shape=(2, 2, 1)),
        Clamp(name="held", inputs=("x",), out=out, low=ends[0], high=ends[1]),
        Pool(name="y", inputs=("held",), out=out, kind=kind, window=(2, 2), padding=((1, 0), (0, 1))),
    )
    network = Network(name="averages", nodes=nodes)
    low, high = check(network)["y"]
    found = [run(network, np.full((1, 2, 2, 1), end, np.int8)) for end in ends]
    assert (low, high) == (int(found[0].min()), int(found[1].max()))
