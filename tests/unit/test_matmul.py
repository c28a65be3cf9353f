"""The golden matrix product: shapes, batches, blocks, conversions, and what is refused."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import formats
import reference
from formats.schedule import Schedule
from reference.array.dot.blocks import blocks
from reference.exact.dot import dot
from reference.matmul import matmul

FP8 = {"a_format": "float8_e4m3fn", "b_format": "float8_e5m2"}
WGMMA = "hopper.wgmma.k32.f32.e4m3.e5m2"
STOCHASTIC = formats.Accumulator(
    name="stochastic",
    summation=formats.SequentialSum(
        output=formats.FLOAT32, rounding=formats.Rounding.STOCHASTIC_A, fused=True, random_bit_count=8
    ),
    source="a test",
)


def codes(*shape, top=0x78, seed=0):
    """Finite codes of either FP8 format."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, top, shape) | (rng.integers(0, 2, shape) << 7)).astype(np.uint8)


def test_one_result_is_that_of_the_judge():
    a, b = codes(3, 64), codes(64, 2, seed=1)
    c = np.full((3, 2), 0x41200000, np.uint32)
    found = matmul(a, b, c, accumulator=WGMMA)
    assert found.dtype == np.uint32
    for i, j in np.ndindex(3, 2):
        assert found[i, j] == dot(a[i].tolist(), b[:, j].tolist(), int(c[i, j]), accumulator=WGMMA)


@pytest.mark.parametrize(
    ("left", "right"),
    [((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2, 3)), ((3,), ()), ((2, 1, 1), (3, 2)), ((1,), (4,)), ((0,), (1,))],
)
def test_batches_broadcast_as_in_numpy(left, right):
    a, b = codes(*left, 2, 4), codes(*right, 4, 5, seed=1)
    found = matmul(a, b, accumulator="fma.f32", **FP8)
    batch = np.broadcast_shapes(left, right)
    wide_a, wide_b = np.broadcast_to(a, (*batch, 2, 4)), np.broadcast_to(b, (*batch, 4, 5))
    assert found.shape == (*batch, 2, 5)
    for index in np.ndindex(*batch):
        np.testing.assert_array_equal(found[index], matmul(wide_a[index], wide_b[index], accumulator="fma.f32", **FP8))


@pytest.mark.parametrize("shape", [(), (5,), (2, 1), (2, 5), (3, 2, 5), (3, 1, 1), (1, 1, 5)])
def test_c_broadcasts_to_the_result(shape):
    a, b = codes(3, 2, 32), codes(3, 32, 5, seed=1)
    c = np.random.default_rng(2).integers(0x3F000000, 0x42000000, shape).astype(np.uint32)
    whole = matmul(a, b, np.broadcast_to(c, (3, 2, 5)), accumulator=WGMMA)
    np.testing.assert_array_equal(matmul(a, b, c, accumulator=WGMMA), whole)


def test_no_rows_no_columns():
    assert matmul(codes(0, 32), codes(32, 4), accumulator=WGMMA).shape == (0, 4)
    assert matmul(codes(2, 32), codes(32, 0), accumulator=WGMMA).shape == (2, 0)


@pytest.mark.parametrize("name", [WGMMA, "exact.f32", "fma.bf16", "pairwise.f16", "int32.wrap"])
@pytest.mark.parametrize(("batch", "m", "n", "k"), [(1, 300, 7, 32), (1, 3, 600, 32), (40, 9, 33, 32), (700, 1, 1, 64)])
def test_blocks_cover_the_result_once(name, batch, m, n, k):
    written = np.zeros((batch, m, n), int)
    for block in blocks(formats.accumulator(name).summation, written.shape, k):
        block.write(written, block.of_result(written) + 1)
    assert (written == 1).all()


def test_many_blocks_equal_single_rows():
    a, b = codes(260, 64), codes(64, 270, seed=1)
    found = matmul(a, b, accumulator=WGMMA)
    for i in (0, 3, 4, 129, 259):
        np.testing.assert_array_equal(found[i : i + 1], matmul(a[i : i + 1], b, accumulator=WGMMA))
    for j in (0, 255, 256, 269):
        np.testing.assert_array_equal(found[:, j : j + 1], matmul(a, b[:, j : j + 1], accumulator=WGMMA))


@pytest.mark.parametrize(("name", "rows"), [("exact.f32", 64), ("hopper.wgmma.k32.f32.e4m3.e5m2", 24)])
def test_memory_is_bounded(name, rows):
    """Well below what the products of every element would take, or both operands taken apart."""
    a = codes(rows, 8192)
    matmul(a[:1, :32], a[:1, :32].T, accumulator=name, **FP8)  # what is built once
    tracemalloc.start()
    matmul(a, a.T, accumulator=name, **FP8)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20


@pytest.mark.parametrize("name", ["exact.f32", "int32.sat_finite"])
def test_long_sums_pass_their_carries_up(name):
    """Longer than the stretches that are summed at once; every term positive and large."""
    length = 5000
    fmt = "float8_e5m2" if name == "exact.f32" else "uint8"
    a = np.full((1, length), 0x7B if name == "exact.f32" else 255)
    found = matmul(a, a.T, accumulator=name, a_format=fmt, b_format=fmt)
    want = dot(a[0].tolist(), a[0].tolist(), accumulator=name, a_format=fmt, b_format=fmt)
    assert found[0, 0] == want


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.int8])
def test_any_integer_dtype_holds_codes(dtype):
    a, b = codes(2, 32) & 0x7F, codes(32, 2) & 0x7F
    found = matmul(a.astype(dtype), b.astype(dtype), accumulator=WGMMA)
    np.testing.assert_array_equal(found, matmul(a, b, accumulator=WGMMA))


def test_random_bits_go_with_their_element_of_k():
    a, b = codes(2, 8, top=0x40), codes(8, 3, top=0x40, seed=1)
    bits = np.random.default_rng(3).integers(0, 256, (8, 2, 3))
    found = matmul(a, b, accumulator=STOCHASTIC, random_bits=bits, **FP8)
    for i, j in np.ndindex(2, 3):
        drawn = bits[:, i, j].tolist()
        want = dot(a[i].tolist(), b[:, j].tolist(), accumulator=STOCHASTIC, random_bits=drawn, **FP8)
        assert found[i, j] == want


def test_out_is_rounded_once_from_the_sum():
    a, b = codes(8, 64), codes(64, 8, seed=1)
    policy = {"rounding": "toward_positive", "saturation": "sat_finite"}
    acc = matmul(a, b, accumulator="hopper.wgmma.k32.f16.e4m3.e5m2")
    found = matmul(a, b, accumulator="hopper.wgmma.k32.f16.e4m3.e5m2", out="float8_e4m3fn", **policy)
    np.testing.assert_array_equal(found, reference.encode(acc.view(np.float16), "float8_e4m3fn", **policy))


def test_integers_go_into_out_without_a_stop_over_in_float32():
    """2^24 + 2^16 + 1 is no float32: to bfloat16 it goes up, but from the nearest float32, a tie, down."""
    a, b = [[1]], [[1]]
    plain = {"accumulator": "int32.wrap", "a_format": "int8", "b_format": "int8", "saturation": "sat_none"}
    c = [[(1 << 24) + (1 << 16)]]
    found = matmul(a, b, c, out="bfloat16", rounding="nearest_ties_to_even", **plain)
    assert reference.decode(found, "bfloat16")[0, 0] == 2.0**24 + 2.0**17
    through = matmul(a, b, c, alpha=1.0, out="bfloat16", rounding="nearest_ties_to_even", **plain)
    assert reference.decode(through, "bfloat16")[0, 0] == 2.0**24


@pytest.mark.parametrize(
    ("a", "b", "more", "message"),
    [
        (codes(2, 32), codes(64, 2), {}, r"a has K=32 columns, but b 64 rows: shapes \(2, 32\) and \(64, 2\)"),
        (codes(2, 48), codes(48, 2), {}, "K=48 must be a positive multiple of k=32 of hopper.wgmma"),
        (codes(2, 0), codes(0, 2), {}, "K=0 must be a positive multiple"),
        (codes(32), codes(32, 2), {}, r"a needs two axes or more; its shape is \(32,\)"),
        (codes(2, 1, 32), codes(3, 32, 1), {}, r"batches of a and b do not broadcast: \(2,\) and \(3,\)"),
        (codes(1, 32), [[300]] * 32, {}, r"b: code 300 at \[0, 0\] does not fit float8_e5m2, whose codes are 0..255"),
        (np.full((1, 32), -1, np.int8), codes(32, 1), {}, "a: code -1 .*; view signed integers as unsigned"),
        (
            codes(1, 32),
            codes(32, 1),
            {"a_format": "float8_e5m2"},
            "a_format='float8_e5m2', but hopper.* takes 'float8_e4",
        ),
        (codes(1, 32), codes(32, 1), {"c": np.zeros((2, 1), int)}, r"c has shape \(2, 1\), which does not broadcast"),
        (codes(1, 32), codes(32, 1), {"c": [[1 << 32]]}, "c: code 4294967296 .* does not fit float32"),
        (codes(1, 32), codes(32, 1), {"alpha": 0.1}, r"alpha is no float32 number, such as np.float32\(0.1\)"),
        (codes(1, 32), codes(32, 1), {"bias": 1e300}, "bias is no float32 number"),
        (codes(1, 32), codes(32, 1), {"bias": np.zeros((3, 1, 1))}, r"bias has shape \(3, 1, 1\), which does not"),
        (codes(1, 32), codes(32, 1), {"random_bits": [1]}, "random_bits mean nothing for hopper"),
        (
            codes(1, 32),
            codes(32, 1),
            {"out": "bfloat16", "rounding": "stochastic_a", "saturation": "sat_none"},
            "'stochastic_a' is stochastic; encode the result apart",
        ),
        (
            codes(1, 32),
            codes(32, 1),
            {"out": "bfloat16", "rounding": "up", "saturation": "sat_none"},
            "rounding='up' is not known; choose one of",
        ),
        (
            codes(1, 32),
            codes(32, 1),
            {"schedule": Schedule(order="natural", slices=2, tile=16, combine="in_order")},
            "tile=16 must be a multiple of k=32 of hopper",
        ),
    ],
)
def test_values_that_do_not_fit(a, b, more, message):
    with pytest.raises(ValueError, match=message):
        matmul(a, b, **{"accumulator": WGMMA, **more})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"accumulator": "fma.f32"}, "fma.f32 takes any operands; state a_format"),
        ({"accumulator": "fma.f32", "a_format": "int8"}, "fma.f32 takes any operands; state b_format"),
        ({"a": np.ones((1, 32))}, "a must hold codes of float8_e4m3fn, integers, not float64; see reference.encode"),
        ({"beta": 1.0}, "beta scales c, which is missing"),
        ({"alpha": "1"}, "alpha must be float32 numbers, not str32"),
        ({"rounding": "toward_zero"}, "rounding='toward_zero' goes with out=, the format of the result"),
        ({"out": "bfloat16", "rounding": "toward_zero"}, "out='bfloat16' needs its rounding and its saturation stated"),
        ({"accumulator": STOCHASTIC, **FP8}, "a stochastic rounding needs random_bits"),
    ],
)
def test_what_is_missing_or_of_the_wrong_type(more, message):
    with pytest.raises(TypeError, match=message):
        matmul(**{"a": codes(1, 32), "b": codes(32, 1), "accumulator": WGMMA, **more})


def test_random_bits_out_of_range():
    with pytest.raises(ValueError, match=r"random_bits must lie in \[0, 2\^8\); found 0..256"):
        matmul(codes(1, 2), codes(2, 1), accumulator=STOCHASTIC, random_bits=[[[0]], [[256]]], **FP8)
    with pytest.raises(
        ValueError, match=r"random_bits has shape \(3, 1, 1\), which does not broadcast|do not broadcast"
    ):
        matmul(codes(1, 2), codes(2, 1), accumulator=STOCHASTIC, random_bits=np.zeros((3, 1, 1), int), **FP8)


def test_an_unknown_accumulator_names_near_ones():
    with pytest.raises(KeyError, match=r"unknown accumulator 'hopper.wgmma.k16.f32.e4m3'; near it: "):
        matmul(codes(1, 32), codes(32, 1), accumulator="hopper.wgmma.k16.f32.e4m3")


def unit(**changed):
    rule = formats.accumulator("hopper.mma.m16n8k16.f32.bf16")
    return replace(rule, name="mine", summation=replace(rule.summation, **changed), k=1)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (unit(fraction_bits=50), "mine: products of 16 bits with fraction_bits=50 lie outside what arrays hold"),
        (unit(kept_bits=24), "mine: kept_bits=24 lie outside"),
        (unit(output=formats.get("float8_e4m3fn")), "which does not overflow to infinity, lie outside"),
        (unit(rounding=formats.Rounding.STOCHASTIC_A), "sums with rounding='stochastic_a' lie outside"),
    ],
)
def test_records_that_words_do_not_hold(rule, message):
    with pytest.raises(ValueError, match=message):
        matmul([[0]], [[0]], accumulator=rule)


@pytest.mark.parametrize(
    ("name", "a", "b", "message"),
    [
        ("int32.wrap", "float16", "int8", "int32.wrap sums integers; float16 is no plain integer format"),
        ("int32.wrap", "int8", "mxint8", "int32.wrap sums integers; mxint8 is no plain integer format"),
        ("exact.f32", "int8", "nothing", "unknown format 'nothing'"),
    ],
)
def test_operands_of_the_wrong_kind(name, a, b, message):
    with pytest.raises((ValueError, KeyError), match=message):
        matmul([[0]], [[0]], accumulator=name, a_format=a, b_format=b)
