"""Properties of I-BERT's integer functions; strategies aim at seams, halves, powers of two and the ends of words."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kernels_ref.integer.ibert as jax_ibert
from formats.integer_only.ibert_rules import exp_rule, gelu_rule
from reference.exact import ibert as judge
from reference.integer.ibert import exp, gelu, isqrt, layer_norm, softmax
from reference.integer.ibert.words import half_even, significant

RULES = st.sampled_from(["paper", "code", "safe"])
SCALES = st.floats(math.log(7e-5), math.log(0.69)).map(math.exp)
INTEGERS = st.integers(-(1 << 30), (1 << 30) - 1) | st.integers(-300, 300)
ROWS = st.lists(st.integers(-(1 << 20), 1 << 20) | st.integers(-60, 60), min_size=2, max_size=12)


@st.composite
def near_seams(draw):
    """A scale, a rule, and ``q`` next to a multiple of ``l``, or anywhere."""
    rule, scale = draw(RULES), draw(SCALES)
    made = exp_rule(rule).constants(scale)
    seam = -draw(st.integers(0, 40)) * made.ln2 << made.input_shift
    q = draw(st.integers(-(1 << 31), 0) | st.integers(-2, 2).map(lambda d: min(0, max(seam + d, -(1 << 31)))))
    return rule, scale, q


@given(near_seams())
def test_exp(case):
    rule, scale, q = case
    assert exp([q], scale, rule=rule).tolist() == [judge.exp(q, scale, rule)["result"]]


@given(RULES, SCALES, ROWS, st.floats(0.1, 10))
def test_softmax(rule, scale, row, maximum):
    options = {"rule": rule} | ({"maximum": maximum} if rule == "code" else {})
    found = softmax(row, scale, **options)
    assert found.tolist() == judge.softmax(row, scale, **options)
    assert found.sum() <= 256
    assert found[int(np.argmax(row))] == found.max()


@given(st.sampled_from(["paper", "code", "safe"]), st.floats(math.log(7e-5), math.log(0.004)).map(math.exp), INTEGERS)
def test_gelu(rule, scale, q):
    magnitude = max(abs(q), 1)
    try:
        gelu_rule(rule).constants(scale, magnitude)
    except ValueError:  # no shift serves so wide an input at so coarse a scale
        return
    due = judge.gelu(q, scale, rule, magnitude=magnitude)["result"]
    assert gelu([q], scale, rule=rule, magnitude=magnitude).tolist() == [due]
    if rule == "safe":
        assert -(1 << 31) <= due < 1 << 31


@given(ROWS, st.sampled_from([None, 0, 5, 12]), st.integers(-1000, 1000))
def test_layer_norm(row, shift, offset):
    options = {"rule": "safe"} if shift is None else {"rule": "code", "shift": shift}
    try:
        found = layer_norm(row, **options)
    except ZeroDivisionError:
        return
    except OverflowError:
        assert sum(x * x for x in row) >> 2 * (shift or 0) >= 1 << 31
        return
    assert found.tolist() == judge.layer_norm(row, **options)
    moved = layer_norm([x + 2 * offset for x in row], **options)  # an even offset keeps ties of the mean
    assert (moved == found).all()


@settings(max_examples=25)
@given(st.lists(INTEGERS, min_size=16, max_size=16), st.lists(st.integers(0, 30), min_size=16, max_size=16))
def test_jax(row, octaves):
    """One shape and three scales, so that nothing compiles anew."""
    negative = np.array([-abs(x) for x in row], np.int32)
    seams = np.array([-n * 14 for n in octaves], np.int32) - np.array([abs(x) % 2 for x in row], np.int32)
    for q in (negative, seams):
        assert (jax_ibert.exp(q, 0.05, rule="code").int64() == exp(q, 0.05, rule="code")).all()
        assert (np.asarray(jax_ibert.exp(q, 0.05, rule="paper")) == exp(q, 0.05, rule="paper")).all()
    q = np.array(row, np.int32)
    for options in ({"rule": "code", "maximum": 1.0}, {"rule": "safe"}):
        assert (np.asarray(jax_ibert.softmax(q, 0.05, **options)) == softmax(q, 0.05, **options)).all()
    assert (jax_ibert.gelu(q, 2**-11, rule="code").int64() == gelu(q, 2**-11, rule="code")).all()
    if len(set(row)) > 1:
        try:
            due = layer_norm(q, rule="safe")
        except ZeroDivisionError:
            return
        assert (np.asarray(jax_ibert.layer_norm(q, rule="safe")) == due).all()


@given(
    st.integers(0, (1 << 32) - 1)
    | st.integers(0, (1 << 16) - 1).flatmap(lambda k: st.sampled_from([k * k, max(k * k - 1, 0), k * k + 2 * k]))
)
def test_isqrt(n):
    assert isqrt([n]).tolist() == [math.isqrt(n)]


@given(st.integers(0, (1 << 62) - 1), st.integers(0, 63), st.integers(1, 60))
def test_divisions(x, shift, bits):
    assert half_even(np.array([x]), shift).tolist() == [round(Fraction(x, 1 << shift))]
    assert significant(np.array([x]), bits).tolist() == [int(judge.significant(Fraction(x), bits))]


def test_a_planted_fault_is_seen():
    """The judge with the ceiling of ln 2 for the floor disagrees."""
    wrong = replace(exp_rule("paper"), ceiling=True)
    assert any(judge.exp(-q, 0.05, wrong)["result"] != exp([-q], 0.05, rule="paper")[0] for q in range(100))
    with pytest.raises(AssertionError):
        assert exp([-13], 0.05, rule=wrong).tolist() == [556]
