"""Any operation, formats and policy: the golden model equals the judge; wide formats near ties equal it in JAX too."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import formats
from formats import FLOAT32, FloatSpec, IntSpec, NanRule, Rounding, Saturation
from formats.operations import Operation
from kernels_ref import arithmetic as kernels
from kernels_ref import strategies
from reference import arithmetic
from reference.exact import arithmetic as judge

BF16, FP16, TF32 = (formats.get(name) for name in ("bfloat16", "float16", "tf32"))
INT24 = IntSpec(name="int24", bits=24, minimum=-(1 << 23), maximum=(1 << 23) - 1, source="an example")
INT32 = IntSpec(name="int32", bits=32, minimum=-(1 << 31), maximum=(1 << 31) - 1, source="C")
WIDE = [BF16, FP16, TF32, FLOAT32, INT24]
OPERANDS = st.sampled_from(WIDE) | strategies.formats() | strategies.float_specs() | strategies.int_specs()
RESULTS = OPERANDS | st.just(INT32)


def edges(spec):
    """Codes beside zero, one and the largest number, infinity and NaN, with either sign."""
    if isinstance(spec, IntSpec):
        return st.sampled_from([0, 1, spec.maximum % (1 << spec.bits), spec.minimum % (1 << spec.bits)])
    least_normal = (1 << spec.fraction_bits) % (1 << spec.magnitude_bits)
    places = [0, least_normal, min(spec.bias << spec.fraction_bits, spec.max_code), spec.max_code]
    near = {(place + step) % (1 << spec.magnitude_bits) for place in places for step in (-1, 0, 1, 2)}
    return st.sampled_from(sorted({code | sign for code in near for sign in (0, spec.sign_code)}))


def codes(spec):
    return edges(spec) | strategies.codes(spec)


@st.composite
def cases(draw, operands=OPERANDS, results=RESULTS):
    operation = draw(st.sampled_from(Operation))
    specs = tuple(draw(operands) for _ in range(operation.arity))
    out = draw(results)
    options = {"formats": specs, "out": out, **draw(strategies.policies(out))}
    assume(options["saturation"] is not Saturation.WRAP or wraps(operation, options))
    values = [draw(codes(spec)) for spec in specs]
    if len(set(specs)) < len(specs):  # neighbours cancel
        values[-1] = draw(st.just(values[-1]) | st.integers(-2, 2).map(lambda step: near(values[0], step, specs[-1])))
    if "random_bit_count" in options:
        options["random_bits"] = draw(strategies.random_bits(options["random_bit_count"]))
    return operation.value, values, options


def near(code, step, spec):
    return ((code ^ (1 << (spec.bits - 1))) + step) % (1 << spec.bits)


def wraps(operation, options):
    """Whether arrays take the case: the refusal is a test of its own."""
    try:
        bits = {} if "random_bit_count" not in options else {"random_bits": 0}
        getattr(arithmetic, operation.value)(*[0] * operation.arity, **options, **bits)
    except ValueError as error:
        if "arrays wrap" not in str(error):
            raise
        return False
    return True


@given(case=cases())
@example(case=("fma", [0x2A20, 0x51A6, 0x9359], {"formats": BF16, "out": BF16, "rounding": Rounding.TO_ODD,
                                                 "saturation": Saturation.SAT_NONE}))  # fmt: skip
@example(case=("convert", [0x7F800000], {"formats": FLOAT32, "out": INT32, "rounding": Rounding.TOWARD_ZERO,
                                         "saturation": Saturation.SAT_FINITE}))  # fmt: skip
def test_the_golden_model_equals_the_judge(case):
    name, values, options = case
    assert getattr(arithmetic, name)(*values, **options).item() == getattr(judge, name)(*values, **options)


def mixed(spec, size, seed):
    """Codes of every kind: uniform, small, near the largest, and neighbours of one exponent."""
    rng = np.random.default_rng(seed)
    c = rng.integers(0, 1 << spec.bits, size, dtype=np.uint32)
    if isinstance(spec, FloatSpec):
        middle = np.uint32(spec.bias << spec.fraction_bits)
        c[::4] = (c[::4] & np.uint32(spec.sign_code)) | (middle ^ (c[::4] & np.uint32((8 << spec.fraction_bits) - 1)))
        c[1::4] &= np.uint32(spec.sign_code | ((2 << spec.fraction_bits) - 1))
    return c


WIDE_IDS = ["bfloat16", "float16 to bfloat16", "tf32 to float16", "float32 to bfloat16"]


@pytest.mark.parametrize("mode", ["nearest_ties_to_even", "toward_negative", "stochastic_b"])
@pytest.mark.parametrize("name", ["add", "mul", "div", "sqrt", "fma"])
@pytest.mark.parametrize("specs", [(BF16, BF16), (FP16, BF16), (TF32, FP16), (FLOAT32, BF16)], ids=WIDE_IDS)
def test_wide_formats_in_all_executors(name, mode, specs):
    source, out = specs
    arity = Operation(name).arity
    columns = [mixed(source, 4000, seed) for seed in range(arity)]
    if arity == 3:  # a product and its negated neighbour: cancellation
        product = arithmetic.mul(*columns[:2], formats=source, out=source, rounding="to_odd", saturation="sat_none")
        columns[2][::2] = (product[::2] ^ source.sign_code) + 1 & ((1 << source.bits) - 1)
    options = {"formats": source, "out": out, "rounding": mode, "saturation": "sat_none"}
    bits = {}
    if mode == "stochastic_b":
        options["random_bit_count"] = 24
        bits = {"random_bits": np.random.default_rng(9).integers(0, 1 << 24, 4000)}
    found = getattr(arithmetic, name)(*columns, **bits, **options)
    with jax.enable_x64(False):
        np.testing.assert_array_equal(getattr(kernels, name)(*columns, **bits, **options), found)
    for i in range(0, 4000, 40):
        drawn = {"random_bits": int(bits["random_bits"][i])} if bits else {}
        due = getattr(judge, name)(*(int(column[i]) for column in columns), **drawn, **options)
        assert found[i] == due, (i, [hex(column[i]) for column in columns])


def test_the_nan_rule_is_every_formats_own():
    for rule in NanRule:
        options = {"formats": BF16, "out": "int8", "rounding": "toward_zero", "saturation": "sat_finite", "nan": rule}
        assert arithmetic.sub(0x7F80, 0x7F80, **options).item() == judge.sub(0x7F80, 0x7F80, **options)
