"""The JAX executors under transformations, as constants and as arguments, with and without 64-bit types."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import formats
import kernels_ref
import reference
from kernels_ref import landmarks

RNE = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite", "nan": "zero"}
FORMATS = ("float8_e4m3fn", "float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn", "Binary8p1uf", "int4")


def inputs(fmt, size):
    spec = formats.get(fmt)
    ends = landmarks.as_dtype(np.concatenate([landmarks.edges(spec), landmarks.subnormals(spec)]), "float32")
    parts = [landmarks.near_ties(spec, "float32"), ends, -ends, landmarks.nan_payloads("float32")]
    return np.resize(np.concatenate([*parts, landmarks.dtype_subnormals("float32")]), size)


@pytest.mark.parametrize("size", [1 << 16, (1 << 16) + 1])
@pytest.mark.parametrize("fmt", FORMATS)
def test_argument_and_closure_constant(fmt, size):
    """A constant is folded at compile time, by other code than the compiled kernel and up to 65,536 elements."""
    x = inputs(fmt, size)
    expected = reference.encode(x, fmt, **RNE)
    values = reference.decode(expected, fmt).view(np.uint32)
    constant = jnp.asarray(x)
    for codes in (
        jax.jit(lambda v: kernels_ref.encode(v, fmt, **RNE))(x),
        jax.jit(lambda: kernels_ref.encode(constant, fmt, **RNE))(),
    ):
        np.testing.assert_array_equal(np.asarray(codes), expected, strict=True)
    folded = jnp.asarray(expected)
    for decoded in (
        jax.jit(lambda c: kernels_ref.decode(c, fmt))(expected),
        jax.jit(lambda: kernels_ref.decode(folded, fmt))(),
    ):
        np.testing.assert_array_equal(np.asarray(decoded).view(np.uint32), values, strict=True)


@pytest.mark.parametrize("fmt", FORMATS)
def test_vmap(fmt):
    x = inputs(fmt, 600).reshape(20, 30)
    expected = reference.encode(x, fmt, **RNE)

    def encode(v):
        return kernels_ref.encode(v, fmt, **RNE)

    np.testing.assert_array_equal(np.asarray(jax.vmap(encode)(x)), expected, strict=True)
    np.testing.assert_array_equal(np.asarray(jax.jit(jax.vmap(jax.vmap(encode), in_axes=1, out_axes=1))(x)), expected)
    decoded = jax.vmap(lambda c: kernels_ref.decode(c, fmt))(expected)
    np.testing.assert_array_equal(np.asarray(decoded), reference.decode(expected, fmt))


def test_vmap_over_random_bits():
    policy = {"rounding": "stochastic_c", "saturation": "sat_none", "random_bit_count": 4}
    x = inputs("float8_e5m2", 64).reshape(4, 16)
    bits = np.random.default_rng(0).integers(0, 16, x.shape).astype(np.uint32)
    got = jax.jit(jax.vmap(lambda v, r: kernels_ref.encode(v, "e5m2fnuz", **policy, random_bits=r)))(x, bits)
    np.testing.assert_array_equal(np.asarray(got), reference.encode(x, "e5m2fnuz", **policy, random_bits=bits))


def test_inside_a_larger_computation():
    """Rounding between two operations is not optimised away."""
    x = np.linspace(-500, 500, 4097, dtype=np.float32)

    @jax.jit
    def residue(v):
        return v - kernels_ref.decode(kernels_ref.encode(v, "e3m2", **RNE), "e3m2")

    np.testing.assert_array_equal(np.asarray(residue(x)), x - reference.round_to(x, "e3m2", **RNE))


def test_scan_and_cond():
    x = jnp.asarray(np.float32([0.3, 5.0, -7.0]))
    _, codes = jax.lax.scan(lambda carry, v: (carry, kernels_ref.encode(v, "e2m1", **RNE)), 0, x)
    np.testing.assert_array_equal(np.asarray(codes), reference.encode(np.asarray(x), "e2m1", **RNE))


@pytest.mark.parametrize("dtype", ["float64", "int64", "uint64"])
def test_64_bit_inputs_are_refused_while_x64_is_off(dtype):
    message = f"{dtype} input, but JAX's 64-bit types are off and would narrow it: enable jax_enable_x64, or convert it"
    with jax.enable_x64(False), pytest.raises(TypeError, match=message):
        kernels_ref.encode(np.array([1], dtype), "float8_e4m3fn", **RNE)
    with jax.enable_x64(True):
        assert kernels_ref.encode(np.array([1], dtype), "float8_e4m3fn", **RNE).item() == 0x38


def test_python_numbers_are_64_bit_and_refused_while_x64_is_off():
    with jax.enable_x64(False):
        with pytest.raises(TypeError, match="float64 input, but JAX's 64-bit types are off"):
            kernels_ref.encode([0.1], "float8_e4m3fn", **RNE)
        with pytest.raises(TypeError, match="int64 input, but JAX's 64-bit types are off"):
            kernels_ref.decode([1], "float8_e4m3fn")


@pytest.mark.parametrize("dtype", ["int32", "uint32"])
def test_stochastic_rounding_of_32_bit_integers_needs_x64(dtype):
    policy = {"rounding": "stochastic_a", "saturation": "sat_finite", "random_bit_count": 3, "random_bits": 0}
    with (
        jax.enable_x64(False),
        pytest.raises(TypeError, match="32-bit integers needs 64-bit words: enable jax_enable_x64"),
    ):
        kernels_ref.encode(np.array([1], dtype), "float8_e4m3fn", **policy)


@pytest.mark.parametrize("fmt", FORMATS)
def test_x64_changes_nothing_for_narrow_inputs(fmt):
    x = inputs(fmt, 3000)
    with jax.enable_x64(True):
        codes = kernels_ref.encode(x, fmt, **RNE)
        values = kernels_ref.decode(codes, fmt)
    assert (codes.dtype, values.dtype) == (np.uint8, np.float32)
    np.testing.assert_array_equal(np.asarray(codes), reference.encode(x, fmt, **RNE))


def test_nan_rule_must_be_stated_where_no_element_can_be_seen():
    without = {key: value for key, value in RNE.items() if key != "nan"}
    for transformed in (jax.jit, jax.vmap):
        with pytest.raises(TypeError, match="int4 has no NaN: under a JAX transformation state nan= as one of: zero"):
            transformed(lambda v: kernels_ref.encode(v, "int4", **without))(jnp.ones(3))
    codes = jax.jit(lambda v: kernels_ref.encode(v, "float8_e4m3fn", **without))(jnp.array([jnp.nan, 1]))
    np.testing.assert_array_equal(np.asarray(codes), [0x7F, 0x38])
    integers = jax.jit(lambda v: kernels_ref.encode(v, "int4", **without))(jnp.arange(3))
    np.testing.assert_array_equal(np.asarray(integers), [0, 1, 2])


def test_missing_random_bits_are_noticed_under_jit():
    policy = {"rounding": "stochastic_a", "saturation": "sat_finite", "random_bit_count": 3}
    with pytest.raises(TypeError, match="a stochastic rounding needs random_bits"):
        jax.jit(lambda v: kernels_ref.encode(v, "float8_e4m3fn", **policy))(jnp.ones(3))


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "float4_e2m1fn", "mxint8"])
def test_rounding_by_a_sum_is_not_contracted_with_the_callers_product(name):
    """The product rounded to binary32 is what is encoded, not the product inside a fused multiply and add."""
    spec = formats.get(name)
    ties = landmarks.as_dtype(landmarks.midpoints(spec), "float32")
    factors = np.random.default_rng(0).uniform(1, 2, (64, 1)).astype(np.float32)
    x, y = np.broadcast_to(factors, (64, ties.size)), ties / factors
    jitted = jax.jit(lambda a, b: kernels_ref.encode(a * b, name, **RNE))
    np.testing.assert_array_equal(np.asarray(jitted(x, y)), reference.encode(x * y, name, **RNE))


@pytest.mark.parametrize("count", range(1, 25))
@pytest.mark.parametrize("rounding", ["stochastic_a", "stochastic_b", "stochastic_c"])
@pytest.mark.parametrize("name", ["float8_e5m2", "Binary8p7sf", "int8", "uint1"])
def test_every_count_of_random_bits(name, rounding, count):
    """Which way ticks are counted depends on the count."""
    spec = formats.get(name)
    x = np.concatenate([landmarks.near_ties(spec, "float32"), landmarks.dtype_subnormals("float32")])
    x = np.append(x, np.float32([np.inf, -np.inf, np.nan, 3e38, -3e38]))
    drawn = np.random.default_rng(count).integers(0, 1 << count, x.size, dtype=np.uint32)
    policy = {"rounding": rounding, "saturation": "sat_finite", "nan": "zero", "random_bit_count": count}
    got = kernels_ref.encode(x, name, **policy, random_bits=drawn)
    np.testing.assert_array_equal(np.asarray(got), reference.encode(x, name, **policy, random_bits=drawn))
