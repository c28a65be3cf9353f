"""The golden product with quantised weights against the judge, and faults planted in it that the judge sees."""

from __future__ import annotations

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
