"""Requantisers and multipliers aimed at ties, carries and the ends of widths: judge, NumPy and JAX."""

from __future__ import annotations

import itertools
from fractions import Fraction

import jax
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rotation import rotate

import formats
import kernels_ref.integer
import reference.integer
from formats.dyadic import DyadicPair
from formats.integer_only.additions import addition_rules
from formats.integer_only.multipliers import DyadicRule, binary_exponent, dyadic_rule, dyadic_rules
from formats.integer_only.requantisers import requantiser, requantisers
from formats.integer_only.widths import accumulators
from formats.results import INT16, INT32
from reference.exact import integer_requantise
from reference.integer import Affine

INT32_ENDS = -(1 << 31), (1 << 31) - 1


@st.composite
def beside_ties(draw):
    """A ratio of few bits, and an accumulator at or beside an odd multiple of half its reciprocal."""
    odd, power = 2 * draw(st.integers(0, 500)) + 1, draw(st.integers(1, 30))
    ratio = odd / 2.0**power
    t = draw(st.integers(-300, 300))
    x = round((t + Fraction(1, 2)) / Fraction(ratio)) + draw(st.sampled_from((0, 0, -1, 1)))
    return ratio, min(max(x, INT32_ENDS[0]), INT32_ENDS[1])


@given(st.lists(beside_ties(), min_size=1, max_size=16), st.sampled_from(requantisers()))
def test_the_model_is_the_judge(cases, rule):
    record = requantiser(rule)
    for ratio, x in cases:
        try:
            low, high = accumulators(record, ratio, 0)
        except ValueError:
            continue
        options = {"rule": rule, "fmt": INT16}
        if low <= x <= high:
            due = integer_requantise.requantise(x, ratio, **options)
            assert reference.integer.requantise(np.int32([x]), ratio, **options) == [due]
        else:
            with pytest.raises(OverflowError):
                integer_requantise.requantise(x, ratio, **options)
            with pytest.raises(OverflowError, match=rf"x={x} at \[0\]"):
                reference.integer.requantise(np.int32([x]), ratio, **options)


@pytest.mark.parametrize("rule", requantisers())
@settings(max_examples=4, deadline=None)
@given(st.data())
def test_jax_is_the_model_on_channels(rule, data):
    """Many ratios at once, so that few compilations see them all."""
    record, columns, ratios = requantiser(rule), [], []
    fmt, zero = data.draw(st.sampled_from((("int8", 3), ("uint8", 250), (INT16, -9), (INT32, 0))))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    for ratio in (
        0.5,
        0.25,
        0.75,
        1.0,
        1.5,
        5.0,
        2.0**-9,
        2.0**-31,
        2.0**27,
        1 - 2.0**-40,
        *np.exp2(rng.uniform(-31, 3, 20)),
    ):
        try:
            low, high = accumulators(record, float(ratio), zero)
        except ValueError:
            continue
        low, high = max(low, INT32_ENDS[0]), min(high, INT32_ENDS[1])
        if low > high:
            continue
        reach = int(min(400 / ratio, 1 << 31))
        near = rng.integers(-reach - 1, reach + 1, 150)
        ties = (2 * rng.integers(-2000, 2000, 150) + 1) << rng.integers(0, 20, 150)
        columns.append(np.clip(np.concatenate([near, ties, [low, high, 0]]), low, high).astype(np.int32))
        ratios.append(float(ratio))
    x, options = np.stack(columns, axis=1), {"rule": rule, "fmt": fmt, "zero_point": zero}
    due = reference.integer.requantise(x, ratios, **options)
    got = kernels_ref.integer.requantise(x, ratios, **options)
    assert got.dtype == due.dtype
    np.testing.assert_array_equal(got, due)
    np.testing.assert_array_equal(jax.jit(lambda x: kernels_ref.integer.requantise(x, ratios, **options))(x), due)


@pytest.mark.parametrize("rule", ["hawq_v3_pytorch", "ibert"])
def test_binary64_moves_a_product_onto_a_tie(rule):
    """365199926 * 1393501810 is 12 above 56.5 * 2^53, less than half a unit of binary64: 56, where 57 is nearest."""
    b, x = 1393501810, 365199926
    ratio = b / 2.0**53
    assert dyadic_rule(rule).pair(ratio) == DyadicPair(multiplier=b, shift=53)
    assert x * b - (113 << 52) == 12
    options = {"rule": rule, "fmt": "int8"}
    assert integer_requantise.requantise(x, ratio, **options) == 56
    assert integer_requantise.requantise(x, ratio, rule="tvm_tonearest", fmt="int8") == 57
    around = np.arange(x - 50, x + 50, dtype=np.int32)
    due = reference.integer.requantise(around, ratio, **options)
    assert due[50] == 56
    np.testing.assert_array_equal(kernels_ref.integer.requantise(around, ratio, **options), due)
    assert [round(float(v) * float(b) / 2.0**53) for v in around.tolist()] == due.tolist()


@pytest.mark.parametrize("rule", addition_rules())
def test_additions_compiled_are_the_model_on_all_pairs_of_int8(rule):
    """Under jit, products might contract with sums and divisors become factors: neither does."""
    int8 = formats.get("int8")
    first, second, out = (
        Affine(format=int8, scale=scale, zero_point=zero) for scale, zero in ((0.013, -128), (0.5, 127), (0.47, 1))
    )
    a, b = (m.ravel() for m in np.meshgrid(np.arange(-128, 128, dtype=np.int8), np.arange(-128, 128, dtype=np.int8)))
    due = reference.integer.add(a, first, b, second, out, rule=rule)
    run = jax.jit(lambda a, b: kernels_ref.integer.add(a, first, b, second, out, rule=rule))
    np.testing.assert_array_equal(run(a, b), due)


SMALL = [
    DyadicRule(
        name=f"{bits} bits {carries}", multiplier_bits=bits, carries=carries, exponents=(-20, 20), source="a test"
    )
    for bits, carries in itertools.product((1, 3, 5), (True, False))
]


@pytest.mark.parametrize("rule", SMALL, ids=lambda rule: rule.name)
def test_every_ratio_of_small_terms_has_its_nearest_number(rule):
    """Against all numbers of so many bits, exhausted; where two are as near, the larger."""
    n = rule.multiplier_bits
    numbers = [Fraction(b) * Fraction(2) ** s for b in range(1 << (n - 1), (1 << n) + 1) for s in range(-12, 8)]
    for ratio in {Fraction(p, q) for q in range(1, 41) for p in range(1, q)}:
        pair = rule.pair(ratio)
        best = min(abs(number - ratio) for number in numbers)
        assert pair.value == max(number for number in numbers if abs(number - ratio) == best)
        assert abs(pair.difference(ratio)) == best <= rule.bound(ratio)
        assert 1 << (n - 1) <= pair.multiplier <= (1 << n) - rule.carries


@pytest.mark.parametrize("name", dyadic_rules())
@given(st.integers(1, (1 << 40) - 1), st.integers(0, 70))
def test_bounds_and_normal_form(name, numerator, power):
    rule, ratio = dyadic_rule(name), Fraction(numerator, 1 << power)
    try:
        pair = rule.pair(ratio)
    except ValueError:
        assume(False)
    exponent = binary_exponent(ratio)
    flushed = rule.least_exponent is not None and exponent < rule.least_exponent and pair.multiplier == 0
    clamped = rule.clamp_exponent is not None and exponent > rule.clamp_exponent
    if flushed or clamped:
        return
    assert abs(pair.difference(ratio)) <= rule.bound(ratio)
    bits = rule.reduced_bits or rule.multiplier_bits
    assert 1 << (bits - 1) <= pair.multiplier <= 1 << bits
    assert rule.carries is False or pair.multiplier < 1 << bits


@pytest.mark.exhaustive
@pytest.mark.parametrize("q", rotate(list(range(0x7FFE0000, 0x80000000, 0x800)), 8))
def test_reduced_multipliers_saturate_near_one(q):
    """The 15-bit multiplier of int16x8: rounded, but 0x7FFF from 0x7FFF0000 on."""
    for b in range(q, q + 0x800, 7):
        pair = dyadic_rule("tflite_int16x8").pair(Fraction(b, 1 << 31))
        assert pair == DyadicPair(multiplier=(b + (1 << 15)) >> 16 if b < 0x7FFF0000 else 0x7FFF, shift=15)


def test_int16x8_takes_accumulators_of_48_bits():
    x = np.array([(1 << 47) - 1, -(1 << 47), 123456789012], np.int64)
    ratio = 2.0**-31 * 1.7
    due = [integer_requantise.requantise(int(v), ratio, rule="tflite_int16x8", fmt=INT32) for v in x]
    assert reference.integer.requantise(x, ratio, rule="tflite_int16x8", fmt=INT32).tolist() == due
    with pytest.raises(OverflowError, match="takes accumulators of 48 bits"):
        reference.integer.requantise(np.array([1 << 47], np.int64), ratio, rule="tflite_int16x8", fmt=INT32)
    with pytest.raises(TypeError, match="x has dtype int64; tflite_double_rounding accepts: int8"):
        reference.integer.requantise(x, ratio, rule="tflite_double_rounding", fmt=INT32)
