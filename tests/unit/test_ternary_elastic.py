"""Elastic activations: the judge, forward and backward, JAX's gradients, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kernels_ref.ternary_elastic as jax_elastic
from formats.ternary.activations import (
    ELASTIC_QUANTIZERS,
    TBT_SIGNED_2BIT_CODE,
    TBT_UNSIGNED_2BIT_CODE,
    elastic_quantizer,
)
from reference.array import ternary_binary32 as binary32
from reference.array.ternary_elastic import gradient_scale
from reference.exact import ternary as judge
from reference.quantize.elastic_activations import elastic, elastic_gradients, elastic_start

CODE = [name for name in ELASTIC_QUANTIZERS if name.endswith("code")]


def tensor(seed):
    """Values at and beside the thresholds of alpha = 0.75, zeros of both signs, subnormals, and random ones."""
    ties = np.float32([0.375, -0.375, 1.125, -1.125, 0.75, -0.75, 1.5, 0, -0.0, 1e-41])
    beside = np.concatenate([np.nextafter(ties, np.float32(9)), np.nextafter(ties, np.float32(-9))])
    return np.concatenate([ties, beside, np.random.default_rng(seed).standard_normal(20).astype(np.float32)])


@pytest.mark.parametrize("name", ELASTIC_QUANTIZERS)
def test_judge_numpy_and_jax_agree(name):
    alpha, rng = np.float32(0.75), np.random.default_rng(0)

    def loss(x, a, g):
        return (jax_elastic.elastic(x, a, name) * g).sum()

    gradients = jax.jit(jax.grad(loss, argnums=(0, 1)))
    for seed in range(3):
        x = abs(tensor(seed)) if "unsigned" in name and seed == 2 else tensor(seed)
        g = rng.standard_normal(x.shape).astype(np.float32)
        codes, values = elastic(x, alpha, name)
        due_codes, due_values = judge.elastic(x.tolist(), 0.75, name)
        assert codes.tolist() == due_codes
        assert values.tolist() == [float(v) for v in due_values]
        np.testing.assert_array_equal(jax_elastic.elastic(x, alpha, name), values)
        dx, dalpha = elastic_gradients(x, alpha, g, name)
        due_dx, due_dalpha = judge.elastic_gradients(x.tolist(), 0.75, g.tolist(), name)
        assert dx.tolist() == [float(v) for v in due_dx]
        assert float(dalpha) == float(due_dalpha)
        under_jax = gradients(x, alpha, g)
        np.testing.assert_array_equal(under_jax[0], dx)
        assert np.asarray(under_jax[1]).view(np.uint32) == dalpha.view(np.uint32)


@pytest.mark.parametrize("name", CODE)
def test_start(name):
    x = tensor(3)
    due = float(judge.elastic_start(x.tolist(), name))
    assert float(elastic_start(x, name)) == due
    assert float(jax_elastic.elastic_start(x, name)) == due


def test_start_of_the_unsigned_divides_by_the_root_of_three():
    """The code starts as if there were 2^2 - 1 levels, though its quantiser has 2."""
    assert elastic_start(np.float32([1, 1]), TBT_UNSIGNED_2BIT_CODE) == np.float32(4) / np.sqrt(np.float32(3))


def test_a_rounded_quotient_moves_a_threshold():
    """Stepwise, values just below 1.5 alpha reach the tie at 1.5 and become 2: exactly divided they are 1."""
    alphas = np.random.default_rng(1).uniform(0.5, 1, 400).astype(np.float32)
    exact = replace(TBT_UNSIGNED_2BIT_CODE, from_least=False, stepwise=False)
    moved = 0
    for alpha in alphas:
        x = np.float32([np.float32(1.5) * alpha, np.nextafter(np.float32(1.5) * alpha, np.float32(0))])
        codes = [elastic(x, alpha, q)[0].tolist() for q in (exact, replace(exact, stepwise=True))]
        assert codes[0] == [1 if Fraction(float(v)) < Fraction(3, 2) * Fraction(float(alpha)) else 2 for v in x]
        moved += codes[0] != codes[1]
    assert moved > 10


def test_code_subtracts_the_minimum_and_paper_does_not():
    x = np.float32([-1, 0, 1])
    assert elastic(x, np.float32(1), "tbt_unsigned_2bit_code")[1].tolist() == [-1, 0, 1]
    assert elastic(x, np.float32(1), "tbt_unsigned_2bit_paper")[1].tolist() == [0, 0, 1]


def test_paper_subtracts_the_mean_and_code_does_not():
    x = np.float32([4, 4, 5, 3])
    assert elastic(x, np.float32(1), "tbt_signed_2bit_paper")[0].tolist() == [0, 0, 1, -1]
    assert elastic(x, np.float32(1), "tbt_signed_2bit_code")[0].tolist() == [1, 1, 1, 1]


def test_alpha_has_a_floor_in_the_code_only():
    x, alpha = np.float32([6e-6, 4e-6]), np.float32(1e-7)
    assert elastic(x, alpha, "tbt_unsigned_1bit_code")[1].tolist() == [float(np.float32(1e-5)), 0]
    assert elastic(x, alpha, "tbt_unsigned_1bit_paper")[1].tolist() == [float(alpha)] * 2


def test_gradient_scale_is_rounded_once():
    for size in [*range(1, 2000), 3**11, 10**6 + 3, 2**28 + 1]:
        due = judge.rounded(judge._inverse_root(2 * size, bits=200))
        assert np.uint32(gradient_scale(size, TBT_UNSIGNED_2BIT_CODE)).view(np.float32) == float(due)
    assert gradient_scale(5, elastic_quantizer("tbt_unsigned_2bit_paper")) == binary32.constant(1.0)


def test_shapes_and_vmap():
    x = tensor(5).reshape(2, 25) if tensor(5).size == 50 else np.resize(tensor(5), (2, 25))
    codes, values = elastic(x, np.float32([0.5]), TBT_SIGNED_2BIT_CODE)
    assert codes.shape == values.shape == x.shape
    each = jax.vmap(lambda row: jax_elastic.elastic(row, jnp.float32(0.5), TBT_SIGNED_2BIT_CODE))(x)
    np.testing.assert_array_equal(each, values)


class TestRefused:
    @pytest.mark.parametrize("verb", [elastic, jax_elastic.elastic])
    def test_arguments(self, verb):
        with pytest.raises(ValueError, match=r"alpha of shape \(2,\) is not one number"):
            verb(np.zeros(3, np.float32), np.ones(2, np.float32), TBT_SIGNED_2BIT_CODE)
        with pytest.raises(TypeError, match="values have dtype float64; accepted: float32"):
            verb(np.zeros(3), np.float32(1), TBT_SIGNED_2BIT_CODE)
        with pytest.raises(ValueError, match="values hold 1 NaN"):
            verb(np.float32([np.nan]), np.float32(1), TBT_SIGNED_2BIT_CODE)
        with pytest.raises(ValueError, match=r"alpha=-1\.0 must be positive"):
            verb(np.float32([1]), np.float32(-1), TBT_SIGNED_2BIT_CODE)
        with pytest.raises(KeyError, match="unknown elastic quantiser"):
            verb(np.float32([1]), np.float32(1), "elastic")

    def test_gradient_and_start(self):
        with pytest.raises(ValueError, match=r"gradient of shape \(2,\) for x of shape \(3,\)"):
            elastic_gradients(np.zeros(3, np.float32), np.float32(1), np.zeros(2, np.float32), TBT_SIGNED_2BIT_CODE)
        for start in (elastic_start, jax_elastic.elastic_start):
            with pytest.raises(ValueError, match="tbt_signed_2bit_paper has no start: its source gives none"):
                start(np.float32([1]), "tbt_signed_2bit_paper")
