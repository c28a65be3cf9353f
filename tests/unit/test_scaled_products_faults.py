"""Faults planted in the golden product with quantised weights: the comparison with the judge sees each of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from product_cases import CUTS, THIRDS, K, all_judged, case, judged, singles

from formats import FLOAT32, Rounding
from formats.products import StreamK
from reference import scaled_product as door
from reference.array.dot.epilogue import joined
from reference.codec import encode
from reference.products import fold as float32
from reference.products import sums
from reference.scaled_product import scaled_matmul

BY_NAME = {product.name: product for product in singles()}


def differs(name: str, *, used=None, split=CUTS, used_split=None, seed=0) -> bool:
    """Whether the golden product, as it is now, disagrees with the judge; ``used``: another product in its place."""
    product = BY_NAME[name]
    a, w, terms = case(product, 8, 6, K, np.random.default_rng(seed), split)
    found = scaled_matmul(a, w, product=used or product, split=used_split or split, **terms)
    return any(found[i, j] != judged(product, a, w, terms, i, j, split) for i in range(8) for j in range(6))


def test_without_a_fault_nothing_differs():
    assert not differs("w4a16_g128")
    assert not differs("mxfp4_e4m3", split=THIRDS)


@pytest.mark.parametrize("name", ["w4a16_g128", "w8a16_g128", "w8a8_fp8_block128"])
def test_multiply_then_add_is_no_fma(name, monkeypatch):
    def in_two(total, partial, scale, rule):
        return float32.fold(total, float32.times(partial, scale), None, rule)

    monkeypatch.setattr(sums, "fold", in_two)
    assert differs(name)


@pytest.mark.parametrize("name", ["w8a8_int8", "fp6_e3m2_e4m3", "nvfp4_e4m3", "ternary_int8"])
def test_factors_in_the_other_order(name):
    product = BY_NAME[name]
    assert differs(name, used=replace(product, epilogue=product.epilogue[::-1]))


def test_the_product_of_two_scales_cut(monkeypatch):
    toward_zero = replace(float32._SINGLE, rounding=Rounding.TOWARD_ZERO)

    def cut(x, y):
        term = float32.multiply(float32.unpack(x, FLOAT32, np), float32.unpack(y, FLOAT32, np))
        return float32.rounded(term, toward_zero, np)

    monkeypatch.setattr(door, "times", cut)
    assert differs("w8a8_fp8_block128")


@pytest.mark.parametrize("name", ["w4a16_channel", "mxfp4_e4m3", "w8a8_fp8_tensor", "w8a8_fp8_block128"])
@pytest.mark.parametrize("blocks", [4, 9, 1])
def test_another_cut(name, blocks):
    assert differs(name, used_split=StreamK(rows=2, depth=128, blocks=blocks))


@pytest.mark.parametrize("name", ["w4a16_g128", "fp6_e2m3_e4m3", "w8a8_fp8_block128", "nvfp4_bf16"])
def test_parts_in_the_other_order(name, monkeypatch):
    def backwards(run, starts, shape, product):
        parts, y = [], np.zeros(shape, np.int64)
        for i, start in enumerate(starts):
            if start.any():
                assert start.all()
                parts, y = [*parts, y], y & 0
            y = run(i, y)
        for part in parts[::-1]:
            y = joined(y, part, product.rule.summation, np)
        return y

    monkeypatch.setattr(sums, "_joined", backwards)
    assert differs(name, split=THIRDS)


def test_another_chain():
    assert differs("w4a16_channel", used=replace(BY_NAME["w4a16_channel"], chain=64))
    assert differs("w8a8_fp8_tensor", used=replace(BY_NAME["w8a8_fp8_tensor"], chain=128))
    assert differs("nvfp4_e4m3", used=replace(BY_NAME["nvfp4_e4m3"], chain=8))


def test_weights_that_are_not_lowered():
    assert differs("mxfp4_e4m3", used=replace(BY_NAME["mxfp4_e4m3"], lowered=0))


def test_a_fold_toward_zero(monkeypatch):
    monkeypatch.setattr(float32, "_SINGLE", replace(float32._SINGLE, rounding=Rounding.TOWARD_ZERO))
    assert differs("mxfp8_bf16")


def test_subnormal_scales_flushed(monkeypatch):
    def flushed(x, y):
        return float32.times(x, np.where((y & 0x7F800000) == 0, y & 0x80000000, y))

    monkeypatch.setattr(door, "times", flushed)
    assert any(differs("w4a16_channel", seed=seed) for seed in range(4))


def test_integers_cut_to_float32(monkeypatch):
    def cut(codes, rule):
        toward_zero = replace(float32.target(FLOAT32), rounding=Rounding.TOWARD_ZERO)
        return float32.rounded(float32.unpack(codes, float32.output(rule), np), toward_zero, np)

    monkeypatch.setattr(door, "single", cut)
    product = BY_NAME["w8a8_int8"]
    a, w = np.full((1, 1200), 127), np.full((1, 1200), 127)
    w[0, 0] = 124  # the sum is 4 q + 3, of 25 bits: a tie that goes up
    terms = {"weight_scale": np.float32([1]), "token_scale": np.float32([1])}
    found = scaled_matmul(a, w, product=product, **terms)
    assert found.item() != all_judged(product, a, w, terms, None).item()


def test_a_requantised_weight_with_ties_away_from_zero(monkeypatch):
    product = BY_NAME["w4a8_qqq_g128"]
    a, w = np.ones((1, 128), np.uint8), np.full((1, 128), 1)
    terms = {"group_scale": encode([[8.5]], "float16", rounding="nearest_ties_to_even", saturation="sat_none")}
    terms |= {"weight_scale": np.float32([1]), "token_scale": np.float32([1])}
    judge = all_judged(product, a, w, terms, None)
    assert scaled_matmul(a, w, product=product, **terms) == judge
    away = door.weight_table(product).copy()
    away[1, terms["group_scale"]] = 9
    monkeypatch.setattr(door, "weight_table", lambda product: away)
    assert scaled_matmul(a, w, product=product, **terms) != judge


@pytest.mark.parametrize("name", ["w4a16_channel", "mxfp4_e4m3", "ternary_bf16"])
def test_a_factor_left_out(name):
    product = BY_NAME[name]
    a, w, terms = case(product, 2, 2, K, np.random.default_rng(0))
    factor = product.epilogue[-1].value
    found = scaled_matmul(a, w, product=product, **{**terms, factor: np.ones_like(terms[factor])})
    assert (found != all_judged(product, a, w, terms, None)).all()
