"""I-BERT's i-exp: worked vectors, judge = NumPy = JAX, its error, its seams, words that wrap, the safe form."""

from __future__ import annotations

import math
from dataclasses import replace

import jax
import numpy as np
import pytest

import kernels_ref.integer.ibert as jax_ibert
from formats.code_books.binary32 import single
from formats.integer_only.ibert_rules import exp_rule
from formats.integer_only.polynomials import Coefficients, Polynomial
from kernels_ref.integer.audit import audit
from reference.exact import ibert as judge
from reference.integer.ibert import exp, polynomial

RULES = ("paper", "code", "safe")
SCALES = (0.69, 0.05, 2**-10, 6e-5)


def in_jax(q, scale, rule):
    found = jax_ibert.exp(q, scale, rule=rule)
    return found.int64() if isinstance(found, jax_ibert.Wide) else np.asarray(found)


def value(q, scale, rule):
    return exp(q, scale, rule=rule) * float(exp_rule(rule).constants(scale).out_scale)


@pytest.mark.parametrize(
    ("scale", "rule", "q", "due"),
    [
        (
            0.05,
            "code",
            [0, -1, -13, -14, -100, -500],
            [1198295875584, 1141387558912, 625991483392, 599147937792, 8489271296, 1116],
        ),
        (0.05, "paper", [0, -1, -13, -14, -100], [1112, 1059, 556, 529, 5]),
        (2**-10, "paper", [0, -709, -2048], [2924389, 1462194, 394047]),
    ],
)
def test_worked(scale, rule, q, due):
    assert exp(q, scale, rule=rule).tolist() == due
    assert [judge.exp(x, scale, rule)["result"] for x in q] == due
    assert in_jax(q, scale, rule).tolist() == due


def test_worked_constants():
    code = exp_rule("code").constants(0.05)
    assert (code.ln2, code.b, code.c) == (14, 54, 1116)
    assert float(code.out_scale) == pytest.approx(8.3389e-13, rel=1e-4)
    paper = exp_rule("paper").constants(0.05)
    assert (paper.ln2, paper.b, paper.c) == (13, 27, 383)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("scale", SCALES)
def test_judge_numpy_jax(rule, scale):
    made = exp_rule(rule).constants(scale)
    seams = [-n * made.ln2 << made.input_shift for n in range(34)]
    q = sorted({*range(-70, 1), *(s + d for s in seams for d in (-2, -1, 0, 1) if s + d <= 0), -(1 << 31), -12345678})
    found = exp(q, scale, rule=rule)
    assert found.tolist() == [judge.exp(x, scale, rule)["result"] for x in q]
    assert in_jax(q, scale, rule).tolist() == found.tolist()


@pytest.mark.parametrize("rule", RULES)
def test_all_of_int16(rule):
    q = np.arange(-(1 << 15), 1, dtype=np.int16)
    scale = 2**-9
    found = exp(q, scale, rule=rule)
    assert (in_jax(q, scale, rule) == found).all()
    for x in range(0, len(q), 997):
        assert found[x] == judge.exp(int(q[x]), scale, rule)["result"]


def test_polynomial_gap():
    """The paper's 1.9e-3 on (-ln 2, 0] is that of the code's coefficients; those it prints have 2.13e-3."""
    x = np.linspace(-math.log(2), 0, 200_001)
    printed = np.abs(0.3585 * (x + 1.353) ** 2 + 0.344 - np.exp(x)).max()
    code = np.abs(0.35815147 * x**2 + 0.96963238 * x + 1 - np.exp(x)).max()
    assert (round(printed, 5), round(code, 5)) == (0.00213, 0.00191)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("scale", [0.05, 0.01, 2**-10, 2**-13])
def test_monotone_between_seams_and_the_jumps(rule, scale):
    """Falling with -q within an octave; at a seam the result may rise, by less than what halving can miss."""
    made = exp_rule(rule).constants(scale)
    q = np.arange(0, -12 * made.ln2, -1, dtype=np.int32)
    found = exp(q, scale, rule=rule)
    rises = np.flatnonzero(np.diff(found) > 0) + 1
    assert set((-q[rises] % made.ln2).tolist()) <= {0}
    one = made.greatest << (exp_rule(rule).octaves or 0)
    assert (found[rises] - found[rises - 1] <= one * 0.003 + 1).all()


@pytest.mark.parametrize("rule", RULES)
def test_range_and_the_value_at_zero(rule):
    scale = 2**-10
    made = exp_rule(rule).constants(scale)
    assert exp([0], scale, rule=rule)[0] == made.greatest << (exp_rule(rule).octaves or 0)
    found = value(np.arange(-(1 << 15), 1, dtype=np.int16), scale, rule)
    assert found.min() >= 0
    assert found.max() <= 1.001


def test_the_code_never_gives_zero():
    assert exp([-(1 << 31), -(10**6)], 0.05, rule="code").tolist() == [1116, 1116]
    assert exp([-(1 << 31), -(10**6)], 0.05, rule="paper").tolist() == [0, 0]


def test_words_of_32_bits_overflow():
    """41 bits and more in the code's form: what int32 makes of it is 0, negative or nonsense."""
    q = [0, -1, -13, -14, -100]
    assert exp(q, 0.05, rule="code", wrap=32).tolist() == [0, -(1 << 30), -(1 << 30), -(1 << 31), -100663296]
    for x, found in zip(q, exp(q, 0.05, rule="code", wrap=32).tolist(), strict=True):
        steps = judge.exp(x, 0.05, "code", wrap=32)
        assert steps["result"] == found
        naive = np.int32(steps["polynomial"]) << np.int32(30 - steps["octaves"])
        assert int(naive) == found


def test_the_paper_overflows_at_small_scales_and_safe_does_not():
    scale = 2**-15
    q = np.arange(-(1 << 18), 1, 101, dtype=np.int32)
    whole, word = (exp(q, scale, rule="paper", wrap=wrap) for wrap in (None, 32))
    assert whole.max() >= 1 << 31
    assert (word < 0).any()
    safe = exp(q, scale, rule="safe")
    assert safe.max() < 1 << 31
    assert (safe == exp(q, scale, rule="safe", wrap=32)).all()


@pytest.mark.parametrize("scale", [0.3, 0.05, 2**-10, 2**-16, 2**-20, 1e-7])
def test_safe_bound(scale):
    """The gap of the polynomial, and what floors cost, in units of the moved scale.

    ``q_b``: ``2 a b S < 0.9701 S``; ``q_c`` and the last shift: ``a S^2`` each; ``l``: each octave is short by less
    than ``S``, so ``2^-z z S`` to first order, at most ``S / 2``, and ``S^2`` for the rest; the half of a unit that
    the input loses: ``S / 2``.
    """
    made = exp_rule("safe").constants(scale)
    unit = scale * 2**made.input_shift
    q = np.unique(np.round(-np.geomspace(1, min(20 / scale, 2**31 - 1), 40_000)).astype(np.int64)).astype(np.int32)
    error = np.abs(value(q, scale, "safe") - np.exp(q * scale))
    x = np.linspace(-math.log(2) - unit, 0, 100_001)
    gap = np.abs(0.3585 * (x + 1.353) ** 2 + 0.344 - np.exp(x)).max()
    bound = gap + (0.9701 + 0.5 + (0.5 if made.input_shift else 0)) * unit + (2 * 0.3585 + 1) * unit**2
    assert error.max() <= bound
    assert error.max() >= 0.0018  # the bound is not idle: the gap is most of it


def test_exact_coefficients_and_binary32_ones_differ_somewhere():
    code = exp_rule("code")
    exact = replace(code, coefficients=Coefficients.EXACT)
    scales = [single(0.001 * 1.01**n) for n in range(600)]
    differing = [s for s in scales if (a := code.constants(s)).c != (b := exact.constants(s)).c or a.b != b.b]
    assert differing
    assert all(abs(code.constants(s).b - exact.constants(s).b) <= 1 for s in scales)


def test_polynomial_function():
    form = Polynomial(a="0.3585", b="1.353", c="0.344")
    values, unit = polynomial([0, -13], 0.05, form, coefficients=Coefficients.EXACT)
    assert values.tolist() == [1112, 579]
    assert float(unit) == pytest.approx(0.3585 * 0.05**2)
    assert polynomial([46341 - 27], 0.05, form, coefficients=Coefficients.EXACT, wrap=32)[0] < 0


@pytest.mark.parametrize("rule", RULES)
def test_integer_only(rule):
    report = audit(lambda q: jax_ibert.exp(q, 0.0123, rule=rule), (5,), "int32")
    assert report.integer_only
    assert set(report.dtypes) <= {"int32", "uint32", "bool"}


def test_jax_with_64_bits_on():
    with jax.enable_x64(True):
        assert in_jax([0, -14, -500], 0.05, "code").tolist() == [1198295875584, 599147937792, 1116]
        assert in_jax([0, -14], 0.05, "paper").tolist() == [1112, 529]


@pytest.mark.parametrize("execute", [exp, jax_ibert.exp])
@pytest.mark.parametrize(
    ("q", "scale", "rule", "error", "message"),
    [
        ([1], 0.05, "paper", ValueError, "q=1 is positive"),
        ([0], 0.7, "paper", ValueError, "scale=0.7 makes"),
        ([0], 0.0, "code", ValueError, "scale=0.0 must be positive"),
        ([0], 0.05, "best", KeyError, "unknown i-exp 'best'; known: paper, code, safe"),
        (np.zeros(2, np.float32), 0.05, "code", TypeError, "dtype float32"),
        (np.zeros(2, np.int64), 0.05, "code", TypeError, "dtype int64"),
        ([-(1 << 31) - 1], 0.05, "code", OverflowError, "is no int32"),
        ([0], 1e-5, "code", OverflowError, "take a larger scale, or the safe form"),
    ],
)
def test_bad_input(execute, q, scale, rule, error, message):
    with pytest.raises(error, match=message):
        execute(q, scale, rule=rule)
