"""I-BERT's i-softmax: worked vectors, judge = NumPy = JAX, sums, order, words that wrap, the safe form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import kernels_ref.integer.ibert as jax_ibert
from formats.integer_only.ibert_rules import exp_rule, softmax_rule
from formats.integer_only.polynomials import Coefficients
from kernels_ref.integer.audit import audit
from reference.exact import ibert as judge
from reference.integer.ibert import exp, softmax

RULES = ("paper", "code", "safe")


def options(rule, maximum=1.0):
    return {"rule": rule} | ({"maximum": maximum} if rule == "code" else {})


def drawn(rows, length, spread, seed=0):
    return np.round(np.random.default_rng(seed).normal(0, spread, (rows, length))).astype(np.int32)


@pytest.mark.parametrize(
    ("q", "due"),
    [([40, 20, -5, 0], [158, 58, 17, 21]), ([10, 10, 10, 10], [63, 63, 63, 63]), ([300, -300], [255, 0])],
)
def test_worked(q, due):
    assert softmax(q, 0.05, **options("code")).tolist() == due
    assert judge.softmax(q, 0.05, **options("code")) == due
    assert jax_ibert.softmax(q, 0.05, **options("code")).tolist() == due


def test_worked_multiplier():
    """With coefficients in exact arithmetic the dyadic number is the one of a double computation."""
    pair = replace(softmax_rule("code"), exp=replace(exp_rule("code"), coefficients=Coefficients.EXACT)).pair(0.05, 1.0)
    assert (pair.shift + 30, abs(pair.multiplier - 1968898441) < 100) == (56, True)
    exponentials = [judge.exp(x - 40, 0.05, "code")["result"] for x in [40, 20, -5, 0]]
    e16 = [judge.requantised(e, 0.05, softmax_rule("code"), 1.0) for e in exponentials]
    assert e16 == [32742, 12146, 3532, 4489]
    assert (sum(e16), 2**32 // sum(e16)) == (52909, 81176)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("scale", [0.3, 0.0011, 7e-5])
@pytest.mark.parametrize("length", [1, 50])
def test_judge_numpy_jax(rule, scale, length):
    q = np.concatenate([drawn(6, length, 2 / scale), drawn(4, length, 0.1 / scale), np.full((1, length), -5)])
    if rule == "paper" and scale < 1e-3:
        with pytest.raises(OverflowError, match=r"the (polynomial at 0|sum, times 2\^8) is"):
            jax_ibert.softmax(q.astype(np.int32), scale, rule=rule)
        rule = "safe"
    found = softmax(q.astype(np.int32), scale, **options(rule))
    assert found.dtype == np.int32
    assert found.tolist() == [judge.softmax(row, scale, **options(rule)) for row in q.tolist()]
    assert np.asarray(jax_ibert.softmax(q.astype(np.int32), scale, **options(rule))).tolist() == found.tolist()


@pytest.mark.parametrize("maximum", [0.9993, 0.5, 3.7, 1e-4, 100.0])
def test_maxima(maximum):
    q = drawn(8, 20, 60)
    found = softmax(q, 0.05, rule="code", maximum=maximum)
    assert found.tolist() == [judge.softmax(row, 0.05, "code", maximum=maximum) for row in q.tolist()]
    assert np.asarray(jax_ibert.softmax(q, 0.05, rule="code", maximum=maximum)).tolist() == found.tolist()


def test_a_row_of_one_that_divides_the_power():
    """256 = 2^8 is reached where the only exponential is a power of two: no 8 bits hold it."""
    maxima = [
        m
        for m in np.linspace(1.9, 2.1, 4001)
        if judge.requantised(judge.exp(0, 0.05, "code")["result"], 0.05, softmax_rule("code"), float(m)) == 1 << 14
    ]
    assert maxima
    for run in (softmax, jax_ibert.softmax):
        assert np.asarray(run([[7], [9]], 0.05, rule="code", maximum=float(maxima[0]))).tolist() == [[256], [256]]


@pytest.mark.parametrize("rule", RULES)
def test_sums_order_and_shifts(rule):
    q = drawn(200, 33, 40)
    found = softmax(q, 0.05, **options(rule))
    assert (found.sum(axis=1) <= 256).all()
    assert (found.sum(axis=1) >= 256 - 33 - 33).all()  # each is short by less than 1, and by e 2^-24
    order = np.random.default_rng(1).permutation(33)
    assert (softmax(q[:, order], 0.05, **options(rule)) == found[:, order]).all()
    assert (softmax(q + 1234, 0.05, **options(rule)) == found).all()
    assert (found.max(axis=1) == np.take_along_axis(found, q.argmax(axis=1)[:, None], axis=1)[:, 0]).all()


def test_words_of_32_bits_overflow_and_safe_does_not():
    """The paper's form, rows of 1024 scores of scale 2^-10: the sum leaves int32."""
    q = drawn(5, 1024, 100)
    whole, word = (softmax(q, 2**-10, rule="paper", wrap=wrap) for wrap in (None, 63))
    assert (whole == word).all()
    with pytest.raises(ValueError, match="exponentials sum to -"):
        softmax(q, 2**-10, rule="paper", wrap=32)
    sums = exp((q - q.max(axis=1, keepdims=True)).astype(np.int32), 2**-10, rule="paper").sum(axis=1)
    assert (sums >= 1 << 31).all()
    safe = softmax(q, 2**-10, rule="safe")
    assert (safe == softmax(q, 2**-10, rule="safe", wrap=32)).all()
    assert np.abs(safe - whole).max() <= 1


def test_words_of_32_bits_overflow_in_the_code():
    q = [40, 20, -5, 0]
    assert softmax([40, 40, 20, -5], 0.05, rule="code", maximum=1.0).tolist() != [0, 0, 0, 0]
    steps = [judge.exp(x - 40, 0.05, "code", wrap=32)["result"] for x in q]
    assert steps[0] == 0
    with pytest.raises(ValueError, match="exponentials sum to"):
        softmax(q, 0.05, rule="code", maximum=1.0, wrap=32)


@pytest.mark.parametrize("scale", [0.05, 2**-8, 2**-12, 2**-18, 1e-6])
@pytest.mark.parametrize("length", [2, 50, 4000])
def test_safe_bound(scale, length):
    """By the bounds of i-exp: ``eps_i = 2^-z_i (gap + 2 S) + a S^2 (2^t + 1)`` each, then the floor of the quotient."""
    rule = softmax_rule("safe")
    made = rule.exp.constants(scale)
    unit = scale * 2**made.input_shift
    q = drawn(4, length, 1.5 / scale, seed=length)
    x = (q - q.max(axis=1, keepdims=True)) * scale
    true = np.exp(x)
    quantum = float(made.out_scale) * (2 ** rule.sum_shift(scale, length) + 1)
    eps = np.minimum(2 * true, 1) * (0.00213 + 2 * unit) + quantum
    total = true.sum(axis=1, keepdims=True)
    p = true / total
    bound = (eps + p * eps.sum(axis=1, keepdims=True)) / (total - eps.sum(axis=1, keepdims=True)) + 2**-8
    assert (total > 2 * eps.sum(axis=1, keepdims=True)).all()
    assert (np.abs(softmax(q, scale, rule=rule) / 256 - p) <= bound).all()


@pytest.mark.parametrize("rule", RULES)
def test_integer_only(rule):
    report = audit(lambda q: jax_ibert.softmax(q, 0.05, **options(rule)), (3, 5), "int16")
    assert report.integer_only
    assert set(report.dtypes) <= {"int16", "int32", "uint32", "bool"}


@pytest.mark.parametrize("execute", [softmax, jax_ibert.softmax])
@pytest.mark.parametrize(
    ("q", "settings", "error", "message"),
    [
        ([[1]], {"rule": "code"}, TypeError, "'code' needs maximum"),
        ([[1]], {"rule": "paper", "maximum": 1.0}, TypeError, "'paper' takes no maximum"),
        ([[1]], {"rule": "code", "maximum": 0.0}, ValueError, "maximum=0.0 must be positive"),
        ([[1]], {"rule": "code", "maximum": 1e9}, ValueError, "exponentials sum to 0"),
        (3, {"rule": "safe"}, ValueError, r"shape \(\) has no rows"),
        ([[]], {"rule": "safe"}, (ValueError, TypeError), "has no rows|dtype float64"),
        ([1 << 30, 0], {"rule": "safe"}, OverflowError, "q=1073741824 must lie in"),
        ([1, 0], {"rule": "soft"}, KeyError, "unknown i-softmax 'soft'"),
    ],
)
def test_bad_input(execute, q, settings, error, message):
    with pytest.raises(error, match=message):
        execute(q, 0.05, **settings)
