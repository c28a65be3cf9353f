"""The judge of dot products: sums that need no cut are exact, zeros and special values follow their rules."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import formats
from formats import Accumulator, FusedSteps, HalvedSteps, Rounding, SequentialSum
from reference import exact
from reference.exact.dot import dot

RNE = {"rounding": "nearest_ties_to_even", "saturation": "sat_none"}
F16 = {"a_format": "float16", "b_format": "float16"}
F32 = formats.FLOAT32
ONE, MINUS_ZERO, INFINITY, NAN = 0x3F800000, 0x80000000, 0x7F800000, 0x7FC00000
#: float16: 1, -1, +0, -0, infinity, NaN
H1, HM1, HP0, HM0, HINF, HNAN = 0x3C00, 0xBC00, 0x0000, 0x8000, 0x7C00, 0x7E00


def operands(name):
    """The formats that go with an accumulator; float16 where any will do."""
    rule = formats.accumulator(name)
    return rule.a or formats.get("float16"), rule.b or formats.get("float16")


def distinct(names):
    """One name for each way to sum."""
    return list({formats.accumulator(name).summation: name for name in names}.values())


NAMES = [name for name in formats.accumulators() if ".s32." not in name and not name.startswith("int")]
FLOATS = distinct(NAMES)
FUSED = [name for name in FLOATS if isinstance(formats.accumulator(name).summation, FusedSteps)]
HALVED = [name for name in FLOATS if isinstance(formats.accumulator(name).summation, HalvedSteps)]
INFINITE = distinct(name for name in NAMES if all(spec.has_infinity for spec in operands(name)))
ONLY_NAN = distinct(
    name for name in NAMES if all(spec.nan_code is not None and not spec.has_infinity for spec in operands(name))
)
PROMOTED = [
    "hopper.wgmma.k32.f32.e4m3.e5m2.promote64",
    "hopper.mma.m16n8k16.f32.e5m2.e4m3.promote32",
    "fma.f32.promote5",
    "pairwise.bf16.promote3",
]


def code(value, spec):
    return exact.encode(value, spec, **RNE)


def dot_of(name, a, b, c=0, **options):
    """`dot` on codes, with the formats of `operands`, and zeros after the last product of an instruction."""
    rule = formats.accumulator(name)
    short = -len(a) % rule.k
    a_format, b_format = operands(name)
    a, b = [*a, *[0] * short], [*b, *[0] * short]
    return dot(a, b, c, accumulator=rule, a_format=a_format, b_format=b_format, **options)


class TestExact:
    """Where no bit is lost every accumulator returns the exact sum."""

    @pytest.mark.parametrize("name", FLOATS + PROMOTED)
    @settings(max_examples=20)
    @given(data=st.data())
    def test_small_numbers(self, name, data):
        pairs = data.draw(st.lists(st.tuples(*[st.sampled_from([0, 1, -1, 2, -2, 3])] * 2), min_size=1, max_size=12))
        c = data.draw(st.integers(-8, 8))
        (a_format, b_format), output = operands(name), formats.accumulator(name).output
        a, b = [code(a, a_format) for a, _ in pairs], [code(b, b_format) for _, b in pairs]
        assert exact.decode(dot_of(name, a, b, code(c, output)), output) == c + sum(x * y for x, y in pairs)

    @given(
        pairs=st.lists(st.tuples(st.integers(0, 0xFBFF), st.integers(0, 0xFBFF)), min_size=1, max_size=9),
        c=st.integers(0, 0xFFFFFFFF),
    )
    def test_one_rounding_of_the_exact_sum(self, pairs, c):
        a, b = zip(*pairs, strict=True)
        values = [exact.decode(c, F32), *(exact.decode(x, "float16") for x in (*a, *b))]
        if any(value in (float("inf"), float("-inf")) or value != value for value in values):
            return
        value, *factors = [Fraction(value) for value in values]
        total = value + sum(x * y for x, y in zip(factors[: len(a)], factors[len(a) :], strict=True))
        if total != 0:
            assert dot(a, b, c, accumulator="exact.f32", **F16) == exact.encode(total, F32, **RNE)


class TestAgainstNumpy:
    """Sums of rounded operations are those of float32 and float16 arithmetic in NumPy, all special values included."""

    @staticmethod
    def same(got, value):
        return got in (NAN, HNAN) if np.isnan(value) else got == value.view(np.dtype(f"u{value.itemsize}"))

    @pytest.mark.parametrize(("name", "word"), [("sequential", np.float32), ("sequential", np.float16)])
    @given(data=st.data())
    def test_sequential(self, name, word, data):
        a, b, c = self.draw(data, word)
        name = f"{name}.{'f32' if word is np.float32 else 'f16'}"
        with np.errstate(all="ignore"):
            total = c
            for x, y in zip(a.astype(word), b.astype(word), strict=True):
                total = word(total + word(x * y))
        assert self.same(self.judge(name, a, b, c), total)

    @given(data=st.data())
    def test_pairwise(self, data):
        a, b, c = self.draw(data, np.float32)
        with np.errstate(all="ignore"):
            level = list(a.astype(np.float32) * b.astype(np.float32))
            while len(level) > 1:
                level = [*(x + y for x, y in zip(level[::2], level[1::2], strict=False)), *level[len(level) & ~1 :]]
            total = level[0] + c
        assert self.same(self.judge("pairwise.f32", a, b, c), total)

    @given(data=st.data())
    def test_an_fma_of_float16_is_a_float32_sum(self, data):
        a, b, c = self.draw(data, np.float32)
        assert self.judge("fma.f32", a, b, c) == self.judge("sequential.f32", a, b, c)

    @staticmethod
    def draw(data, word):
        length = data.draw(st.integers(1, 9))
        codes = st.lists(st.integers(0, 0xFFFF), min_size=length, max_size=length)
        a, b = (np.array(data.draw(codes), np.uint16).view(np.float16) for _ in range(2))
        width = 8 * np.dtype(word).itemsize
        return a, b, np.array(data.draw(st.integers(0, 2**width - 1)), f"u{width // 8}").view(word)[()]

    @staticmethod
    def judge(name, a, b, c):
        c = c.view(np.dtype(f"u{c.itemsize}"))
        return dot(a.view(np.uint16).tolist(), b.view(np.uint16).tolist(), int(c), accumulator=name, **F16)


def rounded(spec, rounding, **fields):
    """A sum that is no named one."""
    summation = SequentialSum(output=spec, rounding=Rounding(rounding), fused=True, **fields)
    return Accumulator(name="demo", summation=summation, source="an example")


class TestZeros:
    @pytest.mark.parametrize("name", ["exact.f32", "sequential.f32", "fma.f32", "pairwise.f32"])
    def test_zeros_of_one_sign_keep_it_and_others_are_positive(self, name):
        for c, a, b in itertools.product((0, MINUS_ZERO), (HP0, HM0, H1, HM1), (HP0, HM0)):
            negative = c == MINUS_ZERO and (a >> 15) ^ (b >> 15)
            assert dot([a], [b], c, accumulator=name, **F16) == (MINUS_ZERO if negative else 0)
        assert dot([H1, HM1], [H1, H1], MINUS_ZERO, accumulator=name, **F16) == 0

    def test_toward_negative_makes_other_exact_zeros_negative(self):
        rule = rounded(F32, "toward_negative")
        assert dot([H1], [HM1], ONE, accumulator=rule, **F16) == MINUS_ZERO
        assert dot([H1], [HP0], MINUS_ZERO, accumulator=rule, **F16) == MINUS_ZERO
        assert dot([H1], [HP0], 0, accumulator=rule, **F16) == 0

    def test_an_integer_is_the_float_of_its_value(self):
        for a, negative in ((0xFD, True), (3, False)):
            got = dot([a], [0], MINUS_ZERO, accumulator="exact.f32", a_format="int8", b_format="int8")
            assert got == (MINUS_ZERO if negative else 0)

    def test_a_result_that_rounds_to_zero_keeps_its_sign(self):
        assert dot([0x8001], [1], accumulator="exact.f16", **F16) == HM0

    @pytest.mark.parametrize("name", FUSED)
    def test_a_step_never_returns_negative_zero(self, name):
        (a, b), output = operands(name), formats.accumulator(name).output
        one, minus = code(1, a), code(-1, a)
        least, most_negative = 1, b.sign_code | 1
        assert dot_of(name, [0], [b.sign_code], output.sign_code) == 0
        assert dot_of(name, [minus], [0], output.sign_code) == 0
        assert dot_of(name, [one, minus], [code(1, b)] * 2, output.sign_code) == 0
        assert dot_of(name, [least], [most_negative]) != output.sign_code

    @pytest.mark.parametrize("name", ["hopper.mma.m16n8k16.f32.bf16", "volta.mma.m8n8k4.f16.f16"])
    def test_a_negative_result_that_rounds_to_nothing_is_positive_zero(self, name):
        assert dot_of(name, [0x8001], [1]) == 0

    @pytest.mark.parametrize("name", PROMOTED)
    def test_promoted_sums_add_as_ieee_754_does(self, name):
        sign = formats.accumulator(name).output.sign_code
        for a in (0, operands(name)[0].sign_code):  # a partial sum starts from +0 and so is +0
            assert dot_of(name, [a], [0], sign) == 0


class TestSpecialValues:
    @pytest.mark.parametrize("name", INFINITE)
    def test_infinities_and_nan(self, name):
        (a, b), output = operands(name), formats.accumulator(name).output
        one, (inf_a, inf_b) = [code(1, spec) for spec in (a, b)], (code(float("inf"), spec) for spec in (a, b))
        nan = self.nan(name)
        plus = code(float("inf"), output)
        minus = plus | output.sign_code
        assert dot_of(name, [inf_a], [one[1]]) == plus
        assert dot_of(name, [one[0]], [inf_b | b.sign_code], 0) == minus
        assert dot_of(name, [0], [inf_b]) == nan
        assert dot_of(name, [inf_a, inf_a], [one[1], one[1] | b.sign_code]) == nan
        assert dot_of(name, [inf_a], [one[1]], minus) == nan
        assert dot_of(name, [0], [0], minus) == minus
        assert dot_of(name, [a.nan_code], [one[1]]) == nan
        assert dot_of(name, [0], [0], output.nan_code) == nan

    @pytest.mark.parametrize("name", ONLY_NAN)
    def test_nan_of_formats_without_infinity(self, name):
        a, b = operands(name)
        assert dot_of(name, [a.nan_code], [code(1, b)]) == self.nan(name)
        assert dot_of(name, [code(1, a)], [b.nan_code]) == self.nan(name)

    @staticmethod
    def nan(name):
        rule = formats.accumulator(name)
        units = isinstance(rule.summation, FusedSteps | HalvedSteps)
        return (1 << (rule.output.bits - 1)) - 1 if units else rule.output.nan_code

    def test_the_nan_of_a_promoted_unit(self):
        assert dot_of(PROMOTED[0], [0x7F], [0]) == 0x7FFFFFFF
        assert dot_of("fma.f32.promote5", [HNAN], [0]) == NAN

    def test_overflow(self):
        largest = 0x7F7FFFFF
        both = [0x7F7F], [0x7F7F]  # bfloat16: a product near 2^256
        assert dot_of("hopper.mma.m16n8k16.f32.bf16", *both) == INFINITY
        wide = {"a_format": "bfloat16", "b_format": "bfloat16"}
        assert dot(*both, accumulator="fma.f32", **wide) == INFINITY
        assert dot(*both, accumulator=rounded(F32, "toward_zero"), **wide) == largest
        assert dot_of("hopper.mma.m16n8k16.f32.bf16", both[0] * 2, [0x7F7F, 0xFF7F], ONE) == 0  # ONE lies far below


@pytest.mark.parametrize("name", FUSED)
@settings(max_examples=20)
@given(data=st.data())
def test_the_order_inside_a_step_does_not_matter(name, data):
    rule = formats.accumulator(name)
    length = rule.summation.products
    rule = replace(rule, k=length)
    a, b = (
        data.draw(st.lists(st.integers(0, 2**spec.bits - 1), min_size=length, max_size=length))
        for spec in operands(name)
    )
    c = data.draw(st.integers(0, 2**rule.output.bits - 1))
    order = data.draw(st.permutations(range(length)))
    shuffled = dot([a[k] for k in order], [b[k] for k in order], c, accumulator=rule)
    assert dot(a, b, c, accumulator=rule) == shuffled


@pytest.mark.parametrize("name", FUSED + HALVED)
@settings(max_examples=20)
@given(data=st.data())
def test_a_longer_product_is_a_chain(name, data):
    rule, length = formats.accumulator(name), 2 * formats.accumulator(name).k
    a, b = (
        data.draw(st.lists(st.integers(0, 2**spec.bits - 1), min_size=length, max_size=length))
        for spec in operands(name)
    )
    c = data.draw(st.integers(0, 2**rule.output.bits - 1))
    first = dot(a[: rule.k], b[: rule.k], c, accumulator=rule)
    assert dot(a, b, c, accumulator=rule) == dot(a[rule.k :], b[rule.k :], first, accumulator=rule)


@given(c=st.integers(0, 0xFFFFFFFF))
def test_a_lone_c_passes_at_25_bits_and_loses_ten_at_13(c):
    if c & 0x7FFFFFFF > INFINITY:
        c = 0x7FFFFFFF
    nothing = [0] * 32
    expected = 0 if c == MINUS_ZERO else c
    assert dot(nothing, nothing, c, accumulator="blackwell.tcgen05.k32.f32.e4m3.e4m3") == expected
    cut = c if c & 0x7FFFFFFF >= INFINITY else c & ~0x3FF
    expected = 0 if cut == MINUS_ZERO else cut
    assert dot(nothing, nothing, c, accumulator="hopper.wgmma.k32.f32.e4m3.e4m3") == expected


def test_promotion_restarts_from_zero_and_a_last_part_may_be_short():
    rng = np.random.default_rng(3)
    a, b = (rng.integers(0, 0x7F, 160).tolist() for _ in range(2))
    name = "hopper.wgmma.k32.f32.e4m3.e4m3"
    partial = [dot(a[s], b[s], accumulator=name) for s in (slice(64), slice(64, 128), slice(128, 160))]
    total = np.float32(3)
    for word in partial:
        total += np.array(word, np.uint32).view(np.float32)
    promoted = dot(a, b, 0x40400000, accumulator=name + ".promote64")
    assert promoted == total.view(np.uint32)
    assert promoted != dot(a, b, 0x40400000, accumulator=name)
