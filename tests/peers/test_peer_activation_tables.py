"""Activations and softmax of LiteRT against ours, element for element, over whole inputs where they are small.

What was found: tables of int8 and int16 are equal under every resolver; int8 softmax and int16 logistic and tanh are of
one form under the reference resolver and of another under the others; XNNPACK has an ELU of its own.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import formats
from formats.code_books.binary32 import single
from formats.integer_only.activation_tables import INT8_OUTPUTS, Activation
from formats.integer_only.sigmoid_tflite import SigmoidForm, fixed_point_shift
from formats.results import INT16
from reference.integer.activation_table import int8_table, int16_table, look_up16
from reference.integer.elu_xnnpack import xnnpack_elu_table
from reference.integer.hard_swish_tflite import hard_swish
from reference.integer.network import Affine
from reference.integer.sigmoid_tflite import sigmoid
from reference.integer.softmax16_tflite import softmax16
from reference.integer.softmax_tflite import softmax

pytest.importorskip("ai_edge_litert")
pytest.importorskip("tflite")
from analysis.export.flatbuffer import Operator, Tensor, model
from analysis.export.runtimes import run_litert

pytestmark = pytest.mark.peers
RESOLVERS = ("reference", "optimised", "xnnpack")
#: the operator, its version, its options
OPERATORS = {
    Activation.LOGISTIC: ("LOGISTIC", 2, None, {}),
    Activation.TANH: ("TANH", 2, None, {}),
    Activation.EXP: ("EXP", 2, "ExpOptions", {}),
    Activation.ELU: ("ELU", 1, None, {}),
    Activation.GELU: ("GELU", 2, "GeluOptions", {"Approximate": False}),
    Activation.GELU_TANH: ("GELU", 2, "GeluOptions", {"Approximate": True}),
}
INT8 = formats.get("int8")
ALL_INT8 = np.arange(-128, 128, dtype=np.int8)[None]
ALL_INT16 = np.arange(-(1 << 15), 1 << 15, dtype=np.int16)[None]


def run(operator, q, source, out, resolver):
    code, version, options, fields = operator
    names = zip(("x", "y"), (source, out), strict=True)
    tensors = [
        Tensor(name=n, shape=q.shape, dtype=q.dtype.name, scales=(a.scale,), zero_point=a.zero_point) for n, a in names
    ]
    made = Operator(code=code, version=version, inputs=(0,), outputs=(1,), options=options, fields=fields)
    return run_litert(model(tensors, [made], [1]), q, resolver)


def int8(scale, zero_point=0):
    return Affine(format=INT8, scale=single(scale), zero_point=zero_point)


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize("function", Activation)
def test_int8_tables(function, resolver):
    if (function, resolver) == (Activation.ELU, "reference"):
        pytest.skip("the reference resolver has no ELU")
    made = xnnpack_elu_table if (function, resolver) == (Activation.ELU, "xnnpack") else partial(int8_table, function)
    scale, zero_point = INT8_OUTPUTS.get(function, (0.03, -90))
    out = int8(scale, zero_point)
    for source in (int8(0.05), int8(0.031, 7), int8(0.1, -20), int8(1 / 64, -128), int8(0.0777, 127)):
        found = run(OPERATORS[function], ALL_INT8, source, out, resolver)[0]
        assert (found == np.array(made(source, out))).all()


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize("function", [Activation.EXP, Activation.GELU, Activation.GELU_TANH])
def test_int16_tables(function, resolver):
    for source, out in ((2**-13, 2**-9), (3 / 32768, 2**-10), (2**-12, 2**-12)):
        x, y = (Affine(format=INT16, scale=single(s)) for s in (source, out))
        if function is Activation.EXP and source > 2**-13:
            y = Affine(format=INT16, scale=0.125)
        found = run(OPERATORS[function], ALL_INT16, x, y, resolver)
        assert (found == look_up16(ALL_INT16, int16_table(function, x, y))).all()


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_softmax(resolver):
    """Of both forms, which runs is told by the few rows on which they part."""
    form, other = ("fixed_point", "binary32") if resolver == "reference" else ("binary32", "fixed_point")
    rng = np.random.default_rng(0)
    out = int8(1 / 256, -128)
    for scale in (0.05, 0.01, 0.5, 8.0, 1 / 256):
        for length in (1, 2, 7, 200):
            q = np.clip(np.round(rng.normal(0, 40, (200, length))), -128, 127).astype(np.int8)
            found = run(("SOFTMAX", 2, "SoftmaxOptions", {"Beta": 1.0}), q, int8(scale, 3), out, resolver)
            assert (found == softmax(q, single(scale), form=form)).all()
    q = np.clip(np.round(rng.normal(0, 40, (4000, 200))), -128, 127).astype(np.int8)
    parting = q[(softmax(q, single(0.05), form=form) != softmax(q, single(0.05), form=other)).any(axis=1)]
    assert len(parting) > 2
    found = run(("SOFTMAX", 2, "SoftmaxOptions", {"Beta": 1.0}), parting, int8(0.05), out, resolver)
    assert (found == softmax(parting, single(0.05), form=form)).all()


def sigmoid_form(function, scale, resolver):
    """Lines, but the fixed point where the optimised kernels take the scale for a power of two."""
    of_fixed_point = resolver != "reference" and fixed_point_shift(function, scale) is not None
    return SigmoidForm.FIXED_POINT if of_fixed_point else SigmoidForm.LINES


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize("function", [Activation.LOGISTIC, Activation.TANH])
def test_int16_logistic_and_tanh(function, resolver):
    """All 65536 inputs; 1.0005 * 2^-12 counts as a power of two, 1.001 * 2^-12 does not."""
    forms = set()
    for scale in (2**-12, 2**-11, 2**-13, 1.0005 * 2**-12, 1.001 * 2**-12, 3e-4, 1e-3, 2**-20, 0.7, 5.3):
        scale, form = single(scale), sigmoid_form(function, scale, resolver)
        found = run_sigmoid(function, scale, resolver)
        assert (found == sigmoid(ALL_INT16, function, scale, form=form)).all()
        forms.add(form)
    assert len(forms) == (1 if resolver == "reference" else 2)


def run_sigmoid(function, scale, resolver):
    x, y = (Affine(format=INT16, scale=s) for s in (scale, 2**-15))
    return run((OPERATORS[function][0], 3, None, {}), ALL_INT16, x, y, resolver)


def test_both_forms_are_needed():
    """The same model under two resolvers: 56761 and 41116 of 65536 results differ."""
    for function, differing in ((Activation.LOGISTIC, 56761), (Activation.TANH, 41116)):
        found = [run_sigmoid(function, 2**-12, resolver) for resolver in ("reference", "optimised")]
        assert (found[0] != found[1]).sum() == differing


def test_where_the_runtime_wraps():
    """Scales that are refused here: from 16/3 on the multiplier has 17 bits, and large numbers change their sign."""
    found = run_sigmoid(Activation.LOGISTIC, 10.0, "reference")[0]
    assert found[0] == 32767
    assert found[-1] == 1


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_int8_hard_swish(resolver):
    rng = np.random.default_rng(0)
    quantisations = [(0.05, 3, 0.04, -7), (1.0, 0, 1024.0, 5), (1e-7, 0, 1e-7, 3), (1.0, 0, 1 / 120, 0)]
    for _ in range(200):
        scale = 10 ** rng.uniform(-3, 1)
        z = rng.integers(-128, 128, 2).tolist()
        quantisations.append((scale, z[0], scale * 10 ** rng.uniform(-2, 3), z[1]))
    for source_scale, source_zero, out_scale, out_zero in quantisations:
        source, out = int8(source_scale, source_zero), int8(out_scale, out_zero)
        found = run(("HARD_SWISH", 1, None, {}), ALL_INT8, source, out, resolver)
        assert (found == hard_swish(ALL_INT8, source, out)).all()


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_int16_softmax(resolver):
    rng, operator = np.random.default_rng(0), ("SOFTMAX", 3, "SoftmaxOptions")
    out = Affine(format=INT16, scale=2**-15)
    for scale, beta in ((2**-12, 1.0), (2**-15, 1.0), (1e-3, 0.7), (0.1, 1.0), (4.99, 1.0), (1e-9, 1.0), (0.3, 3.7)):
        for length in (1, 2, 7, 300, 5000):
            q = np.clip(np.round(rng.normal(0, 2 / scale, (40, length))), -32768, 32767).astype(np.int16)
            source = Affine(format=INT16, scale=single(scale))
            found = run((*operator, {"Beta": beta}), q, source, out, resolver)
            assert (found == softmax16(q, scale, beta=beta)).all()
    d = np.arange(1 << 16)
    q = np.stack([32767 - 0 * d, 32767 - d], axis=1).astype(np.int16)
    found = run((*operator, {"Beta": 1.0}), q, Affine(format=INT16, scale=2**-12), out, resolver)
    assert (found == softmax16(q, 2**-12)).all()


def test_int8_elu_of_xnnpack():
    """Scales that are powers of two have many ties."""
    rng = np.random.default_rng(0)
    quantisations = [(2.0**-i, 3, 2.0**-j, -6) for i in (-8, 0, 5, 10) for j in (i - 1, i - 2, i - 4)]
    for _ in range(200):
        z = rng.integers(-128, 128, 2).tolist()
        quantisations.append((10 ** rng.uniform(-2.5, 0.5), z[0], 10 ** rng.uniform(-2.5, 0.5), z[1]))
    unlike_tflite = 0
    for source_scale, source_zero, out_scale, out_zero in quantisations:
        source, out = int8(source_scale, source_zero), int8(out_scale, out_zero)
        found = run(OPERATORS[Activation.ELU], ALL_INT8, source, out, "xnnpack")[0]
        assert (found == np.array(xnnpack_elu_table(source, out))).all()
        unlike_tflite += int((found != np.array(int8_table("elu", source, out))).sum())
    assert unlike_tflite > 100
