"""The golden product with quantised weights against the judge, and faults planted in it that the judge sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from product_cases import CUTS, K, all_judged, case, judged, singles

from formats.products import scaled_product, scaled_products
from reference.scaled_product import scaled_matmul

BY_NAME = {product.name: product for product in singles()}


@pytest.mark.parametrize("name", scaled_products())
def test_every_sum_is_the_judges(name: str):
    product, rng = BY_NAME[name], np.random.default_rng(0)
    a, w, terms = case(product, 8, 6, K, rng, CUTS)
    found = scaled_matmul(a, w, product=product, split=CUTS, **terms)
    np.testing.assert_array_equal(found, all_judged(product, a, w, terms, CUTS))


@pytest.mark.parametrize("name", scaled_products())
def test_every_output_is_the_judges(name: str):
    product, rng = scaled_product(name), np.random.default_rng(1)
    a, w, terms = case(product, 8, 3, K, rng)
    found = scaled_matmul(a, w, product=name, **terms)
    for i in range(8):
        assert found[i, i % 3] == judged(product, a, w, terms, i, i % 3, None)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("w8a8_fp8_block128", {"chain": 32, "weight_rows": 4}),
        ("w4a16_g128_zero", {"chain": 16, "group": 64}),
        ("mxfp4_e4m3", {"chain": 16}),
        ("nvfp4_bf16", {"chain": None}),
        ("w8a8_int8", {"accumulator": "hopper.wgmma.k32.s32.s8.s8.sat"}),
    ],
)
def test_a_record_of_ones_own_is_the_judges(name: str, change: dict):
    product, rng = replace(BY_NAME[name], **change), np.random.default_rng(3)
    a, w, terms = case(product, 4, 6, K, rng, CUTS)
    found = scaled_matmul(a, w, product=product, split=CUTS, **terms)
    np.testing.assert_array_equal(found, all_judged(product, a, w, terms, CUTS))
