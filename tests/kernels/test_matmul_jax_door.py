"""The door of `kernels_ref.matmul`: batches, schedules, epilogues, transformations, 64-bit types, refusals."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import formats
from formats import Schedule
from kernels_ref.dot_operands import dot_operands
from kernels_ref.matmul import matmul
from reference.matmul import matmul as golden

FP8 = "hopper.wgmma.k32.f32.e4m3.e5m2"
WHOLE = Schedule(order="natural")
SCHEDULES = [
    Schedule(order="natural", slices=3, tile=64, combine="in_order"),
    Schedule(order="natural", slices=4, tile=32, combine="by_halves"),
    Schedule(order="pairs_of_four", slices=8, tile=64, combine="in_order"),
    Schedule(order="pairs_of_four"),
]


def operands(name=FP8, k=160, **formats_of):
    found = dot_operands(name, rows=2, columns=3, k=k, batch=15, seed=3, **formats_of)
    return found.a, found.b, found.c


def same(*args, **options):
    want, found = golden(*args, **options), np.asarray(matmul(*args, **options))
    assert found.dtype == want.dtype
    np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: f"{s.order.value}-{s.slices}")
@pytest.mark.parametrize("name", [FP8, f"{FP8}.promote64"])
def test_schedules(name, schedule):
    same(*operands(), accumulator=name, schedule=schedule)


@pytest.mark.parametrize("saturation", ["wrap", "sat_finite"])
@pytest.mark.parametrize("combine", ["in_order", "by_halves"])
def test_slices_of_integers(saturation, combine):
    rng = np.random.default_rng(0)
    a, b, c = rng.integers(0, 256, (3, 64)), rng.integers(0, 256, (64, 5)), rng.integers(0, 1 << 12, (3, 5))
    schedule = Schedule(order="natural", slices=4, tile=8, combine=combine)
    same(a, b, c, accumulator=f"int12.{saturation}", a_format="int8", b_format="uint8", schedule=schedule)


def test_slices_of_stochastic_sums():
    rule = formats.Accumulator(
        name="made",
        summation=formats.SequentialSum(
            output=formats.get("bfloat16"), rounding=formats.Rounding.STOCHASTIC_A, fused=True, random_bit_count=8
        ),
        source="this test",
    )
    a, b, _ = operands(FP8, 64)
    bits = np.random.default_rng(0).integers(0, 256, (64, 1, 2, 3))
    pair = {"a_format": "float8_e4m3fn", "b_format": "float8_e5m2"}
    for schedule in SCHEDULES[2:]:
        same(a, b, accumulator=rule, schedule=schedule, random_bits=bits, **pair)


SCALES = {
    "alpha": np.float32([[0.3], [1e-38]]),
    "beta": np.float32([1.5, -0.0, np.inf]),
    "bias": np.float32([[1e-40, -1e38, 3.0]]),
}


@pytest.mark.parametrize("names", [n for r in (1, 2, 3) for n in itertools.combinations(SCALES, r)], ids="-".join)
def test_epilogues(names):
    same(*operands(k=32), accumulator=FP8, **{name: SCALES[name] for name in names})


@pytest.mark.parametrize(
    ("name", "out", "rounding", "saturation"),
    [
        ("hopper.mma.m16n8k16.f16.f16", "bfloat16", "to_odd", "sat_none"),
        ("hopper.wgmma.k32.s32.s8.u8", "int8", "toward_zero", "wrap"),
    ],
)
def test_results_in_other_formats(name, out, rounding, saturation):
    found = dot_operands(name, rows=2, columns=3, k=formats.accumulator(name).k, batch=8, seed=1)
    operands = found.a, found.b, found.c
    same(*operands, accumulator=name, **SCALES)
    same(*operands, accumulator=name, out=out, rounding=rounding, saturation=saturation, nan="zero")


def test_the_conversion():
    given = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite"}
    same(*operands(k=32), accumulator=FP8, out="bfloat16", **given)
    same(*operands(k=32), accumulator=FP8, alpha=np.float32(0.5), out="float4_e2m1fn", nan="maximum", **given)


def test_batches_broadcast():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (4, 1, 2, 32)), rng.integers(0, 256, (3, 32, 5))
    for c in (None, rng.integers(0, 1 << 32, (5,)), rng.integers(0, 1 << 32, (4, 1, 2, 1))):
        same(a, b, c, accumulator=FP8)
        same(a, b, c, accumulator="exact.f32", a_format="float8_e4m3fn", b_format="float8_e5m2")
        same(a, b, c, accumulator="pairwise.f32", a_format="float8_e4m3fn", b_format="float8_e5m2")


NAMES = [FP8, "hopper.mma.m16n8k16.f32.e4m3.e5m2.promote32", "exact.f32", "fma.f32", "pairwise.f32"]


@pytest.mark.parametrize("name", NAMES)
def test_jit_vmap_and_64_bit_types_change_nothing(name):
    pair = {"a_format": "float8_e4m3fn", "b_format": "float8_e5m2"}
    a, b, c = (jnp.asarray(codes) for codes in operands(k=32))

    def run(a, b, c):
        return matmul(a, b, c, accumulator=name, **pair)

    want = golden(a, b, c, accumulator=name, **pair)
    np.testing.assert_array_equal(jax.jit(run)(a, b, c), want)
    np.testing.assert_array_equal(jax.vmap(run)(a, b, c), want)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(jax.jit(run)(a, b, c), want)


def test_integers_with_64_bit_types():
    rng = np.random.default_rng(0)
    a, b, c = rng.integers(0, 256, (3, 64)), rng.integers(0, 256, (64, 5)), rng.integers(0, 1 << 32, (3, 5))
    with jax.enable_x64(True):
        for name in ("int32.wrap", "int32.sat_finite", "int7.sat_finite"):
            same(a, b, c & (127 if "7" in name else -1), accumulator=name, a_format="int8", b_format="uint8")


A, B = np.zeros((2, 32), np.uint8), np.zeros((32, 3), np.uint8)
REFUSED = [
    ({"a": A[:, :31]}, ValueError, "a has K=31 columns, but b 32 rows"),
    ({"a": A[:, :16], "b": B[:16]}, ValueError, "K=16 must be a positive multiple of k=32"),
    ({"a": A.astype(np.float32)}, TypeError, "a must hold codes of float8_e4m3fn, integers, not float32"),
    ({"a": A.astype(np.int32) + 256}, ValueError, "a: code"),
    ({"a": A.astype(np.int8) - 1}, ValueError, "a: code"),
    ({"c": np.zeros((3, 3), np.uint32)}, ValueError, "c and the result do not broadcast"),
    ({"beta": np.float32(1)}, TypeError, "beta scales c, which is missing"),
    ({"alpha": 0.1}, ValueError, "alpha is no float32 number, such as"),
    ({"alpha": "1"}, TypeError, "alpha must be float32 numbers"),
    ({"random_bits": A}, ValueError, "random_bits mean nothing"),
    ({"accumulator": "exact.f32"}, TypeError, "state a_format"),
    ({"out": "int8"}, TypeError, "needs its rounding and its saturation stated"),
    ({"accumulator": "hopper.wgmma.k32.f32.e4m3"}, KeyError, "unknown accumulator"),
]


@pytest.mark.parametrize(("change", "error", "words"), REFUSED, ids=lambda x: str(x)[:30])
def test_refusals_are_those_of_the_golden_model(change, error, words):
    given = {"a": A, "b": B, "accumulator": FP8, **change}
    for product in (matmul, golden):
        with pytest.raises(error, match=words):
            product(given["a"], given["b"], given.get("c"), **{k: v for k, v in given.items() if k not in "abc"})


def test_terms_too_wide_for_32_bits_are_refused():
    step = formats.FusedSteps(
        products=4, fraction_bits=30, floor=-133, output=formats.FLOAT32, kept_bits=23,
        rounding=formats.Rounding.TOWARD_ZERO,
    )  # fmt: skip
    rule = formats.Accumulator(name="made", summation=step, source="this test")
    with pytest.raises(ValueError, match="fraction_bits=30: JAX takes products of at most 24 bits"):
        matmul(A, B, accumulator=rule, a_format="float8_e4m3fn", b_format="float8_e5m2")


def test_products_too_wide_for_32_bits_are_refused():
    wide = formats.IntSpec(name="int28", bits=28, minimum=-1 << 27, maximum=(1 << 27) - 1, source="this test")
    for name in ("fma.f32", "sequential.f32", "pairwise.f32"):
        with pytest.raises(ValueError, match="products of int28 and int28 have 56 bits; JAX takes at most 48"):
            matmul([[1]], [[1]], accumulator=name, a_format=wide, b_format=wide)


def test_matrix_cores_are_refused():
    with pytest.raises(ValueError, match=r"JoinedSteps .* has no JAX executor; reference.matmul has it"):
        matmul(A[:, :16], B[:16], accumulator="cdna3.mfma.k16.f32.fp8.bf8")
