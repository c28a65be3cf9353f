"""TFLite's int16 logistic, tanh and softmax: judge = NumPy = JAX, errors against the functions, bad input."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rotation

from formats.integer_only.activation_tables import Activation
from formats.integer_only.sigmoid_tflite import SigmoidForm, fixed_point_shift, scaling
from formats.integer_only.softmax16_tflite import difference16
from kernels_ref.integer import sigmoid_tflite as sigmoid_in_jax
from kernels_ref.integer import softmax16_tflite as softmax_in_jax
from kernels_ref.integer.audit import audit
from reference.array.integer import word16
from reference.exact import sigmoid_tflite as judge
from reference.exact import softmax16_tflite as softmax_judge
from reference.exact import word16 as judge_words
from reference.integer.sigmoid_tflite import sigmoid, sigmoid_table
from reference.integer.softmax16_tflite import softmax16, tables

ALL = np.arange(-(1 << 15), 1 << 15).astype(np.int16)
LOGISTIC, TANH = Activation.LOGISTIC, Activation.TANH
REAL = {LOGISTIC: lambda x: np.exp(-np.logaddexp(0, -x)), TANH: np.tanh}
SCALES = (2**-12, 2**-11, 3e-4, 1e-3, 2**-20, 1.3)


def in_jax(q, *options, form):
    return np.asarray(jax.jit(lambda x: sigmoid_in_jax.sigmoid(x, *options, form=form))(jnp.asarray(q)))


@pytest.mark.parametrize("function", [LOGISTIC, TANH])
@pytest.mark.parametrize("scale", SCALES)
def test_lines(function, scale):
    found = sigmoid(ALL, function, scale, form="lines")
    assert found.dtype == np.int16
    some = rotation.rotate(range(len(ALL)), 16)
    assert found[some].tolist() == [judge.lines(q, function, scale) for q in ALL[some].tolist()]
    assert (in_jax(ALL, function, scale, form="lines") == found).all()
    # in units of 2^-16 of the logistic: half of a line's greatest error (24^-2 max|f''| 2^16 / 8 = 1.37), an entry's
    # rounding (0.5); of 2^-15, the last rounding (0.5); where x is rounded: m (2^-14 of max|x f'|) and x (half a unit)
    table = (0.69 + 0.5) / (2 if function is LOGISTIC else 1) + 0.5
    steepest, farthest = (0.25, 0.224) if function is LOGISTIC else (1, 0.448)
    moved = 0 if scaling(function, scale).shift == 0 else 2 * farthest + steepest * 2**15 / 12288 / 2
    assert np.abs(found - 2**15 * REAL[function](scale * ALL.astype(float))).max() <= table + moved


@pytest.mark.parametrize(("function", "shift"), [(LOGISTIC, 0), (TANH, 0), (TANH, 1)])
def test_fixed_point(function, shift):
    scale = 2.0 ** (shift - 12)
    found = sigmoid(ALL, function, scale, form="fixed_point")
    some = rotation.rotate(range(len(ALL)), 16)
    assert found[some].tolist() == [judge.fixed_point(q, function, shift) for q in ALL[some].tolist()]
    assert (in_jax(ALL, function, scale, form="fixed_point") == found).all()
    apart = np.abs(found.astype(int) - sigmoid(ALL, function, scale, form="lines"))
    assert apart.max() == (7 if function is LOGISTIC else 12)


def test_every_entry():
    assert sigmoid_table().tolist() == [judge.entry(k) for k in range(256)]


def test_exp_and_reciprocal_of_whole_words():
    """At most 15 and 10 units of the last place away; judge = NumPy on every 16th word."""
    x = -np.arange(1 << 15, dtype=np.int32)
    for integer_bits in (3, 4):
        found = word16.exp_negative(x, integer_bits, np)
        assert np.abs(found - np.exp(x * 2.0 ** (integer_bits - 15)) * 2**15).max() <= 15
        assert found[::16].tolist() == [judge_words.exp_negative(v, 15 - integer_bits) for v in x[::16].tolist()]
    twice = word16.twice_reciprocal(-x, np)
    assert np.abs(twice - 2**14 / (1 - x / 2**15)).max() <= 10
    assert twice[::16].tolist() == [judge_words.twice_reciprocal(-v) for v in x[::16].tolist()]


def test_a_scale_that_is_nearly_a_power_of_two_counts_as_one():
    for function in (LOGISTIC, TANH):
        near, far = 2 ** (-12 + 0.99e-3), 2 ** (-12 + 1.01e-3)
        assert scaling(function, near) == scaling(function, 2**-12)
        assert (sigmoid(ALL, function, near, form="lines") == sigmoid(ALL, function, 2**-12, form="lines")).all()
        assert fixed_point_shift(function, far) is None
        assert scaling(function, far).shift > 0


def test_tables_of_softmax():
    assert [table.tolist() for table in tables()] == list(softmax_judge.tables())


@pytest.mark.parametrize(("scale", "beta"), [(2**-12, 1.0), (3e-4, 0.7), (1e-5, 1.0), (1.0, 4.9), (1e-12, 1.0)])
def test_softmax(scale, beta):
    rng = np.random.default_rng(0)
    for length in (1, 60):
        q = np.clip(np.round(rng.normal(0, 2 / scale, (8, length))), -32768, 32767).astype(np.int16)
        found = softmax16(q, scale, beta=beta)
        assert found.dtype == np.int16
        assert found.tolist() == [softmax_judge.softmax16(row, scale, beta) for row in q.tolist()]
        run = jax.jit(lambda x: softmax_in_jax.softmax16(x, scale, beta=beta))
        assert (np.asarray(run(jnp.asarray(q))) == found).all()


def test_all_pairs_of_a_row_of_two():
    """Only the difference counts, so 65536 rows are all."""
    d = np.arange(1 << 16)
    q = np.stack([32767 - 0 * d, 32767 - d], axis=1).astype(np.int16)
    found = softmax16(q, 2**-12)
    some = rotation.rotate(range(1 << 16), 64)
    assert found[some].tolist() == [softmax_judge.softmax16(row, 2**-12) for row in q[some].tolist()]
    assert (np.asarray(jax.jit(lambda x: softmax_in_jax.softmax16(x, 2**-12))(jnp.asarray(q))) == found).all()
    # an exponential: line and roundings 2, steps one integer short 5, its argument's rounding 4; the reciprocal 3
    exact = 2**15 / (1 + np.exp(-(2.0**-12) * d))
    assert np.abs(found[:, 0] - np.minimum(exact, 32767)).max() <= 11 + 3
    assert (np.diff(found[:, 0].astype(int)) >= -1).all()


@pytest.mark.parametrize(
    "function",
    [
        lambda q: sigmoid_in_jax.sigmoid(q, "tanh", 1e-3, form="lines"),
        lambda q: sigmoid_in_jax.sigmoid(q, "tanh", 2**-11, form="fixed_point"),
        lambda q: softmax_in_jax.softmax16(q, 1e-3),
    ],
)
def test_integer_only(function):
    report = audit(function, (3, 5), "int16")
    assert report.integer_only
    assert set(report.dtypes) <= {"int16", "int32", "bool"}


def test_planted_faults_are_seen():
    """An entry that is plainly rounded, and halves of the negative side rounded as those of the positive one."""
    plain = np.floor(2**16 / (1 + np.exp(-np.arange(256) / 24)) + 0.5)
    assert (plain[:255] != sigmoid_table()[:255]).sum() == 43
    found = sigmoid(ALL, TANH, 2**-12, form="lines")
    assert (found[1:] == -found[:0:-1]).all()  # odd: one rule of halves for both signs would not be


WORDS, LONG = np.zeros((2, 2), np.int16), np.zeros((1, 65537), np.int16)


@pytest.mark.parametrize(
    ("q", "function", "scale", "form", "error", "message"),
    [
        (WORDS.astype(np.int8), "tanh", 1e-3, "lines", TypeError, "dtype int8; accepted: int16"),
        (WORDS, "gelu", 1e-3, "lines", ValueError, "accepted: logistic, tanh"),
        (WORDS, "sine", 1e-3, "lines", ValueError, "function='sine'"),
        (WORDS, "tanh", 1e-3, "floats", ValueError, "form='floats'"),
        (WORDS, "tanh", -1.0, "lines", ValueError, "scale=-1.0 must be positive"),
        (WORDS, "tanh", 5.4, "lines", OverflowError, "multiplier of 66355"),
        (WORDS, "logistic", 2**-11, "fixed_point", ValueError, "takes 2\\^-12$"),
        (WORDS, "tanh", 2**-10, "fixed_point", ValueError, "takes 2\\^-12 and 2\\^-11$"),
    ],
)
def test_bad_input(q, function, scale, form, error, message):
    for run, given in ((sigmoid, q), (sigmoid_in_jax.sigmoid, jnp.asarray(q))):
        with pytest.raises(error, match=message):
            run(given, function, scale, form=SigmoidForm(form) if form == "lines" else form)


@pytest.mark.parametrize(
    ("q", "scale", "beta", "error", "message"),
    [
        (WORDS.astype(np.int32), 1e-3, 1.0, TypeError, "dtype int32; accepted: int16"),
        (WORDS[:, :0], 1e-3, 1.0, ValueError, "has no rows"),
        (LONG, 1e-3, 1.0, OverflowError, "rows of 65537"),
        (WORDS, 0.0, 1.0, ValueError, "scale=0.0, beta=1.0 must be positive"),
        (WORDS, 2.0, 3.0, OverflowError, "is 6.0; accepted: up to 5"),
    ],
)
def test_bad_input_of_softmax(q, scale, beta, error, message):
    for run, given in ((softmax16, q), (softmax_in_jax.softmax16, jnp.asarray(q))):
        with pytest.raises(error, match=message):
            run(given, scale, beta=beta)
    assert difference16(5.0).shift == 16
