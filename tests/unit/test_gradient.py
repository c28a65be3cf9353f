"""Rounding with a gradient: the forward pass is the codec's, the backward pass is what was asked for."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import formats
import kernels_ref
from kernels_ref import landmarks

RNE = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite", "nan": "zero"}
FORMATS = ("float8_e4m3fn", "float4_e2m1fn", "float8_e8m0fnu", "int4", "mxint8_narrow")


def gradient_of(fmt, gradient, **policy):
    return jax.grad(lambda v: kernels_ref.round_to(v, fmt, gradient=gradient, **{**RNE, **policy}).sum())


def inputs(fmt):
    spec = formats.get(fmt)
    x = np.concatenate([landmarks.near_ties(spec, "float32"), -landmarks.as_dtype(landmarks.edges(spec), "float32")])
    return jnp.asarray(x)


@pytest.mark.parametrize("gradient", kernels_ref.Gradient)
@pytest.mark.parametrize("fmt", FORMATS)
def test_forward_is_decode_of_encode(fmt, gradient):
    x = inputs(fmt)
    values = kernels_ref.round_to(x, fmt, gradient=gradient, **RNE)
    direct = kernels_ref.decode(kernels_ref.encode(x, fmt, **RNE), fmt)
    np.testing.assert_array_equal(np.asarray(values).view(np.uint32), np.asarray(direct).view(np.uint32))


@pytest.mark.parametrize("fmt", FORMATS)
def test_straight_through_is_the_identity(fmt):
    x = jnp.append(inputs(fmt), jnp.array([jnp.nan, jnp.inf], jnp.float32))
    np.testing.assert_array_equal(gradient_of(fmt, "straight_through")(x), np.ones(x.shape))


@pytest.mark.parametrize("fmt", FORMATS)
def test_clipped_is_zero_outside_the_range_and_one_at_its_ends(fmt):
    spec = formats.get(fmt)
    codes = np.arange(1 << spec.bits, dtype=np.uint32)
    values = kernels_ref.decode(jnp.asarray(codes), fmt)
    ends = np.asarray(values)[np.isfinite(values)]
    low, high = ends.min(), ends.max()
    if isinstance(spec, formats.IntSpec):
        low, high = (np.float32(n * 2.0**-spec.fraction_bits) for n in (spec.minimum, spec.maximum))
    outside = landmarks.neighbours(np.array([high]), 1)[0], np.nextafter(low, np.float32(-np.inf))
    x = jnp.array([low, high, *outside, np.inf, -np.inf, np.nan], jnp.float32)
    np.testing.assert_array_equal(gradient_of(fmt, "clipped")(x), [1, 1, 0, 0, 0, 0, 0])


def test_clipped_range_is_told_apart_among_float32_subnormals():
    """E8M0's smallest value, 2^-127, is a float32 subnormal, which XLA on the CPU compares as zero."""
    least = np.float32(2.0**-127)
    x = jnp.array([least, landmarks.neighbours(np.array([least]), -1)[0], 0.0, -0.0], jnp.float32)
    np.testing.assert_array_equal(gradient_of("float8_e8m0fnu", "clipped")(x), [1, 0, 0, 0])


@pytest.mark.parametrize("gradient", ["straight_through", "clipped"])
def test_jit_vmap_grad(gradient):
    x = jnp.array([[0.3, 100.0], [-7.0, 2.5]], jnp.float32)
    plain = gradient_of("float4_e2m1fn", gradient)(x)
    through = jax.jit(jax.vmap(gradient_of("float4_e2m1fn", gradient)))(x)
    np.testing.assert_array_equal(through, plain)
    np.testing.assert_array_equal(plain, [[1, 1], [1, 1]] if gradient == "straight_through" else [[1, 0], [0, 1]])


def test_random_bits_batch_with_their_inputs():
    def loss(v, bits):
        policy = {"rounding": "stochastic_a", "saturation": "sat_finite", "random_bit_count": 3}
        return (kernels_ref.round_to(v, "e4m3fn", **policy, gradient="clipped", random_bits=bits) * v).sum()

    x, bits = jnp.array([[0.3, 1.1], [500.0, -3.3]], jnp.float32), jnp.array([[0, 7], [1, 5]], jnp.uint32)
    rows = [jax.grad(loss)(row, drawn) for row, drawn in zip(x, bits, strict=True)]
    np.testing.assert_array_equal(jax.jit(jax.vmap(jax.grad(loss)))(x, bits), jnp.stack(rows))


def test_product_rule_uses_the_rounded_value():
    slope = jax.grad(lambda v: v * kernels_ref.round_to(v, "float4_e2m1fn", gradient="straight_through", **RNE))
    assert slope(jnp.float32(2.6)) == np.float32(3.0) + np.float32(2.6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("gradient", ["straight_through", "clipped"])
def test_gradient_has_the_dtype_of_the_input(dtype, gradient):
    with jax.enable_x64(True):
        x = jnp.array([0.3, 1000.0], dtype)
        slope = gradient_of("float8_e4m3fn", gradient)(x)
        value = kernels_ref.round_to(x, "float8_e4m3fn", gradient=gradient, **RNE)
        assert (slope.dtype, value.dtype) == (jnp.dtype(dtype), jnp.float32)
        np.testing.assert_array_equal(slope.astype(np.float32), [1, 1 if gradient == "straight_through" else 0])


def test_clipped_float64_just_past_the_maximum():
    with jax.enable_x64(True):
        x = jnp.array([448.0, np.nextafter(448.0, 449.0)], jnp.float64)
        np.testing.assert_array_equal(gradient_of("float8_e4m3fn", "clipped")(x), [1, 0])


def test_second_derivative_is_zero():
    twice = jax.grad(jax.grad(lambda v: kernels_ref.round_to(v, "int4", gradient="clipped", **RNE)))
    assert twice(jnp.float32(2.6)) == 0


def test_integers_have_no_gradient():
    with pytest.raises(TypeError, match="dtype int32, which has no gradient; accepted: float16"):
        kernels_ref.round_to(jnp.array([1, 2]), "int4", gradient="clipped", **RNE)


def test_nan_rule_must_be_stated_under_a_transformation():
    without = {key: value for key, value in RNE.items() if key != "nan"}
    with pytest.raises(TypeError, match="float4_e2m1fn has no NaN: under a JAX transformation state nan="):
        jax.jit(lambda v: kernels_ref.round_to(v, "float4_e2m1fn", gradient="clipped", **without))(jnp.ones(2))
    slope = jax.jit(gradient_of("float4_e2m1fn", "clipped", nan="maximum"))(jnp.array([jnp.nan]))
    np.testing.assert_array_equal(slope, [0])


def test_unknown_gradient_is_named():
    with pytest.raises(ValueError, match="gradient='ste' is not known; choose one of: straight_through, clipped"):
        kernels_ref.round_to(jnp.ones(2), "int4", gradient="ste", **RNE)
