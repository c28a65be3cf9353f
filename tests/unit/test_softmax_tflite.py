"""TFLite's int8 softmax in both forms: judge = NumPy = JAX, how far apart they are, errors, bad input."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from formats.integer_only.softmax_tflite import EXP_EIGHTH, EXP_POWERS, difference
from kernels_ref.integer import softmax_tflite as in_jax
from kernels_ref.integer.audit import audit
from reference.array.integer import fixed_point
from reference.exact import softmax_tflite as judge
from reference.integer.softmax_tflite import high, softmax

FORMS = ("fixed_point", "binary32")


def drawn(rows, length, spread=40, seed=0):
    return np.clip(np.round(np.random.default_rng(seed).normal(0, spread, (rows, length))), -128, 127).astype(np.int8)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("scale", "beta"), [(0.05, 1.0), (1 / 256, 1.0), (0.7, 0.5), (40.0, 1.0), (1e-6, 1.0)])
def test_judge_numpy_jax(form, scale, beta):
    for length in (1, 2, 50):
        q = drawn(6, length, seed=length)
        found = softmax(q, scale, form=form, beta=beta)
        assert found.dtype == np.int8
        assert found.tolist() == [getattr(judge, form)(row, scale, beta) for row in q.tolist()]
        assert (np.asarray(in_jax.softmax(jnp.asarray(q), scale, form=form, beta=beta)) == found).all()


@pytest.mark.parametrize("form", FORMS)
def test_all_pairs_of_a_row_of_two(form):
    """Only the difference counts: 511 rows are all."""
    q = np.array([[max(d, 0) - 128, max(-d, 0) - 128] for d in range(-255, 256)]).astype(np.int8)
    for scale in (0.02, 0.1):
        found = softmax(q, scale, form=form)
        assert found.tolist() == [getattr(judge, form)(row, scale) for row in q.tolist()]
        assert (np.asarray(in_jax.softmax(jnp.asarray(q), scale, form=form)) == found).all()
        exact = 256 / (1 + np.exp(-scale * np.arange(-255, 256))) - 128
        assert np.abs(found[:, 0] - np.minimum(exact, 127)).max() <= 0.501


def test_the_two_forms_differ_by_one_at_most():
    q = drawn(400, 200)
    found = [softmax(q, 0.05, form=form).astype(int) for form in FORMS]
    assert 0 < (found[0] != found[1]).sum() < 40
    assert np.abs(found[0] - found[1]).max() == 1


def test_exp_and_reciprocal():
    """gemmlowp's own tests allow 500 units of 2^-31 for exp; whole words, judge = NumPy = JAX."""
    x = np.unique(np.concatenate([-np.arange(0, 1 << 31, 999_983), -(1 << np.arange(31)), -np.arange(300)])).astype(
        np.int64
    )
    found = fixed_point.exp_negative(x, high, np)
    assert np.abs(found - np.exp(x / 2**26) * 2**31).max() <= 500
    assert found[::50].tolist() == [judge.exp_negative(v) for v in x[::50].tolist()]
    run = jax.jit(lambda v: fixed_point.exp_negative(v, in_jax.high, jnp))
    assert (np.asarray(run(jnp.asarray(x.astype(np.int32)))) == found).all()
    y = np.arange(0, 1 << 31, 1_000_003)
    inverse = fixed_point.reciprocal(y, high, np)
    assert np.abs(inverse - 2**31 / (1 + y / 2**31)).max() <= 16
    assert inverse[::50].tolist() == [judge.reciprocal(v) for v in y[::50].tolist()]
    run = jax.jit(lambda v: fixed_point.reciprocal(v, in_jax.high, jnp))
    assert (np.asarray(run(jnp.asarray(y.astype(np.int32)))) == inverse).all()


def test_constants_are_those_of_their_names():
    assert round(math.exp(-1 / 8) * 2**31) == EXP_EIGHTH
    assert all(abs(math.exp(-(2.0**power)) * 2**31 - factor) < 1 for power, factor in EXP_POWERS)


def test_differences():
    made = difference(0.05)
    assert made.multiplier * 2.0 ** (made.shift - 31) == pytest.approx(0.05 * 2**26)
    assert difference(1e9).shift == 31


def test_integer_only():
    report = audit(lambda q: in_jax.softmax(q, 0.05, form="fixed_point"), (3, 5), "int8")
    assert report.integer_only
    assert set(report.dtypes) <= {"int8", "int32", "bool"}
    assert not audit(lambda q: in_jax.softmax(q, 0.05, form="binary32"), (3, 5), "int8").integer_only


@pytest.mark.parametrize(
    ("q", "options", "error", "message"),
    [
        (np.zeros((2, 2), np.int16), {}, TypeError, "dtype int16; this softmax takes int8"),
        (np.zeros((2, 0), np.int8), {}, ValueError, "has no rows"),
        (np.zeros((1, 4097), np.int8), {}, OverflowError, "rows of 4097"),
        (np.zeros((2, 2), np.int8), {"scale": -1.0}, ValueError, "scale=-1.0, beta=1.0 must be positive"),
        (np.zeros((2, 2), np.int8), {"scale": 1e-9}, ValueError, "below 2"),
        (np.zeros((2, 2), np.int8), {"form": "float64"}, ValueError, "form='float64'"),
    ],
)
def test_bad_input(q, options, error, message):
    for run, given in ((softmax, q), (in_jax.softmax, jnp.asarray(q))):
        with pytest.raises(error, match=message):
            run(given, **({"scale": 0.05, "form": "fixed_point"} | options))
