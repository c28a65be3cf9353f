"""TFLite's activation tables: judge = NumPy = JAX over whole inputs, errors against the functions, bad input."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import pytest

import formats
from formats.integer_only.activation_tables import INT8_OUTPUTS, Activation
from formats.results import INT16
from kernels_ref.integer.activation_table import look_up16 as look_up16_in_jax
from kernels_ref.integer.audit import audit
from reference.exact import activation_table as judge
from reference.integer.activation_table import activation, int8_table, int16_table, look_up16
from reference.integer.network import Affine
from reference.integer.table import look_up

INT8 = formats.get("int8")
COARSE = Affine(format=INT8, scale=1.0)
ALL_INT8, ALL_INT16 = np.arange(-128, 128, dtype=np.int8), np.arange(-(1 << 15), 1 << 15, dtype=np.int16)
REAL = {
    Activation.LOGISTIC: lambda x: 1 / (1 + math.exp(-x)),
    Activation.TANH: math.tanh,
    Activation.EXP: math.exp,
    Activation.ELU: lambda x: x if x > 0 else math.expm1(x),
    Activation.GELU: lambda x: x / 2 * (1 + math.erf(x / math.sqrt(2))),
    Activation.GELU_TANH: lambda x: x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
}


def quantisations(function, scale=0.04, zero_point=3):
    out, z = INT8_OUTPUTS.get(function, (0.03, -90))
    return Affine(format=INT8, scale=scale, zero_point=zero_point), Affine(format=INT8, scale=out, zero_point=z)


@pytest.mark.parametrize("function", Activation)
@pytest.mark.parametrize(("scale", "zero_point"), [(0.04, 3), (1 / 64, -128), (0.0777, 0)])
def test_int8_tables(function, scale, zero_point):
    x, y = quantisations(function, scale, zero_point)
    found = int8_table(function, x, y)
    assert list(found) == judge.int8_table(function, (scale, zero_point), (y.scale, y.zero_point))
    for q, entry in zip(range(-128, 128), found, strict=True):
        exact = REAL[function](scale * (q - zero_point)) / y.scale + y.zero_point
        assert abs(entry - min(max(exact, -128), 127)) <= 0.5 + 1e-4
    assert (look_up(ALL_INT8, x, activation("f", "x", function, x, y)) == np.array(found)).all()


@pytest.mark.parametrize(
    ("function", "source", "out"),
    [
        (Activation.LOGISTIC, 2**-12, 2**-15),
        (Activation.TANH, 2**-13, 2**-15),
        (Activation.EXP, 2**-13, 2**-9),
        (Activation.GELU, 2**-12, 2**-12),
        (Activation.GELU_TANH, 3e-4, 3e-4),
    ],
)
def test_int16_tables(function, source, out):
    table = int16_table(function, Affine(format=INT16, scale=source), Affine(format=INT16, scale=out))
    due = judge.int16_table(function, source, out)
    assert list(table) == due
    found = look_up16(ALL_INT16, table)
    assert found[::97].tolist() == [judge.look_up16(q, due) for q in ALL_INT16[::97].tolist()]
    assert (np.asarray(look_up16_in_jax(jnp.asarray(ALL_INT16), table)) == found).all()
    assert (found[::128] == np.array(table[:512])).all()
    exact = np.array([REAL[function](source * q) for q in ALL_INT16.tolist()]) / out
    # a line: h^2 max|f''| / 8; steps that reach 32767, not 32768: max|f'|; 65536 / 65535: 1/2; roundings: 2
    steepest = {Activation.EXP: math.exp(source * 32767)}.get(function, 1.2)
    bound = (128 * source) ** 2 * steepest / 8 / out + steepest * source / out + 0.5 + 2
    assert np.abs(found - exact).max() <= bound + np.maximum(exact - 32767, 0).max()


def test_no_float_is_read():
    table = int16_table("tanh", Affine(format=INT16, scale=2**-12), Affine(format=INT16, scale=2**-15))
    report = audit(lambda q: look_up16_in_jax(q, table), (7,), "int16")
    assert report.integer_only
    assert set(report.dtypes) <= {"int16", "int32", "bool"}


def test_a_planted_fault_is_seen():
    """Halves to even for halves away from zero: an entry of the identity-like ELU at half its scale shows it."""
    x, y = (Affine(format=INT8, scale=s) for s in (0.5, 1.0))
    found = int8_table("elu", x, y)
    even = tuple(min(round(0.5 * q), 127) for q in range(128))
    assert found[128:] != even
    assert found[129] == 1  # 0.5


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: int8_table("relu", *quantisations(Activation.EXP)), ValueError, "function='relu'"),
        (lambda: int8_table("exp", Affine(format=INT16, scale=1.0), COARSE), ValueError, "int16 is no int8"),
        (lambda: int8_table("exp", COARSE, Affine(format=INT8, scale=1e30)), OverflowError, r"exp\(\d+"),
        (lambda: int8_table("exp", COARSE, COARSE), OverflowError, "less than 2"),
        (lambda: int16_table("exp", *quantisations(Activation.EXP)), ValueError, "accepted: int16 with 0"),
        (lambda: look_up16(np.zeros(3, np.int32), (0,) * 513), TypeError, "dtype int32"),
        (lambda: look_up16_in_jax(jnp.zeros(3, jnp.int32), (0,) * 513), TypeError, "dtype int32"),
        (lambda: look_up16(np.zeros(3, np.int16), (0,) * 512), ValueError, "512 entries; accepted: 513"),
        (lambda: look_up16(np.zeros(3, np.int16), (1 << 15,) + (0,) * 512), ValueError, "32768 is no int16"),
        (lambda: look_up16(np.zeros(3, np.int16), (-32768, 32767) + (0,) * 511), OverflowError, "differ by 65535"),
    ],
)  # fmt: skip
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make()
