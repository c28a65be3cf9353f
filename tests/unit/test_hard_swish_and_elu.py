"""TFLite's int8 hard swish and XNNPACK's int8 ELU: judge = NumPy = JAX on all integers, errors, bad input."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import formats
from formats.integer_only.hard_swish_tflite import hard_swish_multipliers
from formats.results import INT16
from kernels_ref.integer import hard_swish_tflite as in_jax
from kernels_ref.integer.audit import audit
from reference.exact import activation_table as table_judge
from reference.exact import hard_swish_tflite as judge
from reference.integer.activation_table import int8_table
from reference.integer.elu_xnnpack import xnnpack_elu_table
from reference.integer.hard_swish_tflite import hard_swish, hard_swish_table
from reference.integer.network import Affine
from reference.integer.table import look_up

INT8 = formats.get("int8")
ALL = np.arange(-128, 128, dtype=np.int8)


def int8(scale, zero_point=0):
    return Affine(format=INT8, scale=scale, zero_point=zero_point)


zero_points = st.integers(-128, 127)
scales = st.floats(-12, 6).map(lambda power: float(np.float32(2.0**power)))


@given(scales, zero_points, st.floats(-6, 12), zero_points)
def test_hard_swish(source_scale, source_zero, power, out_zero):
    source, out = int8(source_scale, source_zero), int8(float(np.float32(source_scale * 2**power)), out_zero)
    found = hard_swish(ALL, source, out)
    assert found.dtype == np.int8
    due = [judge.hard_swish(q, (source.scale, source_zero), (out.scale, out_zero)) for q in ALL.tolist()]
    assert found.tolist() == due
    assert np.asarray(in_jax.hard_swish(jnp.asarray(ALL), source, out)).tolist() == due


@pytest.mark.parametrize(("source", "out"), [(1 / 16, 1 / 16), (0.05, 0.04), (0.02, 0.01), (1 / 32, 1 / 8)])
def test_hard_swish_against_the_function(source, out):
    """Half an integer for the last rounding, and what words of 16 bits lose: 2 units of 128 ``S_x / S_y`` at most."""
    x = source * ALL.astype(float)
    exact = np.clip(x * np.clip(x + 3, 0, 6) / 6 / out, -128, 127)
    lost = 2 / 128 * max(source / out, 1)
    assert np.abs(hard_swish(ALL, int8(source), int8(out)) - exact).max() <= 0.5 + lost


def test_hard_swish_is_no_table_of_the_rounded_function():
    x = 0.05 * (ALL.astype(float) + 3)
    rounded = np.clip(np.rint(x * np.clip(x + 3, 0, 6) / 6 / 0.04), -128, 127)
    apart = hard_swish(ALL, int8(0.05, -3), int8(0.04)) - rounded
    assert np.abs(apart).max() == 1


def test_where_the_mask_leaves_its_word():
    """Output scales so coarse that everything is 0: 1 and -1 are what a word of 16 bits makes of it."""
    found = hard_swish(ALL, int8(1.0), int8(1024.0))
    assert set(found.tolist()) == {-1, 1}
    assert set(hard_swish(ALL, int8(1.0), int8(511.0)).tolist()) == {0}


def test_hard_swish_as_a_node():
    source, out = int8(0.05, 3), int8(0.04, -7)
    node = hard_swish_table("bent", "x", source, out)
    assert (look_up(ALL, source, node) == hard_swish(ALL, source, out)).all()


def test_integer_only():
    report = audit(lambda q: in_jax.hard_swish(q, int8(0.05, 3), int8(0.04)), (7,), "int8")
    assert report.integer_only
    assert set(report.dtypes) <= {"int8", "int32", "bool"}


@given(scales, zero_points, scales, zero_points)
def test_xnnpack_elu(source_scale, source_zero, out_scale, out_zero):
    found = xnnpack_elu_table(int8(source_scale, source_zero), int8(out_scale, out_zero))
    assert list(found) == table_judge.xnnpack_elu_table((source_scale, source_zero), (out_scale, out_zero))


@pytest.mark.parametrize("zero_point", [-1, 0])
def test_xnnpack_elu_differs_at_halves_alone(zero_point):
    source, out = int8(0.5), int8(1.0, zero_point)
    ours, tflite = (np.array(t) for t in (xnnpack_elu_table(source, out), int8_table("elu", source, out)))
    tie = 1 if zero_point == 0 else 3
    halves = (ALL > 0) & (np.remainder(ALL, 4) == tie)
    assert ((ours != tflite) == halves).all()
    assert (tflite - ours)[halves].tolist() == [1] * int(halves.sum())


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda run, q: run(q.astype(np.int16), int8(1.0), int8(1.0)), TypeError, "dtype int16; accepted: int8"),
        (lambda run, q: run(q, Affine(format=INT16, scale=1.0), int8(1.0)), ValueError, "int16 is no int8"),
        (lambda run, q: run(q, int8(1.0), int8(1 / 128)), ValueError, "ratio of 128 or more"),
        (lambda run, q: run(q, int8(1e9), int8(1e9)), OverflowError, "must be below 2\\^31"),
    ],
)
def test_bad_input(make, error, message):
    for run, q in ((hard_swish, ALL), (in_jax.hard_swish, jnp.asarray(ALL))):
        with pytest.raises(error, match=message):
            make(run, q)


def test_bad_input_of_records():
    with pytest.raises(ValueError, match="must be positive"):
        hard_swish_multipliers(0.0, 1.0)
    with pytest.raises(ValueError, match="int16 is no int8"):
        xnnpack_elu_table(Affine(format=INT16, scale=1.0), int8(1.0))
