"""The judge of AMD's matrix cores, worked by hand from the definitions: nothing recorded stands behind them."""

from __future__ import annotations

from fractions import Fraction

import pytest

import formats
from reference import exact
from reference.exact.dot import dot

RNE = {"rounding": "nearest_ties_to_even", "saturation": "sat_none"}
MINUS_ZERO, INFINITY, NAN = 0x80000000, 0x7F800000, 0x7FC00000
TINY = Fraction(1, 2**149)


def run(name, a, b, c=Fraction(0)):
    """The value of ``c + a b`` for values that the formats have; zeros fill the instruction."""
    rule = formats.accumulator(name)
    short = [0] * (-len(a) % rule.k)
    codes = [[exact.encode(x, spec, **RNE) for x in side] + short for side, spec in ((a, rule.a), (b, rule.b))]
    for side, spec, given in zip(codes, (rule.a, rule.b), (a, b), strict=True):
        assert [exact.decode(code, spec) for code in side[: len(given)]] == given
    return exact.decode(dot(*codes, exact.encode(c, rule.output, **RNE), accumulator=rule), rule.output)


def power(exponent):
    return Fraction(2) ** exponent


class TestCdna1:
    def test_the_two_readings_differ(self):
        a, ones = [Fraction(1), power(-13), power(-13), Fraction(0)], [Fraction(1)] * 4
        b = [Fraction(1), power(-11), power(-11), Fraction(0)]  # 1 + 2^-24 + 2^-24
        assert run("cdna1.mfma.k4.f32.f16.exact", a, b) == 1 + power(-23)
        assert run("cdna1.mfma.k4.f32.f16.pairwise", a, b) == 1  # each 2^-24 alone is a tie, to even
        assert run("cdna1.mfma.k4.f32.f16.exact", ones, ones, Fraction(3)) == 7

    def test_subnormals_are_kept(self):
        a, b = [power(-24)], [power(-24)]
        for reading in ("exact", "pairwise"):
            assert run(f"cdna1.mfma.k4.f32.f16.{reading}", a, b, TINY) == power(-48)
            assert run(f"cdna1.mfma.k2.f32.bf16.{reading}", [power(-133)], [Fraction(1)], TINY) == power(-133) + TINY

    def test_bfloat16_steps_are_of_two_products_or_four(self):
        a, b = [Fraction(1), power(-24), power(-24), power(-24)], [Fraction(1)] * 4
        assert run("cdna1.mfma.k4.f32.bf16.exact", a, b) == 1 + power(-23)  # 1 + 2^-24 ties; then two at once
        assert run("cdna1.mfma.k4.f32.bf16.pairwise", a, b) == 1 + power(-23)
        assert run("cdna2.mfma.k4.f32.bf16_1k", a, b) == 1 + power(-23)
        assert run("cdna2.mfma.k4.f32.bf16", a[:3], b[:3]) == 1


class TestCdna2:
    def test_subnormal_operands_and_c_count_as_zero(self):
        assert run("cdna2.mfma.k4.f32.f16", [power(-15)], [Fraction(1)]) == 0
        assert run("cdna2.mfma.k4.f32.f16", [power(-14)], [Fraction(1)]) == power(-14)
        assert run("cdna2.mfma.k4.f32.f16", [power(-14)], [Fraction(1)], power(-127)) == power(-14)
        least = power(-126)
        assert run("cdna2.mfma.k2.f32.bf16", [least], [Fraction(1)], power(-127)) == least

    def test_subnormal_products_and_sums_become_zeros_of_their_sign(self):
        rule, half = "cdna2.mfma.k2.f32.bf16", Fraction(1, 2)
        assert run(rule, [power(-126)], [half]) == 0
        assert run(rule, [power(-126), power(-126)], [half, half]) == 0  # each is lost before they meet
        assert run(rule, [power(-126)] * 2, [Fraction(3, 2), Fraction(-1)]) == 0
        assert dot([0x8080, 0x8080], [0x3F00, 0x3F00], 0, accumulator=rule) == 0  # +0 + -0
        assert dot([0x0080, 0], [0x3F80, 0], 0x80C00000, accumulator=rule) == MINUS_ZERO  # -3/2 + 1 times 2^-126

    def test_a_negative_zero_c_is_positive(self):
        assert dot([0x8000] * 2, [0x3F80] * 2, MINUS_ZERO, accumulator="cdna2.mfma.k2.f32.bf16") == 0
        assert dot([0x8000] * 2, [0x3F80] * 2, MINUS_ZERO, accumulator="cdna1.mfma.k2.f32.bf16.pairwise") == MINUS_ZERO


class TestCdna3:
    def test_products_are_cut_toward_zero(self):
        for sign in (1, -1):
            a, b = [Fraction(1), sign * power(-12)], [Fraction(1), power(-12)]
            assert run("cdna3.mfma.k8.f32.f16", a, b, Fraction(-1)) == sign * power(-24)
            a, b = [Fraction(1), sign * power(-13)], [Fraction(1), power(-12)]
            assert run("cdna3.mfma.k8.f32.f16", a, b, Fraction(-1)) == 0

    def test_c_is_cut_toward_minus_infinity(self):
        one = [Fraction(1)], [Fraction(1)]
        assert run("cdna3.mfma.k8.f32.f16", *one, power(-30)) == 1
        a, b = [Fraction(1), Fraction(-1)], [Fraction(1), Fraction(1)]
        assert run("cdna3.mfma.k8.f32.f16", a, b, power(-30)) == 0
        assert run("cdna3.mfma.k8.f32.f16", a, b, -power(-30)) == -power(-24)

    def test_the_sum_is_cut_toward_minus_infinity_at_31_bits(self):
        a, b = [power(-16)], [power(-16)]
        rule = "cdna3.mfma.k8.f32.f16"
        assert run(rule, a, b, Fraction(1)) == 1
        assert run(rule, [-a[0], Fraction(0)], [b[0], Fraction(0)], Fraction(1)) == 1  # -2^-31, rounded away
        c = 1 + power(-23)
        tie = power(-12)
        assert run(rule, [tie], [tie], c) == 1 + power(-22)  # a tie at 2^-24, to even
        assert run(rule, [tie, -a[0]], [tie, b[0]], c) == c  # pulled below it by 2^-31 after the floor

    def test_fp8_even_and_odd_elements_are_aligned_apart(self):
        rule = "cdna3.mfma.k16.f32.bf8.bf8"
        big, small, none = power(12), power(-13), Fraction(0)
        ones = [Fraction(1)] * 7
        assert run(rule, [big, small, -big, small], ones[:4]) == power(-12)  # apart they add up to a unit, 2^(12-24)
        assert run(rule, [big, none, small, none, small, none, -big], ones) == 0  # with the large ones both are cut
        assert run(rule, [big, -small, -big, none], ones[:4]) == -power(-12)  # joined toward minus infinity

    def test_fp8_c_out_of_reach_counts_as_zero(self):
        a, b = [Fraction(1), Fraction(-1)], [Fraction(1)] * 2
        assert run("cdna3.mfma.k16.f32.fp8.fp8", a, b, -power(-25)) == -power(-24)
        assert run("cdna3.mfma.k16.f32.fp8.fp8", a, b, -power(-26)) == 0
        assert run("cdna3.mfma.k8.f32.f16", a, b, -power(-26)) == -power(-24)

    def test_products_beyond_the_range_are_infinite(self):
        huge = 0x7F00  # bfloat16: 2^127
        rule = "cdna3.mfma.k8.f32.bf16"
        pad = [0] * 6
        assert dot([huge, 0, *pad], [huge, 0, *pad], 0, accumulator=rule) == INFINITY
        assert dot([huge, huge, *pad], [huge, huge | 0x8000, *pad], 0, accumulator=rule) == NAN
        assert dot([huge, huge, *pad], [0x3F80, 0x3F80, *pad], 0, accumulator=rule) == INFINITY  # the sum overflows

    def test_a_zero_c_has_the_least_normal_exponent(self):
        a = [power(-75), power(-80)]
        assert run("cdna3.mfma.k8.f32.bf16", a, a) == 0  # 2^-160 is below 2^(-126 - 31): what is left ties, to even
        assert run("cdna3.mfma.k8.f32.bf16", [power(-75), power(-78)], [power(-75), power(-79)]) == TINY

    @pytest.mark.parametrize("name", ["cdna3.mfma.k16.f32.f16", "cdna3.mfma.k32.f32.fp8.bf8"])
    def test_a_longer_product_is_a_chain(self, name):
        rule = formats.accumulator(name)
        step = rule.summation.products
        a, b = [7 * k % 120 + 1 for k in range(2 * step)], [11 * k % 120 + 1 for k in range(2 * step)]
        one = formats.Accumulator(name="step", summation=rule.summation, a=rule.a, b=rule.b, source="an example")
        first = dot(a[:step], b[:step], 0x3F800000, accumulator=one)
        assert dot(a, b, 0x3F800000, accumulator=rule) == dot(a[step:], b[step:], first, accumulator=one)
