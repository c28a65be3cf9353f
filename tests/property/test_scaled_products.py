"""Laws of products with quantised weights, for any operands: by hypothesis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from product_cases import case, judged, singles

import reference
from formats.products import StreamK, scaled_product, scaled_products
from reference.scaled_product import scaled_matmul

PRODUCTS = st.sampled_from(singles())
INTEGERS = st.sampled_from([product for product in singles() if product.a == "int8"])
SEEDS = st.integers(0, 2**32 - 1)
SPLITS = st.builds(StreamK, rows=st.integers(1, 4), depth=st.sampled_from([128, 256]), blocks=st.integers(1, 12))


def drawn(product, m, n, k, seed, split=None):
    return case(product, m, n, k, np.random.default_rng(seed), split)


@given(product=PRODUCTS, seed=SEEDS, k=st.integers(1, 300), split=st.none() | SPLITS, data=st.data())
def test_any_output_is_the_judges(product, seed, k, split, data):
    a, w, terms = drawn(product, 8, 6, k, seed, split)
    i, j = data.draw(st.integers(0, 7)), data.draw(st.integers(0, 5))
    found = scaled_matmul(a, w, product=product, split=split, **terms)
    assert found[i, j] == judged(product, a, w, terms, i, j, split)


@given(product=PRODUCTS, seed=SEEDS, k=st.integers(1, 300), split=st.none() | SPLITS)
def test_a_row_does_not_see_the_others(product, seed, k, split):
    a, w, terms = drawn(product, 8, 3, k, seed, split)
    whole = scaled_matmul(a, w, product=product, split=split, **terms)
    for i in (0, 7):
        own = {name: term[i : i + 1] if name in ("token_scale", "a_scale") else term for name, term in terms.items()}
        alone = scaled_matmul(a[i : i + 1], w, product=product, split=split, **own)
        np.testing.assert_array_equal(alone[0], whole[i])


@given(product=INTEGERS, seed=SEEDS, k=st.integers(1, 600), split=SPLITS)
def test_no_cut_changes_a_sum_of_integers(product, seed, k, split):
    a, w, terms = drawn(product, 3, 6, k, seed, split)
    whole = scaled_matmul(a, w, product=product, **terms)
    np.testing.assert_array_equal(whole, scaled_matmul(a, w, product=product, split=split, **terms))


@given(name=st.sampled_from([name for name in scaled_products() if name != "w8a8_int8_dyadic"]), seed=SEEDS)
def test_the_output_is_the_float32_rounded_once(name, seed):
    product = scaled_product(name)
    a, w, terms = drawn(product, 8, 6, 200, seed)
    codes = scaled_matmul(a, w, product=replace(product, out="float32"), **terms)
    values = codes.view(np.float32)
    once = reference.encode(values, product.out, rounding="nearest_ties_to_even", saturation="sat_none")
    found = scaled_matmul(a, w, product=product, **terms)
    np.testing.assert_array_equal(found[~np.isnan(values)], once[~np.isnan(values)])
    assert (found[np.isnan(values)] == 0x7FFF).all()
    assert (codes[np.isnan(values)] == 0x7FFFFFFF).all()


@given(seed=SEEDS, k=st.integers(1, 300), power=st.integers(-20, 20))
def test_a_power_of_two_in_the_scales_of_groups_moves_exponents_only(seed, k, power):
    product = replace(scaled_product("mxfp4_e4m3"), out="float32", epilogue=())
    rng = np.random.default_rng(seed)
    a, w = rng.integers(0, 0x7F, (3, k)), rng.integers(0, 16, (4, k))
    scale = rng.integers(110, 140, (4, -(-k // 32)))
    y, moved = (
        scaled_matmul(a, w, product=product, group_scale=codes).view(np.float32) for codes in (scale, scale + power)
    )
    np.testing.assert_array_equal(np.ldexp(y, power), moved)
