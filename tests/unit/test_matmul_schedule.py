"""Orders and slices of K, and the epilogue, against the judge and exact fractions."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce

import numpy as np
import pytest

import formats
import reference
from formats import FLOAT32
from formats.schedule import Combine, KOrder, Schedule
from reference.exact.dot import dot
from reference.matmul import matmul

POLICY = {"rounding": "nearest_ties_to_even", "saturation": "sat_none"}
NAMES = ("hopper.wgmma.k32.f32.e4m3.e4m3", "hopper.mma.m16n8k32.f16.e4m3.e4m3", "fma.bf16.promote32")
FP8 = {"a_format": "float8_e4m3fn", "b_format": "float8_e4m3fn"}


def codes(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0x20, 0x50, shape) | (rng.integers(0, 2, shape) << 7)


def add(x, y, spec):
    """The code of an exact sum, by the judge."""
    terms = [reference.exact.decode(code, spec) for code in (x, y)]
    if all(str(term) == "-0.0" for term in terms):
        return spec.sign_code
    return reference.exact.encode(sum(map(Fraction, terms)), spec, **POLICY)


def sliced(a, b, c, rule, spans):
    """Sums of slices by the judge; the first starts from ``c``."""
    starts = [c] + [0] * (len(spans) - 1)
    return [
        dot(a[i:j].tolist(), b[i:j].tolist(), start, accumulator=rule, **FP8) if i < j else start
        for (i, j), start in zip(spans, starts, strict=True)
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("slices", "tile", "combine"),
    [
        (1, None, None),
        (2, 32, Combine.IN_ORDER),
        (3, 64, Combine.IN_ORDER),
        (8, 64, Combine.IN_ORDER),
        (4, 32, Combine.BY_HALVES),
        (8, 64, Combine.BY_HALVES),
        (4, 64, Combine.FOUR_LANES),
        (16, 32, Combine.FOUR_LANES),
    ],
)
def test_slices_are_summed_apart(name, slices, tile, combine):
    rule = formats.accumulator(name)
    plan = Schedule(order=KOrder.NATURAL, slices=slices, tile=tile, combine=combine)
    a, b = codes(2, 320), codes(320, 3, seed=1)
    c = np.array([[0x3C00, 0x4000, 0], [1, 0x8000, 0x3800]])
    found = matmul(a, b, c, accumulator=rule, schedule=plan, **FP8)
    for i, j in np.ndindex(2, 3):
        parts = sliced(a[i], b[:, j], int(c[i, j]), rule, plan.bounds(320))
        if combine is Combine.FOUR_LANES and slices == 16:
            pairs = [add(parts[n], parts[n + 4], rule.output) for n in (0, 1, 2, 3, 8, 9, 10, 11)]
            parts = [add(pairs[n], pairs[n + 4], rule.output) for n in range(4)]
        while combine is not Combine.IN_ORDER and len(parts) > 1:
            half = len(parts) // 2
            parts = [add(parts[n], parts[n + half], rule.output) for n in range(half)]
        assert found[i, j] == reduce(lambda x, y: add(x, y, rule.output), parts)


@pytest.mark.parametrize("name", ["int32.wrap", "int9.wrap", "int9.sat_finite"])
def test_slices_of_integers_wrap_or_clamp(name):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (4, 24)), rng.integers(0, 256, (24, 4))
    plan = Schedule(order="natural", slices=3, tile=8, combine="in_order")
    int8 = {"a_format": "int8", "b_format": "int8"}
    found = matmul(a, b, accumulator=name, schedule=plan, **int8)
    spec = formats.accumulator(name).output
    for i, j in np.ndindex(4, 4):
        total = 0
        for start, stop in plan.bounds(24):
            part = dot(a[i, start:stop].tolist(), b[start:stop, j].tolist(), accumulator=name, **int8)
            total += int(reference.exact.decode(part, spec))
            if name.endswith("sat_finite"):
                total = min(max(total, spec.minimum), spec.maximum)
        assert found[i, j] == total % (1 << spec.bits)


def test_pairs_of_four_are_taken_in_their_order():
    """In each 32 first k mod 4 in {0, 1}, then {2, 3}; random bits stay with their element."""
    order = [32 * s + k for s in range(2) for pair in ((0, 1), (2, 3)) for k in range(32) if k % 4 in pair]
    plan = Schedule(order="pairs_of_four")
    assert plan.permutation(64) == tuple(order)
    a, b = codes(3, 64), codes(64, 5, seed=1)
    for name in ("sequential.bf16", "hopper.wgmma.k32.f32.e4m3.e4m3.promote32", "hopper.mma.m16n8k16.f32.f16"):
        own = {} if name.endswith("f32.f16") else FP8
        x, y = (a << 8, b << 8) if name.endswith("f32.f16") else (a, b)
        found = matmul(x, y, accumulator=name, schedule=plan, **own)
        np.testing.assert_array_equal(found, matmul(x[:, order], y[order], accumulator=name, **own))
    rule = formats.Accumulator(
        name="stochastic",
        summation=formats.SequentialSum(
            output=formats.get("bfloat16"), rounding=formats.Rounding.STOCHASTIC_C, fused=True, random_bit_count=5
        ),
        source="a test",
    )
    bits = np.random.default_rng(2).integers(0, 32, (64, 3, 5))
    found = matmul(a, b, accumulator=rule, schedule=plan, random_bits=bits, **FP8)
    again = matmul(a[:, order], b[order], accumulator=rule, random_bits=bits[order], **FP8)
    np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"order": "backwards"}, "order='backwards' is not known; choose one of: natural, pairs_of_four"),
        ({"order": "natural", "slices": 0}, "slices=0 must be at least 1"),
        ({"order": "natural", "slices": 2}, "slices=2: tile and combine go with more than one slice"),
        ({"order": "natural", "tile": 8}, "slices=1: tile and combine go with more than one slice"),
        ({"order": "natural", "slices": 2, "tile": 0, "combine": "in_order"}, "tile=0 must be at least 1"),
        ({"order": "natural", "slices": 6, "tile": 8, "combine": "by_halves"}, "slices=6 must be a power of two"),
        ({"order": "natural", "slices": 2, "tile": 8, "combine": "four_lanes"}, "slices=2 do not fill four_lanes"),
        ({"order": "natural", "slices": 2, "tile": 8, "combine": "x"}, "combine='x' is not known; choose one of"),
    ],
)
def test_schedules_that_mean_nothing(fields, message):
    with pytest.raises(ValueError, match=message):
        Schedule(**fields)


def test_pairs_of_four_need_32_elements():
    with pytest.raises(ValueError, match="order='pairs_of_four' needs K a multiple of 32, not K=48"):
        matmul(codes(1, 48), codes(48, 1), accumulator="fma.f32", schedule=Schedule(order="pairs_of_four"), **FP8)


def value(word):
    return Fraction(float(np.uint32(word).view(np.float32)))


def single(exact):
    return reference.exact.encode(exact, FLOAT32, **POLICY)


def expected(acc, c, alpha, beta, bias):
    """float32 words by exact fractions, one rounding for each operation."""
    y = single(acc)
    if alpha is not None:
        y = single(value(y) * Fraction(float(alpha)))
    if beta is not None:
        y = single(value(y) + value(single(value(single(c)) * Fraction(float(beta)))))
    return y if bias is None else single(value(y) + Fraction(float(bias)))


@pytest.mark.parametrize("terms", ["alpha", "beta", "bias", "alpha beta", "alpha bias", "beta bias", "alpha beta bias"])
@pytest.mark.parametrize("name", ["hopper.wgmma.k32.f32.e4m3.e4m3", "fma.bf16", "int32.wrap"])
def test_epilogues_round_after_each_operation(name, terms):
    rng = np.random.default_rng(1)
    rule = formats.accumulator(name)
    kinds = {"a_format": "int8", "b_format": "int8"} if name == "int32.wrap" else FP8
    a, b = codes(4, 64), codes(64, 5, seed=1)
    c = rng.integers(0, 1 << rule.output.bits, (4, 5)) & (0xFFFFFFF if rule.output.bits == 32 else 0x3FFF)
    scales = {"alpha": rng.normal(size=()), "beta": rng.normal(size=(4, 1)), "bias": rng.normal(size=5)}
    given = {key: scales[key].astype(np.float32) for key in terms.split()}
    found = matmul(a, b, c, accumulator=rule, **kinds, **given)
    acc = matmul(a, b, None if "beta" in given else c, accumulator=rule, **kinds)
    assert found.dtype == np.uint32
    wide = {key: np.broadcast_to(given[key], (4, 5)) if key in given else None for key in scales}
    for i in np.ndindex(4, 5):
        exact = [reference.exact.decode(int(word[i]), rule.output) for word in (acc, c)]
        mine = {key: None if scale is None else scale[i] for key, scale in wide.items()}
        assert found[i] == expected(*map(Fraction, exact), **mine)


def test_bfloat16_output_is_rounded_twice():
    """As torch._scaled_mm: to float32 by alpha, then to bfloat16."""
    a, b = codes(16, 64), codes(64, 16, seed=1)
    name, alpha = "hopper.wgmma.k32.f32.e4m3.e4m3", np.float32(0.0371)
    found = matmul(a, b, accumulator=name, alpha=alpha, out="bfloat16", **POLICY)
    scaled = matmul(a, b, accumulator=name, alpha=alpha)
    np.testing.assert_array_equal(found, reference.encode(scaled.view(np.float32), "bfloat16", **POLICY))


@pytest.mark.parametrize(("name", "nan"), [("hopper.wgmma.k32.f32.e4m3.e4m3", 0x7FFFFFFF), ("fma.f32", 0x7FC00000)])
def test_nan_is_that_of_the_accumulator(name, nan):
    a, b = np.zeros((1, 32), int), np.zeros((32, 1), int)
    infinity, zero = np.float32(np.inf), np.float32(0)
    cases = ({"alpha": infinity}, {"bias": np.float32(np.nan)}, {"beta": zero, "c": [[0x7F800000]]})
    for more in cases:
        assert matmul(a, b, accumulator=name, **FP8, **more)[0, 0] == nan


def test_signed_zeros_follow_ieee():
    a, b = np.zeros((1, 32), int), np.zeros((32, 1), int)
    minus = np.float32(-0.0)
    name = "hopper.wgmma.k32.f32.e4m3.e4m3"
    assert matmul(a, b, accumulator=name, alpha=np.float32(-1))[0, 0] == 0x80000000
    assert matmul(a, b, accumulator=name, bias=minus)[0, 0] == 0
    assert matmul(a, b, accumulator=name, alpha=np.float32(-1), bias=minus)[0, 0] == 0x80000000
