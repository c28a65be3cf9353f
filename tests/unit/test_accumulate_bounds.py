"""Bounds of sums: no error exceeds them, witnesses come near them, and what they say is what the records say."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import formats
import reference
from analysis.accumulation import Operands, errors, exact_sums, measure, overflow_k, running_bound, witness, worst_case
from analysis.accumulation.ball import Ball, exponent, largest, plus, rounded
from analysis.accumulation.measured import results
from formats import (
    FLOAT32,
    Accumulator,
    FloatSpec,
    IntegerSum,
    IntSpec,
    PromotedSum,
    Rounding,
    Saturation,
    SequentialSum,
)
from formats.results import BFLOAT16

STOCHASTIC = Accumulator(
    name="stochastic.bf16",
    summation=SequentialSum(output=BFLOAT16, rounding=Rounding.STOCHASTIC_A, fused=True, random_bit_count=8),
    source="a test",
)
PROMOTED = Accumulator(
    name="stochastic.bf16.promote5", summation=PromotedSum(inner=STOCHASTIC.summation, every=5), source="a test"
)
CUT = Accumulator(
    name="cut.f32",
    summation=SequentialSum(output=FLOAT32, rounding=Rounding.TOWARD_ZERO, fused=False),
    source="a test",
)
#: accumulator, formats of operands where it takes any, lengths of K
CASES = [
    ("exact.f32", "bfloat16", 9), ("exact.f16", "float8_e5m2", 9), ("exact.bf16", "tf32", 9),
    ("sequential.f32", "float16", 37), ("sequential.bf16", "float8_e4m3fn", 37), ("sequential.f32", "bfloat16", 37),
    ("fma.f32", "bfloat16", 37), ("fma.f16", "float8_e4m3fn", 37), ("pairwise.f32", "tf32", 37),
    ("pairwise.bf16", "float8_e5m2", 37), ("fma.f32.promote16", "float16", 40), (STOCHASTIC, "bfloat16", 20),
    (PROMOTED, "bfloat16", 17),
    (CUT, "float16", 20),
    ("hopper.wgmma.k32.f32.e4m3.e4m3", None, 96), ("hopper.wgmma.k32.f16.e5m2.e4m3", None, 64),
    ("hopper.wgmma.k32.f32.e5m2.e5m2.promote64", None, 160), ("hopper.mma.m16n8k32.f32.e4m3.e4m3", None, 96),
    ("hopper.mma.m16n8k16.f16.e4m3.e5m2", None, 48), ("hopper.mma.m16n8k32.f32.e5m2.e5m2.promote64", None, 160),
    ("hopper.mma.m16n8k16.f32.bf16", None, 64), ("hopper.wgmma.k16.f16.f16", None, 64),
    ("hopper.wgmma.k8.f32.tf32", None, 32), ("volta.mma.m8n8k4.f32.f16", None, 32),
    ("ampere.mma.m16n8k16.f32.f16", None, 48), ("ada.mma.m16n8k32.f32.e4m3.e5m2", None, 96),
    ("blackwell.tcgen05.k32.f32.e2m1.e3m2", None, 64), ("cdna1.mfma.k8.f32.f16.exact", None, 24),
    ("cdna1.mfma.k4.f32.bf16.pairwise", None, 24), ("cdna2.mfma.k8.f32.f16", None, 24),
    ("cdna2.mfma.k4.f32.bf16_1k", None, 24), ("cdna3.mfma.k16.f32.bf16", None, 48),
    ("cdna3.mfma.k32.f32.fp8.bf8", None, 64), ("cdna3.mfma.k8.f32.xf32", None, 24),
]  # fmt: skip
FAMILIES = ("any", "near", "small", "cancelling", "ladder", "sparse")


def finite_codes(spec):
    values = reference.decode(np.arange(1 << spec.bits), spec)
    return np.flatnonzero(np.isfinite(values))


def codes(random, spec, shape, family):
    """Finite codes of a family: anything, a few binades around 1, subnormal, of falling size, mostly zero."""
    every = finite_codes(spec)
    if not isinstance(spec, FloatSpec):
        return random.choice(every, shape)
    magnitudes = every[every < 1 << spec.magnitude_bits]
    middle = reference.encode(np.float32(1), spec, rounding="toward_zero", saturation="sat_finite").item()
    width = 3 << spec.fraction_bits
    taken = {
        "near": magnitudes[(magnitudes > middle - width) & (magnitudes < middle + width)],
        "small": magnitudes[: width + 2],
    }.get(family, magnitudes)
    found = random.choice(taken, shape)
    if family == "ladder":
        found = np.sort(found, axis=-1)[..., ::-1]
    if family == "sparse":
        found = np.where(random.random(shape) < 0.8, 0, found)
    return np.where(found == 0, 0, found | (random.integers(2, size=shape) * spec.sign_code))  # fnuz has no -0


def drawn(random, accumulator, fmt, k, family):
    a_format, b_format = accumulator.a or formats.get(fmt), accumulator.b or formats.get(fmt)
    a = codes(random, a_format, (2, k), family)
    b = codes(random, b_format, (k, 3), "any" if family == "ladder" and random.random() < 0.5 else family)
    if family == "cancelling" and isinstance(a_format, FloatSpec):
        half = k // 2
        a[:, half : 2 * half] = np.where(a[:, :half] == 0, 0, a[:, :half] ^ a_format.sign_code)
        b[half : 2 * half] = b[:half]
    return Operands(a=a, b=b, a_format=a_format, b_format=b_format)


def exactly(values):
    return [[Fraction(x) for x in row] for row in values.tolist()]


def sums_of_fractions(operands):
    a, b = exactly(operands.a_values), exactly(operands.b_values)
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*b, strict=True)] for row in a]


def at_most(error, bound):
    return math.isinf(bound) or error <= Fraction(bound)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("name", "fmt", "longest"), CASES, ids=lambda x: getattr(x, "name", x))
def test_no_error_exceeds_a_bound(name, fmt, longest, family):
    accumulator = formats.accumulator(name)
    random = np.random.default_rng([FAMILIES.index(family), longest])
    for k in {accumulator.k, longest, longest // 2 // accumulator.k * accumulator.k or accumulator.k}:
        check_bounds(drawn(random, accumulator, fmt, k, family), accumulator)


@pytest.mark.parametrize(("name", "fmt", "longest"), CASES, ids=lambda x: getattr(x, "name", x))
@settings(max_examples=20)
@given(data=st.data())
def test_no_error_exceeds_a_bound_on_operands_that_are_searched_for(name, fmt, longest, data):
    accumulator = formats.accumulator(name)
    a_format, b_format = accumulator.a or formats.get(fmt), accumulator.b or formats.get(fmt)
    k = accumulator.k * data.draw(st.integers(1, min(2, longest // accumulator.k)))

    def some(spec):
        return data.draw(st.lists(st.sampled_from(finite_codes(spec).tolist()), min_size=k, max_size=k))

    operands = Operands(
        a=np.array([some(a_format)]), b=np.array([some(b_format)]).T, a_format=a_format, b_format=b_format
    )
    check_bounds(operands, accumulator)


def check_bounds(operands, accumulator):
    """In exact numbers: neither bound is exceeded, and the error measured in float64 is the error."""
    values = results(operands, accumulator, None if accumulator.random_bit_count is None else 7)
    measured = errors(values, exact_sums(operands))
    running = running_bound(operands, accumulator)
    worst = worst_case(accumulator, operands.k).bound(operands)
    for (i, j), value in np.ndenumerate(values):
        if not math.isfinite(value):
            assert (running[i, j], worst[i, j]) == (math.inf, math.inf)
            continue
        error = abs(Fraction(value) - sums_of_fractions(operands)[i][j])
        assert at_most(error, running[i, j]), (float(error), running[i, j])
        assert at_most(error, worst[i, j]), (float(error), worst[i, j])
        assert abs(abs(Fraction(measured[i, j])) - error) <= error * Fraction(1, 2**50)


@pytest.mark.parametrize(
    ("name", "fmt", "k"),
    [
        *((f"{kind}.{output}", "bfloat16", 65) for kind in ("exact", "sequential", "fma", "pairwise")
          for output in ("f32", "bf16")),
        ("fma.f32.promote128", "bfloat16", 256),
        (CUT, "bfloat16", 65),
        *((f"hopper.wgmma.k32.f32.e4m3.e4m3{more}", None, k) for more in ("", ".promote128") for k in (32, 4096)),
        ("hopper.wgmma.k32.f16.e4m3.e5m2", None, 128), ("hopper.mma.m16n8k32.f32.e4m3.e4m3", None, 1024),
        ("hopper.mma.m16n8k16.f16.e4m3.e4m3", None, 16), ("hopper.mma.m16n8k16.f32.bf16", None, 4096),
        ("hopper.wgmma.k8.f32.tf32", None, 4096), ("volta.mma.m8n8k4.f16.f16", None, 128),
        ("ampere.mma.m16n8k8.f32.bf16", None, 1024), ("ada.mma.m16n8k32.f32.e5m2.e4m3", None, 1024),
        ("blackwell.tcgen05.k32.f32.e4m3.e4m3", None, 4096), ("cdna1.mfma.k4.f32.f16.exact", None, 128),
        ("cdna2.mfma.k4.f32.bf16_1k", None, 128), ("cdna3.mfma.k8.f32.bf16", None, 8),
        ("cdna3.mfma.k16.f32.fp8.fp8", None, 16),
    ],
    ids=lambda x: getattr(x, "name", x),
)  # fmt: skip
def test_a_witness_loses_a_quarter_of_the_worst_case_or_more(name, fmt, k):
    accumulator = formats.accumulator(name)
    found = measure(witness(accumulator, k, a=fmt, b=fmt), accumulator)
    share = np.abs(found.error / found.worst).item()
    assert 0.25 <= share <= 1
    assert share <= np.abs(found.error / found.running).item() <= 1


def test_a_witness_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"is as small as .*: nothing is lost"):
        witness("blackwell.tcgen05.k32.f32.e2m1.e2m1", 32)
    with pytest.raises(ValueError, match="sums of integers lose nothing"):
        witness("hopper.wgmma.k32.s32.s8.s8", 32)
    with pytest.raises(ValueError, match=r"fma.f32 takes operands of any format: name one"):
        witness("fma.f32", 32)


def test_running_bound_is_zero_where_nothing_can_be_lost():
    random = np.random.default_rng(5)
    x = Operands.of(
        random.integers(-8, 9, (3, 256)), random.integers(-8, 9, (256, 4)), "float8_e4m3fn", "float8_e4m3fn"
    )
    for name in ("fma.f32", "sequential.f32", "pairwise.f32", "exact.f32", "hopper.mma.m16n8k32.f32.e4m3.e4m3"):
        found = measure(x, name)
        assert not found.running.any()
        assert not found.error.any()
        assert found.worst.all()


@pytest.mark.parametrize("saturation", [Saturation.WRAP, Saturation.SAT_FINITE])
@pytest.mark.parametrize("products", [None, 1, 4])
def test_integers_are_exact_until_they_overflow(saturation, products):
    summation = IntegerSum(bits=12, saturation=saturation, products=products)
    accumulator = Accumulator(name="int12", summation=summation, k=products or 1, source="a test")
    random = np.random.default_rng(11)
    int8 = formats.get("int8")
    x = Operands(
        a=random.integers(256, size=(40, 8)), b=random.integers(256, size=(8, 1)), a_format=int8, b_format=int8
    )
    x = Operands(a=np.where(random.random(x.a.shape) < 0.8, x.a % 8, x.a), b=x.b, a_format=int8, b_format=int8)
    found = measure(x, accumulator)
    safe = found.running == 0
    assert 0 < safe.sum() < safe.size
    assert not found.error[safe].any()
    assert np.isinf(found.running[~safe]).all()
    if saturation is Saturation.WRAP:
        assert found.error[~safe].all()


def test_overflow_k_is_where_the_extremes_leave_the_range():
    least = np.full((1, 131072), 0x80, np.uint8)
    for k, wraps in ((131071, False), (131072, True)):
        x = Operands(a=least[:, :k], b=least[:, :k].T, a_format=formats.get("int8"), b_format=formats.get("int8"))
        assert (measure(x, "int32.wrap").error.item() != 0) == wraps
    assert overflow_k("int32.wrap", "int8", "int8") == 131072
    assert overflow_k("exact.f16", "float8_e4m3fn", "float8_e4m3fn") == 1


def test_worst_case_follows_the_record():
    fused = worst_case("hopper.wgmma.k32.f32.e4m3.e4m3", 32)
    assert fused.relative == (1 + Fraction(33, 2**13)) * (1 + Fraction(1, 2**13)) - 1
    assert worst_case("fma.f32", 1).relative == Fraction(1, 2**24)
    assert worst_case("pairwise.f32", 4096).relative == (1 + Fraction(1, 2**24)) ** 13 - 1
    assert worst_case("int32.wrap", 4096).relative == 0
    assert worst_case(CUT, 1).relative == Fraction(1, 2**23)


def test_worst_case_refuses_a_k_that_is_no_multiple():
    with pytest.raises(ValueError, match=r"K=40 must be a positive multiple of k=32 of hopper\.wgmma"):
        worst_case("hopper.wgmma.k32.f32.e4m3.e4m3", 40)
    with pytest.raises(ValueError, match="K=0 must be a positive multiple"):
        worst_case("fma.f32", 0)


def test_a_sum_that_may_overflow_has_no_bound():
    x = Operands.of([[57344.0, 57344.0]], [[1.0], [1.0]], "float8_e5m2", "float8_e5m2")
    found = measure(x, "fma.f16")
    assert np.isinf(found.error).all()
    assert np.isinf(found.running).all()
    assert np.isinf(found.worst).all()
    assert found.row()["overflowed"] == 1


@given(
    st.floats(2.0**-30, 2.0**30), st.floats(0, 1), st.floats(-1, 1), st.sampled_from([Rounding.TOWARD_ZERO,
    Rounding.NEAREST_TIES_TO_EVEN]),
)  # fmt: skip
def test_a_ball_holds_every_rounding_of_what_it_holds(value, radius, where, rounding):
    ball = Ball(np.array([value]), np.array([radius * value]), np.array([-200]))
    member = np.array([value + where * radius * value * (1 - 2.0**-40)])
    code = reference.encode(member, BFLOAT16, rounding=rounding, saturation="sat_finite")
    result = reference.decode(code, BFLOAT16).astype(np.float64)
    after = rounded(ball, BFLOAT16, rounding)
    assert abs(result - after.value) <= after.radius


def test_a_sum_of_balls_says_what_float64_lost():
    found = plus(*(Ball(np.array([x]), np.zeros(1), np.array([q])) for x, q in ((1.0, 0), (2.0**-60, -60))))
    assert found.value == 1
    assert found.radius >= 2.0**-60
    assert not plus(*(Ball(np.array([x]), np.zeros(1), np.array([-3])) for x in (1.0, 0.125))).radius


def test_exponents_and_largest():
    np.testing.assert_array_equal(exponent(np.array([1.0, 1.99, 2.0, 2.0**-149])), [0, 0, 1, -149])
    assert largest(formats.get("float8_e4m3fn")) == 448
    assert largest(formats.get("float8_e5m2")) == 57344


def test_operands_are_checked():
    with pytest.raises(ValueError, match=r"operands of shapes \(1, 2\) and \(3, 1\)"):
        Operands.of([[1.0, 2.0]], [[1.0], [2.0], [3.0]], "bfloat16", "bfloat16")
    with pytest.raises(ValueError, match="b holds NaN or infinity"):
        Operands.of([[1.0]], [[np.nan]], "bfloat16", "bfloat16")
    x = Operands.of([[1.0, 2.0]], [[1.0], [2.0]], "bfloat16", "float16")
    with pytest.raises(ValueError, match=r"takes a in float8_e4m3fn, not in bfloat16"):
        running_bound(x, "hopper.wgmma.k32.f32.e4m3.e4m3")
    y = Operands.of([[1.0, 2.0]], [[1.0], [2.0]], "bfloat16", "bfloat16")
    with pytest.raises(ValueError, match=r"K=2 must be a multiple of k=16"):
        running_bound(y, "hopper.mma.m16n8k16.f32.bf16")
    with pytest.raises(ValueError, match=r"k=3 must lie in 1\.\.2"):
        x.first(3)


def test_weight_counts_subnormal_operands_as_the_smallest_normal():
    x = Operands.of([[2.0**-9, 0.0]], [[2.0], [448.0]], "float8_e4m3fn", "float8_e4m3fn")
    assert (x.magnitude.item() / 2.0**-8, x.weight.item() / 2.0**-5) == pytest.approx((1, 1))
    assert x.flushed.item() == pytest.approx(2.0**-8)


def test_every_kind_of_sum_is_among_the_cases():
    kinds = {type(formats.accumulator(name).summation).__name__ for name, _, _ in CASES} | {"IntegerSum"}
    assert kinds == {kind.__name__ for kind in formats.Summation.__args__}
    assert isinstance(formats.accumulator("int32.wrap").output, IntSpec)
