"""Quotients of blocks: by products and sums on NumPy, and by fused operations, each rounded once, as on a GPU."""

from fractions import Fraction

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from formats.block_formats.steps import Given, div
from kernels_ref.hopper import block_division, block_numbers, block_quotient
from kernels_ref.hopper.element_lanes import ArrayPairs
from reference.array.block_request import block_request


class FusedPairs(ArrayPairs):
    """Float32 ``x y + z`` on NumPy, rounded once."""

    def fma(self, x, y, z):
        x, y, z = (np.asarray(word, np.uint32).view(np.float32).astype(np.float64) for word in (x, y, z))
        with np.errstate(all="ignore"):
            product = x * y  # exact
            total = product + z
            there = total - product
            rest = (product - (total - there)) + (z - there)
            patterns = np.atleast_1d(total).view(np.int64)  # rounded to odd, from which binary32 rounds once
            away = np.where((rest > 0) == (total > 0), 1, -1)
            odd = np.where((rest != 0) & np.isfinite(rest) & (patterns % 2 == 0), patterns + away, patterns)
            return odd.view(np.float64).astype(np.float32).view(np.uint32).reshape(np.shape(total))


LANES = FusedPairs(np)


def quotients(a, b):
    a, b = np.broadcast_arrays(np.float32(a), np.float32(b))
    inverse = np.float32(1) / b
    found = block_division.quotient(LANES, *(np.ascontiguousarray(x).view(np.uint32) for x in (a, b, inverse)))
    return np.asarray(found).view(np.float32)


def test_the_fused_operation_of_this_test_rounds_once():
    rng = np.random.default_rng(0)
    x, y, z = rng.integers(100 << 23, 150 << 23, (3, 2000), dtype=np.uint32)
    z = np.where(rng.random(2000) < 0.5, (-(x.view(np.float32) * y.view(np.float32))).view(np.uint32), z)
    found = LANES.fma(x, y, z).view(np.float32)
    for each in range(2000):
        a, b, c = (Fraction(float(v[each : each + 1].view(np.float32)[0])) for v in (x, y, z))
        exact, near = a * b + c, Fraction(float(found[each]))
        for other in (np.nextafter(found[each], np.float32(np.inf)), np.nextafter(found[each], np.float32(-np.inf))):
            assert abs(near - exact) <= abs(Fraction(float(other)) - exact)


@pytest.mark.parametrize("exponents", [(0, 0), (60, -60), (-69, 60), (68, -58)])
def test_quotients_are_those_of_ieee_754(exponents):
    """Divisors just above 1 and just below 2, the numbers beside their multiples, and any."""
    rng = np.random.default_rng(1)
    below = np.concatenate([rng.integers(0, 1 << 23, 3000), np.arange(64), (1 << 23) - 1 - np.arange(64)])
    top, bottom = ((127 << 23 | below).astype(np.int32).view(np.float32) for below in (below, rng.permutation(below)))
    a, b = np.ldexp(np.concatenate([top, top]), exponents[0]), np.ldexp(np.concatenate([bottom, top]), exponents[1])
    for step in range(-3, 4):
        beside = (a.view(np.int32) + np.int32(step)).view(np.float32)
        np.testing.assert_array_equal(quotients(beside, b), beside / b)
    ends = np.ldexp(top[-128:], exponents[1])
    np.testing.assert_array_equal(quotients(ends[:, None], ends), ends[:, None] / ends)


@given(st.integers(67 << 23, 187 << 23), st.integers(67 << 23, 187 << 23))
def test_any_quotient_is_that_of_ieee_754(a, b):
    a, b = np.int32([a]).view(np.float32), np.int32([b]).view(np.float32)
    want = a / b
    if 2.0**-60 <= want[0] <= 2.0**60:
        assert quotients(a, b)[0] == want[0]


def test_what_is_out_of_range_stays_there():
    """No quotient that overflows becomes a number that is none, and small ones stay small."""
    large = quotients(np.float32([2.0**127, 3e38, 2.0**100]), np.float32([2.0**-60, 2.0**-2, 2.0**-40]))
    assert (large >= 2.0**126).all()
    small = quotients(np.float32([0, 2.0**-149, 3e-39, 2.0**-80]), np.float32([1, 2.0**-60, 1.7, 2.0**60]))
    assert small[0] == 0
    assert ((small[1:] >= 0) & (small[1:] < 2.0**-59)).all()


def test_without_the_last_step_quotients_are_off():
    """The check can fail: a product with a reciprocal is not the quotient."""
    rng = np.random.default_rng(2)
    a, b = (rng.integers(127 << 23, 128 << 23, 4000, dtype=np.int32).view(np.float32) for _ in range(2))
    assert (a * (np.float32(1) / b) != a / b).any()


@pytest.mark.parametrize("rule", ["torchao_nvfp4", "modelopt_nvfp4"])
@pytest.mark.parametrize("second", [1.7e-3, 2.0**-20, 3e7, 1.0])
def test_scales_of_blocks_are_the_references(rule, second):
    """Of the largest magnitudes that bfloat16 has, by the division that the kernel has on a GPU."""
    patterns, made = np.arange(60 << 7, 190 << 7, dtype=np.uint16), block_request("nvfp4", rule)
    blocks = np.zeros((patterns.size, 16), np.uint16)
    blocks[:, 3] = patterns
    want = reference.quantize_blocks(blocks.view(ml_dtypes.bfloat16), "nvfp4", rule=rule, second=np.float32(second))
    calls = []

    def divide(a, b, inverse):
        calls.append(np.float32(inverse[0]))
        return jnp.asarray(quotients(np.asarray(a), np.asarray(b)))

    known = list(block_numbers.evaluate_whole(made, jnp.float32(second)))
    magnitudes = jnp.asarray(patterns.astype(np.int32) << 16)
    found = block_numbers.Numbers(magnitudes, made, known, divide)
    np.testing.assert_array_equal(np.asarray(found.codes), want.scales[:, 0])
    assert calls


def test_reciprocals_come_from_outside_of_the_kernel():
    made = block_request("nvfp4", "torchao_nvfp4")
    assert block_numbers.whole_tensor(made) == [Given.SECOND, div(1, Given.SECOND)]
    second = np.float32(1.7e-3)
    known = np.asarray(block_numbers.evaluate_whole(made, second))
    np.testing.assert_array_equal(known, np.float32([second, np.float32(1) / second]))


@pytest.mark.parametrize(
    ("name", "rule"), [("mxfp4", "floor"), ("int4_g128", "absmax"), ("deepseek_1x128", "deepgemm")]
)
def test_formats_of_one_level_have_no_number_of_the_tensor(name, rule):
    assert block_numbers.whole_tensor(block_request(name, rule)) == []


class TestQuotients:
    """The arithmetic of the kernels on NumPy, which keeps subnormal numbers as a GPU does."""

    def test_reciprocals_are_near(self):
        scale = np.arange(1 << 23, 1 << 24, 7, dtype=np.int32).astype(np.float32) * np.float32(2.0**-23)
        error = block_quotient.reciprocal(scale, np).astype(np.float64) * scale - 1
        assert np.abs(error).max() < 2.0**-22

    @pytest.mark.parametrize(("bits", "ties"), [(11, 255), (11, 15), (4, 13)])
    def test_exact_quotients_lie_on_the_right_side_of_every_tie(self, bits, ties):
        """Next to each tie of each scale, on it, and by reciprocals that are three units off."""
        scale = np.arange(1 << (bits - 1), 1 << bits).astype(np.float32)
        tie = np.arange(1, ties + 1, dtype=np.float32)[:, None] / np.float32(2)
        for off in (-3, 0, 3):
            inverse = (block_quotient.reciprocal(scale, np).view(np.int32) + np.int32(off)).view(np.float32)
            for step in (-2, -1, 0, 1, 2):
                x = ((tie * scale).view(np.int32) + np.int32(step)).view(np.float32)
                got = block_quotient.quotient(x, *np.broadcast_arrays(scale, inverse), bits, np)
                assert (np.sign(got - tie) == np.sign(step)).all()

    def test_a_wrong_remainder_is_seen(self):
        """The first guess alone, without the remainder, takes neighbours of ties for ties."""
        scale, tie = np.float32(1025.0), np.float32(3.5)
        x = np.nextafter(tie * scale, np.float32(0))
        inverse = block_quotient.reciprocal(np.float32([1025.0]), np)
        kept = block_quotient.quotient(np.float32([x]), np.float32([0]), inverse, 11, np)  # the remainder is all of x
        assert kept[0] > 2 * tie - 0.1
        assert block_quotient.quotient(np.float32([x]), scale, inverse, 11, np)[0] < tie

    def test_moderate_quotients_are_those_of_ieee_754(self):
        rng = np.random.default_rng(0)
        a = rng.integers(1 << 23, 0x7F800000, 1 << 18, dtype=np.int32)
        b = np.where(rng.random(1 << 18) < 0.5, a + rng.integers(-4, 5, a.shape, dtype=np.int32), rng.permutation(a))
        a, b = a.view(np.float32), np.clip(b, 1 << 23, 0x7F7FFFFF).astype(np.int32).view(np.float32)
        with np.errstate(over="ignore", under="ignore"):
            want, got = a / b, block_quotient.divide_moderate(a, b, np)
        normal = (want >= 2.0**-126) & np.isfinite(want)
        np.testing.assert_array_equal(got[normal], want[normal])
        assert ((got[want < 2.0**-126] > 0) & (got[want < 2.0**-126] < 2.0**-124)).all()

    def test_full_quotients_are_those_of_ieee_754(self):
        rng = np.random.default_rng(1)
        a = rng.integers(0, 0x7F800001, 1 << 16, dtype=np.int32).view(np.float32)
        b = rng.integers(1, 0x7F800000, 1 << 16, dtype=np.int32).view(np.float32)
        with np.errstate(all="ignore"):
            want = a / b
        got = np.asarray(block_quotient.divide(jnp.asarray(a), jnp.asarray(b)))
        np.testing.assert_array_equal(got.view(np.int32), want.view(np.int32))

    @pytest.mark.parametrize("divisor", [6.0, 7.0, 7.5, 127.0, 448.0])
    def test_quotients_by_few_bits_are_those_of_ieee_754(self, divisor):
        a = np.random.default_rng(2).integers(27 << 23, 0x7F800000, 1 << 16, dtype=np.int32).view(np.float32)
        by = np.float32([divisor])
        got = block_quotient.quotient(a, by, block_quotient.reciprocal(by, np), 8, np)
        np.testing.assert_array_equal(got, a / by)
