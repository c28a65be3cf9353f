"""Scalar operations: specials, signs of zeros, published traps, float32 and integers, errors; three executors agree."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import reference
from formats import FLOAT32, FloatSpec, IntSpec, Rounding
from formats.operations import Operation, operand_formats
from kernels_ref import arithmetic as kernels
from reference import arithmetic
from reference.exact import arithmetic as judge

E4M3, E5M2, BF16 = "float8_e4m3fn", "float8_e5m2", "bfloat16"
EVEN = {"rounding": "nearest_ties_to_even", "saturation": "sat_none"}
DOWN = {"rounding": "toward_negative", "saturation": "sat_none"}
CLAMP = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite"}
INT32 = IntSpec(name="int32", bits=32, minimum=-(1 << 31), maximum=(1 << 31) - 1, source="C")
UINT32 = IntSpec(name="uint32", bits=32, minimum=0, maximum=(1 << 32) - 1, source="C")
ZERO, ONE, INF, NAN, MINUS = 0x00, 0x3C, 0x7C, 0x7E, 0x80  # of E5M2; MINUS is the sign bit


def executors(name, *codes, **options):
    """The code that the judge, the golden model and JAX agree on."""
    due = getattr(judge, name)(*codes, **options)
    with jax.enable_x64(True), jax.disable_jit():  # jit itself is for the tests of arrays
        found = [getattr(module, name)(*codes, **options).item() for module in (arithmetic, kernels)]
    assert found == [due, due], (name, codes, options)
    return due


@pytest.mark.parametrize(
    ("name", "codes", "policy", "due"),
    [
        ("add", (INF, INF | MINUS), EVEN, NAN),
        ("sub", (INF, INF), EVEN, NAN),
        ("add", (INF, ONE), EVEN, INF),
        ("add", (NAN, ONE), EVEN, NAN),
        ("mul", (ZERO, INF), EVEN, NAN),
        ("mul", (INF, ONE | MINUS), EVEN, INF | MINUS),
        ("div", (ZERO, ZERO), EVEN, NAN),
        ("div", (INF, INF), EVEN, NAN),
        ("div", (ONE, MINUS), EVEN, INF | MINUS),
        ("div", (ONE, ZERO), CLAMP, 0x7B),
        ("div", (ONE, ZERO), {"rounding": "toward_zero", "saturation": "sat_none"}, INF),
        ("div", (ONE | MINUS, INF), EVEN, MINUS),
        ("sqrt", (ONE | MINUS,), EVEN, NAN),
        ("sqrt", (INF,), EVEN, INF),
        ("sqrt", (MINUS,), EVEN, MINUS),
        ("fma", (ZERO, INF, ONE), EVEN, NAN),
        ("fma", (INF, ONE, INF | MINUS), EVEN, NAN),
        ("fma", (ZERO, INF, NAN), EVEN, NAN),
        ("fma", (ONE, ONE, INF), EVEN, INF),
        ("negate", (INF,), EVEN, INF | MINUS),
        ("negate", (NAN | MINUS,), EVEN, NAN),
        ("convert", (0xFD,), EVEN, NAN),
    ],
)
def test_infinities_and_nans(name, codes, policy, due):
    assert executors(name, *codes, formats=E5M2, out=E5M2, **policy) == due


@pytest.mark.parametrize("mode", Rounding)
def test_an_exact_zero_sum_is_negative_only_toward_negative(mode):
    policy = {"rounding": mode, "saturation": "sat_none", "formats": E5M2, "out": E5M2}
    if mode.is_stochastic:
        policy |= {"random_bits": 3, "random_bit_count": 2}
    due = MINUS if mode is Rounding.TOWARD_NEGATIVE else ZERO
    assert executors("sub", ONE, ONE, **policy) == due
    assert executors("add", ZERO, MINUS, **policy) == due
    assert executors("fma", ONE, ONE, ONE | MINUS, **policy) == due
    assert executors("fma", ZERO, ONE, MINUS, **policy) == due
    assert executors("add", MINUS, MINUS, **policy) == MINUS
    assert executors("sub", ZERO, MINUS, **policy) == ZERO
    assert executors("fma", MINUS, ONE, MINUS, **policy) == MINUS


def test_products_that_are_zero_or_round_to_it_take_their_sign():
    options = {"formats": E5M2, "out": E5M2, **EVEN}
    assert executors("mul", MINUS, ONE, **options) == MINUS
    assert executors("mul", 0x81, 0x01, **options) == MINUS
    assert executors("div", MINUS, ONE, **options) == MINUS
    assert executors("div", 0x81, 0x7B, **options) == MINUS
    assert executors("mul", 0x01, 0x01, **options | DOWN) == ZERO
    assert executors("mul", 0x81, 0x01, **options | DOWN) == 0x81


def test_a_format_without_negative_zero_has_positive_zeros():
    fnuz = "float8_e4m3fnuz"
    assert executors("sub", 0x40, 0x40, formats=fnuz, out=fnuz, **DOWN) == 0
    assert executors("negate", 0, formats=fnuz, out=fnuz, **EVEN) == 0
    assert executors("mul", 0x80, 0x40, formats=fnuz, out=fnuz, **EVEN) == 0x80  # that is its NaN


def test_a_format_without_zero_has_no_zero_sums():
    e8m0 = "float8_e8m0fnu"
    assert executors("sub", 5, 5, formats=e8m0, out=e8m0, **EVEN) == 0xFF
    assert executors("sub", 5, 5, formats=e8m0, out=e8m0, **CLAMP) == 0
    assert executors("mul", 0, 0, formats=e8m0, out=e8m0, **EVEN) == 0  # 2^-254 becomes the least


@pytest.mark.parametrize(
    ("name", "a", "b", "due"),
    [
        ("minimum", ZERO, MINUS, MINUS),
        ("minimum", MINUS, ZERO, MINUS),
        ("maximum", ZERO, MINUS, ZERO),
        ("maximum", MINUS, ZERO, ZERO),
        ("minimum", INF | MINUS, ONE, INF | MINUS),
        ("maximum", ONE | MINUS, 0x81, 0x81),
        ("minimum", NAN, ONE, NAN),
        ("maximum", ONE, NAN, NAN),
        ("minimum_number", NAN, ONE, ONE),
        ("maximum_number", ONE, NAN, ONE),
        ("maximum_number", NAN, 0xFF, NAN),
        ("minimum_number", ZERO, MINUS, MINUS),
        ("maximum_number", MINUS, ZERO, ZERO),
    ],
)
def test_minimum_and_maximum(name, a, b, due):
    assert executors(name, a, b, formats=E5M2, out=E5M2, **EVEN) == due


def test_comparisons_of_every_pair_equal_those_of_values():
    a, b = np.divmod(np.arange(1 << 16), 256)
    x, y = reference.decode(a, E4M3), reference.decode(b, E5M2)
    due = {"equal": x == y, "less": x < y, "less_equal": x <= y, "unordered": np.isnan(x) | np.isnan(y)}
    for name, values in due.items():
        for module in (arithmetic, kernels):
            np.testing.assert_array_equal(getattr(module, name)(a, b, formats=(E4M3, E5M2)), values)
        ours = [getattr(judge, name)(i, j, formats=(E4M3, E5M2)) for i, j in zip(a[::97], b[::97], strict=True)]
        assert ours == values[::97].tolist()


def test_bfloat16_fma_is_not_that_of_float32():
    codes, options = (0x2A20, 0x51A6, 0x9359), {"formats": BF16, **EVEN}
    assert executors("fma", *codes, out=BF16, **options) == 0x3C4F
    wide = executors("fma", *codes, out=FLOAT32, **options)
    assert executors("convert", wide, formats=FLOAT32, out=BF16, **EVEN) == 0x3C50


def test_float32_products_of_subnormals_and_sums_of_extremes():
    options = {"formats": FLOAT32, "out": FLOAT32, **EVEN}
    assert executors("mul", 1, 0x3F000000, **options) == 0
    assert executors("add", 0x7F7FFFFF, 0x73000000, **options) == 0x7F800000  # half a unit in the last place: a tie
    assert executors("add", 0x7F7FFFFF, 0x72FFFFFF, **options) == 0x7F7FFFFF
    assert executors("sqrt", 0x40000000, **options) == 0x3FB504F3
    assert executors("div", 0x3F800000, 0x40400000, **options) == 0x3EAAAAAB
    assert executors("div", 1, 0x7F800000, **options) == 0
    assert executors("mul", 0x7F7FFFFF, 0x7F7FFFFF, **options | CLAMP) == 0x7F7FFFFF


def test_float32_equals_numpy():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 1 << 32, (2, 20_000), dtype=np.uint32)
    y[::2] = x[::2] ^ (rng.integers(0, 1 << 26, 10_000) & rng.integers(0, 1 << 26, 10_000)).astype(np.uint32)
    operators = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}
    for name, operator in operators.items():
        with np.errstate(all="ignore"):
            due = operator(x.view(np.float32), y.view(np.float32))
        found = getattr(arithmetic, name)(x, y, formats=FLOAT32, out=FLOAT32, **EVEN)
        number = ~np.isnan(due)
        np.testing.assert_array_equal(found[number], due.view(np.uint32)[number])
        assert (found[~number] == FLOAT32.nan_code).all()


def test_integers_are_operands_and_results():
    assert executors("mul", 0x80, 0x80, formats="int8", out=INT32, **CLAMP) == 1 << 14
    assert executors("fma", 0x80, 0x7F, 0x01, formats="int8", out=INT32, **CLAMP) == (1 << 32) - 128 * 127 + 1
    assert executors("div", 1, 3, formats="int8", out="int8", **CLAMP) == 0
    assert executors("div", 0xFF, 0, formats="int8", out="int8", **CLAMP) == 0x80  # minus infinity clamps
    assert executors("mul", 0x7F, 3, formats="uint8", out="uint8", rounding="toward_zero", saturation="wrap") == 125
    assert executors("add", 0x7E, 0x7C, formats=E4M3, out="int8", rounding="to_odd", saturation="wrap") == 0x40
    assert executors("convert", 0x7C, formats=E5M2, out=UINT32, **CLAMP) == (1 << 32) - 1
    assert executors("add", 0, 1, formats="binary", out="int4", **CLAMP) == 0  # +1 and -1
    assert executors("mul", 0x38, 0xFF, formats=(E4M3, "int8"), out=BF16, **EVEN) == 0xBF80


def test_integers_of_every_scale():
    fixed = IntSpec(name="fixed", bits=12, minimum=-2048, maximum=2047, fraction_bits=5, source="an example")
    x, y = np.divmod(np.arange(0, 1 << 24, 4099), 1 << 12)
    for mode in ("nearest_ties_to_away", "toward_negative"):
        for saturation in fixed.saturations:
            options = {"formats": fixed, "out": fixed, "rounding": mode, "saturation": saturation}
            due = [judge.mul(i, j, **options) for i, j in zip(x.tolist(), y.tolist(), strict=True)]
            assert arithmetic.mul(x, y, **options).tolist() == due
            assert kernels.mul(x, y, **options).tolist() == due


def test_every_random_draw_of_a_weight_update():
    """w - lr * g = 1 - 2^-7 * 2^-3 in bfloat16 lies three quarters of the way from 1 - 2^-8 to 1."""
    rate, gradient, weight = 0xBC00, 0x3E00, 0x3F80
    policy = {"rounding": "stochastic_a", "saturation": "sat_none", "random_bit_count": 8}
    options, draws = {"formats": BF16, "out": BF16, **policy}, np.arange(256)
    due = [judge.fma(rate, gradient, weight, random_bits=int(r), **options) for r in draws]
    assert (due.count(0x3F7F), due.count(0x3F80)) == (64, 192)
    for module in (arithmetic, kernels):
        assert module.fma(rate, gradient, np.full(256, weight), random_bits=draws, **options).tolist() == due


def test_look_up_and_direct_code_agree():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 1 << 17), dtype=np.uint8)
    options = {"formats": (E4M3, E5M2), "out": E5M2, **EVEN}
    parts = [arithmetic.div(x, y, **options) for x, y in zip(a.reshape(8, -1), b.reshape(8, -1), strict=True)]
    np.testing.assert_array_equal(arithmetic.div(a, b, **options), np.concatenate(parts))


def test_broadcasting_and_empty_arrays():
    options = {"formats": E4M3, "out": BF16, **EVEN}
    a, b = np.arange(3)[:, None], np.arange(4)
    due = [[judge.add(i, j, **options) for j in range(4)] for i in range(3)]
    for module in (arithmetic, kernels):
        assert module.add(a, b, **options).tolist() == due
        nothing = module.add(np.zeros((2, 0), np.uint8), 1, **options)
        assert (nothing.shape, nothing.dtype) == ((2, 0), np.uint16)


def test_jit_and_vmap():
    a, b = jnp.arange(256, dtype=jnp.uint8), jnp.full(256, 0x3D, jnp.uint8)
    options = {"formats": E4M3, "out": E4M3, **EVEN}
    due = arithmetic.mul(np.arange(256), 0x3D, **options)

    def run(x, y):
        return kernels.mul(x, y, **options)

    np.testing.assert_array_equal(jax.jit(run)(a, b), due)
    np.testing.assert_array_equal(jax.vmap(run)(a, b), due)
    smaller = jax.vmap(lambda x: kernels.less(x, 0x3D, formats=E4M3))(a)
    np.testing.assert_array_equal(smaller, arithmetic.less(np.arange(256), 0x3D, formats=E4M3))


def test_jit_with_random_bits():
    a, bits = np.arange(256, dtype=np.uint8), np.arange(256) % 16
    policy = {"rounding": "stochastic_c", "saturation": "sat_finite", "random_bit_count": 4}
    due = arithmetic.add(a, 0x3D, formats=E4M3, out=E4M3, random_bits=bits, **policy)
    run = jax.jit(lambda x, r: kernels.add(x, 0x3D, formats=E4M3, out=E4M3, random_bits=r, **policy))
    np.testing.assert_array_equal(run(a, bits), due)


def test_under_jit_a_nan_rule_is_needed_only_where_a_nan_can_arise():
    fp4 = {"out": "float4_e2m1fn", **CLAMP}
    code = jnp.uint8(1)
    assert jax.jit(lambda x: kernels.mul(x, x, formats="float4_e2m1fn", **fp4))(code).item() == 0
    for name, fmt in [("div", "float4_e2m1fn"), ("sqrt", "float4_e2m1fn"), ("add", E4M3), ("add", "float8_e5m2")]:
        operation = getattr(kernels, name)
        arity = Operation(name).arity
        with pytest.raises(TypeError, match=f"{name} may have no value in float4_e2m1fn: .* state nan="):
            jax.jit(lambda x, f=operation, n=arity, s=fmt: f(*[x] * n, formats=s, **fp4))(code)
    assert jax.jit(lambda x: kernels.div(x, x, formats="float4_e2m1fn", nan="maximum", **fp4))(jnp.uint8(0)).item() == 7


@pytest.mark.parametrize("module", [arithmetic, kernels])
def test_a_nan_that_arises_is_named(module):
    fp4 = {"formats": "float4_e2m1fn", "out": "float4_e2m1fn", **CLAMP}
    assert module.div([1, 0], 1, **fp4).tolist() == [2, 0]
    with pytest.raises(ValueError, match=r"div at \[1\] has no value in float4_e2m1fn .*state nan= as one of: zero"):
        module.div([1, 0], 0, **fp4)
    assert module.div([1, 0], 0, nan="zero", **fp4).tolist() == [7, 0]
    wrap = {"formats": "int8", "out": "int8", "rounding": "toward_zero", "saturation": "wrap"}
    with pytest.raises(ValueError, match=r"div at \[0\] has no value in int8"):
        module.div([1], 0, **wrap)


@pytest.mark.parametrize("module", [arithmetic, kernels])
@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"formats": (E4M3,)}, ValueError, "1 formats for 2 operands; give one for all, or one for each"),
        ({"formats": "float8_e4m3fx"}, KeyError, "unknown format 'float8_e4m3fx'"),
        ({"formats": INT32}, ValueError, "int32 has significands of 32 bits; arrays calculate with at most 24"),
        ({"rounding": "up"}, ValueError, "rounding='up' is not known"),
        ({"saturation": "wrap"}, ValueError, "saturation='wrap' means nothing for float8_e4m3fn"),
        ({"a": [256]}, ValueError, "code 256 at .0. does not fit float8_e4m3fn, whose codes are 0..255"),
        ({"a": [1.0]}, TypeError, "codes must be integers, not float64; view a narrow dtype as uint8 first"),
        ({"random_bits": 1}, ValueError, "random_bits mean nothing for rounding='nearest_ties_to_even'"),
        ({"rounding": "stochastic_a", "random_bit_count": 4}, TypeError, "a stochastic rounding needs random_bits"),
        ({"formats": BF16, "out": "int8", "saturation": "wrap"}, ValueError, "takes 131 bits; arrays wrap 60"),
        (
            {"out": INT32, "saturation": "wrap"},
            ValueError,
            "into int32: arrays wrap into at most 31 bits",
        ),
        ({"out": "Binary15p1se"}, (KeyError, ValueError), "Binary15p1se"),
    ],
)
def test_wrong_use(module, change, error, match):
    arguments = {"a": [1], "b": [1], "formats": E4M3, "out": E4M3, **EVEN} | change
    with pytest.raises(error, match=match):
        module.add(**arguments)


def test_wrong_use_of_the_judge():
    with pytest.raises(TypeError, match="rounding must be stated"):
        judge.add(1, 1, formats=E4M3, out=E4M3, saturation="sat_none")
    with pytest.raises(ValueError, match="float4_e2m1fn has no NaN; state nan="):
        judge.div(0, 0, formats="float4_e2m1fn", out="float4_e2m1fn", **CLAMP)
    with pytest.raises(ValueError, match="code 0x10 does not fit float4_e2m1fn"):
        judge.negate(16, formats="float4_e2m1fn", out="float4_e2m1fn", **CLAMP)
    with pytest.raises(ValueError, match="2 formats for 3 operands"):
        operand_formats([E4M3, E5M2], 3)


def test_scales_beyond_arrays_are_refused():
    fine = IntSpec(name="fine", bits=8, minimum=-128, maximum=127, fraction_bits=101, source="an example")
    with pytest.raises(ValueError, match=r"fine: fraction_bits=101; arrays take -100..100"):
        arithmetic.add(1, 1, formats=fine, out=fine, **CLAMP)
    wide = FloatSpec(name="wide", bits=32, precision=25, bias=63, max_code=(1 << 31) - 1, source="an example")
    with pytest.raises(ValueError, match="wide has significands of 25 bits"):
        arithmetic.equal(1, 1, formats=wide)
    assert judge.add(3, 1, formats=wide, out=wide, **EVEN) == 4


def test_float32_in_jax_needs_64_bit_types():
    with jax.enable_x64(False):
        with pytest.raises(TypeError, match="results in float32 need 64-bit words: enable jax_enable_x64"):
            kernels.add(1, 1, formats=E4M3, out=FLOAT32, **EVEN)
        assert kernels.add(0x3F800000, 0x3F800000, formats=FLOAT32, out=BF16, **EVEN).item() == 0x4000


def test_every_operation_has_its_name_in_every_executor():
    for operation, module in itertools.product(Operation, (judge, arithmetic, kernels)):
        arguments = [1] * operation.arity
        code = getattr(module, operation.value)(*arguments, formats="float4_e2m1fn", out="float4_e2m1fn", **CLAMP)
        due = {"mul": 0, "fma": 2, "add": 2, "sub": 0, "div": 2, "negate": 9}  # of a half and a half
        assert int(code) == due.get(operation.value, 1)
