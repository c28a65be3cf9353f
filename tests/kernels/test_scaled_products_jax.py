"""Products with quantised weights in JAX: the codes of the golden model, whatever is drawn, cut or compiled."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from product_cases import CUTS, K, case, singles

import reference.scaled_product as golden
from formats.products import StreamK, scaled_product, scaled_products
from kernels_ref import scaled_product as door
from kernels_ref import scaled_sums
from kernels_ref.scaled_product import scaled_matmul

BY_NAME = {product.name: product for product in singles()}


def drawn(product, split=None, m=8, n=6):
    a, w, terms = case(product, m, n, K, np.random.default_rng(2), split)
    return a.astype(np.uint16), w.astype(np.uint8), terms


def check(product, split=None, m=8):
    a, w, terms = drawn(product, split, m)
    found = np.asarray(scaled_matmul(a, w, product=product, split=split, **terms))
    expected = golden.scaled_matmul(a, w, product=product, split=split, **terms)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", scaled_products())
def test_sums_of_cut_k_are_the_golden_ones(name):
    check(BY_NAME[name], CUTS)


@pytest.mark.parametrize("name", ["w4a8_qqq_channel", "w8a8_fp8_tensor", "mxfp4_e4m3"])
def test_outputs_of_one_part_are_the_golden_ones(name):
    check(scaled_product(name))


def test_rows_in_blocks_are_the_whole(monkeypatch):
    monkeypatch.setattr(scaled_sums, "_WORDS", 3 * 6 * 3)  # sums of three rows: blocks of 3, 3 and 2
    scaled_sums.compiled.cache_clear()
    check(BY_NAME["w8a8_fp8_block128"], CUTS)
    scaled_sums.compiled.cache_clear()


def test_under_jit_nothing_is_looked_at_and_nothing_differs():
    product = scaled_product("w4a8_qqq_g128")
    a, w, terms = drawn(product)
    found = jax.jit(partial(scaled_matmul, product=product))(a, w, **terms)
    np.testing.assert_array_equal(found, golden.scaled_matmul(a, w, product=product, **terms))


@pytest.mark.parametrize("name", ["group_scale", "a_scale"])
def test_under_jit_numbers_become_float32_codes(name):
    product, numbers = scaled_product("w8a8_fp8_block128"), np.float32([[1.5, -0.0], [1e-45, 3e38]])
    found = jax.jit(lambda term: door._term(name, term, product))(numbers)
    np.testing.assert_array_equal(found, numbers.view(np.uint32))


def test_arrays_on_the_device_are_checked_too():
    a, w, terms = drawn(scaled_product("w4a8_qqq_g128"))
    terms["group_scale"][:] = 0x5C00  # 256
    with pytest.raises(ValueError, match="has no such weight"):
        scaled_matmul(jnp.asarray(a), jnp.asarray(w), product="w4a8_qqq_g128", **terms)
    terms["group_scale"][:] = 0x7C00
    with pytest.raises(ValueError, match="scales are finite numbers"):
        scaled_matmul(a, w, product="w4a8_qqq_g128", **terms)
    with pytest.raises(ValueError, match="code 300 at \\[0, 0\\] does not fit int8"):
        scaled_matmul(a * 0 + 300, w, product="w4a8_qqq_g128", **{**terms, "group_scale": terms["group_scale"] * 0})


def test_the_same_complaints_as_the_golden_model():
    a, w, terms = drawn(scaled_product("mxfp4_e4m3"))
    for wrong in (
        {**terms, "token_scale": None},
        {**terms, "tensor_scale": 1.0},
        {**terms, "token_scale": terms["token_scale"][1:]},
        {**terms, "split": StreamK(depth=48)},
        {**terms, "token_scale": np.float32([np.inf] * 8)},
        {**terms, "token_scale": ["1"] * 8},
        {**terms, "group_scale": terms["group_scale"].astype(float)},
    ):
        messages = []
        for function in (scaled_matmul, golden.scaled_matmul):
            with pytest.raises((TypeError, ValueError)) as error:
                function(a, w, product="mxfp4_e4m3", **wrong)
            messages.append(str(error.value).replace("kernels_ref.", "reference."))
        assert messages[0] == messages[1]


def test_a_requantiser_of_two_roundings_is_refused():
    product = replace(scaled_product("w8a8_int8_dyadic"), requantiser="tflite_double_rounding")
    a, w, terms = drawn(product)
    assert golden.scaled_matmul(a, w, product=product, **terms).shape == (8, 6)
    with pytest.raises(ValueError, match=r"tflite_double_rounding has no executor here"):
        scaled_matmul(a, w, product=product, **terms)


def test_multiply_then_add_is_seen(monkeypatch):
    product = BY_NAME["w8a16_g128"]

    def in_two(d, s, y):
        return scaled_sums.joined(y, scaled_sums.times(d, s), product.rule.summation)

    monkeypatch.setattr(scaled_sums, "_fma", in_two)
    scaled_sums.compiled.cache_clear()
    with pytest.raises(AssertionError, match="not equal"):
        check(product)
    scaled_sums.compiled.cache_clear()


def test_no_rows_and_no_columns():
    for m, n in ((0, 3), (3, 0)):
        a, w = np.zeros((m, 64), np.uint8), np.zeros((n, 64), np.uint8)
        terms = {"group_scale": np.zeros((n, 2), np.uint8), "token_scale": np.ones(m, np.float32)}
        assert scaled_matmul(a, w, product="mxfp4_e4m3", **terms).shape == (m, n)
