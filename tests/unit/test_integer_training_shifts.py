"""NITI's shifts and block exponents: judge, NumPy and JAX agree; published vectors and traps hold."""

from __future__ import annotations

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from formats.integer_only.shifts import shift_rule, shift_rules
from formats.integer_only.training import NITI_CLIPPED, NITI_CODE
from reference.array.integer import training_shift
from reference.exact import integer_training as judge
from reference.integer.training import BlockTensor, bit_width, linear, narrow, quantise_input, shift_right

X = [-41, -40, -39, -24, -8, -7, 0, 7, 8, 9, 24, 25, 40, 41]
DETERMINISTIC = [name for name in shift_rules() if not shift_rule(name).is_stochastic]


# Worked from the text of the published code under both meanings of integer division.
@pytest.mark.parametrize(
    ("rule", "due"),
    [
        ("round_shift", [-3, -3, -2, -2, -1, 0, 0, 0, 1, 1, 2, 2, 3, 3]),
        ("round_shift_floor", [-3, -2, -2, -1, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3]),
        ("psto_shift", [-3, -3, -2, -2, -1, 0, 0, 0, 1, 1, 2, 2, 3, 3]),
        ("psto_shift_floor", [-3, -4, -4, -3, -2, -2, 0, 0, 1, 1, 2, 2, 3, 3]),
    ],
)
def test_worked_shifts(rule, due):
    assert shift_right(X, 4, rule=rule).tolist() == due
    assert [judge.shift_right(x, 4, rule) for x in X] == due


@pytest.mark.parametrize("rule", DETERMINISTIC)
def test_shifts_equal_the_judge(rule):
    x = np.concatenate([np.arange(-1100, 1101), [2**31 - 1, 1 - 2**31, 2**30, -(2**30), 2**30 + 2**29]])
    traced = jax.jit(lambda v, s: training_shift.shift_right(v, s, shift_rule(rule), jnp))
    for shift in (*range(1, 10), 23, 24, 29, 30):
        due = [judge.shift_right(int(v), shift, rule) for v in x]
        assert shift_right(x, shift, rule=rule).tolist() == due
        assert traced(jnp.asarray(x, jnp.int32), jnp.int32(shift)).tolist() == due


def every_random(x, shift, rule):
    """The results of all random numbers, checked against the judge."""
    random = np.arange(1 << shift)
    made = shift_right(np.full(len(random), x), shift, rule=rule, random=random)
    assert made.tolist() == [judge.shift_right(x, shift, rule, random=r) for r in range(1 << shift)]
    return made


def test_stochastic_shift_has_the_exact_mean():
    for shift in range(1, 9):
        for x in (*range(-40, 41), 127 << shift, -(126 << shift) - 1, (100 << shift) + 1):
            mean = Fraction(int(every_random(x, shift, "sto_shift").sum(dtype=int)), 1 << shift)
            assert mean == Fraction(x, 1 << shift), (x, shift)


def test_stochastic_shift_under_flooring_division_is_biased():
    assert Fraction(int(every_random(-41, 4, "sto_shift_floor").sum(dtype=int)), 16) == Fraction(-55, 16)
    assert Fraction(int(every_random(-41, 4, "sto_shift").sum(dtype=int)), 16) == Fraction(-41, 16)


@pytest.mark.parametrize(
    ("shift", "mean", "ideal"),
    [
        (4, Fraction(3, 8), Fraction(15, 32)),
        (5, Fraction(1, 2), Fraction(31, 64)),
        (6, Fraction(7, 16), Fraction(63, 128)),
    ],
)
def test_pseudo_stochastic_shift_is_biased(shift, mean, ideal):
    up = shift_right(np.arange(1 << shift), shift, rule="psto_shift")
    assert Fraction(int(up.sum(dtype=int)), 1 << shift) == mean
    assert Fraction(sum(range(1 << shift)), 1 << 2 * shift) == ideal


def test_pseudo_stochastic_residues():
    assert np.flatnonzero(shift_right(np.arange(16), 4, rule="psto_shift")).tolist() == [4, 8, 9, 12, 13, 14]
    assert shift_right([-3, -1, 1, 3], 1, rule="psto_shift").tolist() == [-2, -1, 1, 2]


@pytest.mark.parametrize("rule", ["round_shift", "psto_shift"])
def test_truncating_shifts_are_odd(rule):
    x = np.arange(1 << 13)
    for shift in range(1, 9):
        np.testing.assert_array_equal(shift_right(-x, shift, rule=rule), -shift_right(x, shift, rule=rule))


def test_bit_width_at_powers_of_two():
    for k in range(31):
        for v in {2**k - 1, 2**k, 2**k + 1} - {2**31}:
            due = (v - 1).bit_length() if v else 0
            assert bit_width([0, -v]) == bit_width([v]) == judge.bit_width([[v]]) == due
            assert not v or 2**due >= v > 2**due // 2 - (due == 0)


def test_binary32_logarithm_is_not_the_bit_width():
    """The published code takes ``ceil(log2 v)`` in binary32; rounded correctly, it first falls short at 2^21 + 1."""

    v = np.arange(1, 2**21 + 2)
    logarithm = np.ceil(np.log2(v.astype(np.float64)).astype(np.float32))
    exact = np.frexp(v - 1)[1]  # the bit length
    assert np.flatnonzero(logarithm != exact).tolist() == [2**21]
    assert (v[-1], logarithm[-1], bit_width(v[-1:]), exact[-1]) == (2**21 + 1, 21, 22, 22)


def test_narrowing_exactly_128_wraps_in_the_code_only():
    for made in (judge.narrow([[128, -128, 5]], NITI_CODE)[0][0], narrow([128, -128, 5], 0, rule=NITI_CODE).q.tolist()):
        assert made == [-128, -128, 5]
    for made in (judge.narrow([[128, -128, 5]], NITI_CLIPPED)[0][0], narrow([128, -128, 5], 0).q.tolist()):
        assert made == [127, -127, 5]
    assert narrow([129, 0], 3).q.tolist() == [65, 0]
    assert narrow([129, 0], 3).exponent == 4


@pytest.mark.parametrize("rule", [NITI_CODE, NITI_CLIPPED])
def test_narrowing_equals_the_judge_and_keeps_the_value(rule):
    rng, compiled = np.random.default_rng(1), jax.jit(lambda a: training_shift.narrow(a, rule, jnp))
    for k in range(31):
        for v in {2**k - 1, 2**k, min(2**k + 1, 2**31 - 1)}:
            x = np.append(rng.integers(-v, v, 50, endpoint=True), [v, -v]).astype(np.int32)
            made = narrow(x, -3, rule=rule)
            due, growth = judge.narrow([x.tolist()], rule)
            assert made.q.tolist() == due[0]
            assert made.exponent == growth - 3
            traced = compiled(x)
            assert traced[0].tolist() == due[0]
            assert int(traced[1]) == growth
            if rule is NITI_CLIPPED:
                off = abs(made.q.astype(np.int64) * 2**growth - x)
                assert (off[abs(made.q.astype(int)) < 127] * 2 <= 2**growth).all()
                assert abs(made.q.astype(int)).max() <= 127


def test_worked_linear():
    x = BlockTensor(np.int8([[10, -20, 127], [3, 5, -7]]), -5)
    made = linear(x, BlockTensor(np.int8([[50, -3, 2], [-127, 127, 127]]), -8))
    assert (made.q.tolist(), made.exponent) == ([[6, 96], [1, -5]], -6)
    product = judge.multiply(x.q.tolist(), judge.transpose([[50, -3, 2], [-127, 127, 127]]))
    assert product == [[814, 12319], [121, -635]]
    assert judge.narrow(product, NITI_CLIPPED) == ([[6, 96], [1, -5]], 7)


def test_input_quantiser():
    made = quantise_input([0.25, -0.3, 1.0, 0.9])
    assert (made.q.tolist(), made.exponent) == ([32, -38, 127, 115], -7)
    made = quantise_input(np.float32([3.0, -5.0, 0.03125, 0.09375]))  # steps of 1/16: halves go to even
    assert (made.q.tolist(), made.exponent) == ([48, -80, 0, 2], -4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shift_right([1.5], 1, rule="round_shift"), "float64"),
        (lambda: shift_right([1], 0, rule="round_shift"), "shift=0"),
        (lambda: shift_right([1], 31, rule="round_shift"), "shift=31"),
        (lambda: shift_right([1], 4, rule="sto_shift"), "stochastic rules take numbers"),
        (lambda: shift_right([1], 4, rule="round_shift", random=[1]), "others none"),
        (lambda: shift_right([1], 4, rule="sto_shift", random=[16]), r"0\.\.15"),
        (lambda: shift_right([1], 4, rule="sto_shift", random=[1, 2]), r"\(1,\)"),
        (lambda: shift_right([1], 4, rule="nearest"), "round_shift, sto_shift"),
        (lambda: shift_right([-(2**31)], 4, rule="round_shift"), "-2147483648"),
        (lambda: judge.shift_right(1, 0, "round_shift"), "shift=0"),
        (lambda: judge.shift_right(1, 4, "sto_shift"), "random=None"),
        (lambda: judge.shift_right(1, 4, "sto_shift", random=16), r"random=16 must lie in 0\.\.15"),
        (lambda: quantise_input([0.0]), "must be positive"),
        (lambda: quantise_input([np.inf]), "inf"),
        (lambda: BlockTensor(np.int32([1]), 0), "int32"),
        (lambda: linear(BlockTensor(np.int8([[1]]), 0), BlockTensor(np.int8([[1, 2]]), 0)), r"\(1, 1\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((TypeError, ValueError, KeyError), match=message):
        call()
