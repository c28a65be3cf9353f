"""Records of products with quantised weights: what is refused, what they count, and how K is cut."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from product_cases import case, finite_codes
from rotation import rotate

import formats
from formats.products import Factor, StreamK, Weight, scaled_product, scaled_products
from formats.products.record import value_format
from reference import exact
from reference.exact.scaled_product import scaled_dot
from reference.products.weights import missing_weights, weight_table
from reference.scaled_product import scaled_matmul


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("w4a16_g128", {"a": "float16"}, "takes bfloat16 and bfloat16"),
        ("w4a16_g128", {"accumulator": "exact.f32"}, "takes any and any"),
        ("w4a16_g128", {"zero_point": "uint4"}, "zero points go with 'minus_zero_point'"),
        ("w4a16_g128_zero", {"zero_point": None}, "zero points go with 'minus_zero_point'"),
        ("w4a16_g128_zero", {"w": "int4"}, "unsigned codes, but one of the formats is 'int4'"),
        ("w4a16_g128", {"group_scale": None, "group": None, "weight": Weight.SCALED}, "'scaled' needs group_scale"),
        ("w4a16_g128", {"weight": Weight.REQUANTISED}, "makes integers of integers"),
        ("w4a16_g128", {"group": None}, "needs group"),
        ("w4a16_g128", {"group_scale": None}, "group=128 must be at least 1, and goes with"),
        ("w4a16_g128", {"group": 0}, "group=0 must be at least 1"),
        ("w4a16_g128", {"group_scale": "int8"}, "group_scale='int8' is no format of floats"),
        ("w4a16_g128", {"chain": None}, "chain=None must divide group=128"),
        ("w4a16_g128", {"chain": 256}, "chain=256 must divide group=128"),
        ("w4a16_g128", {"chain": 0}, "chain=0"),
        ("w4a16_channel", {"chain": 24}, "chain=24 must be a multiple of the step k=16"),
        ("w4a16_channel", {"chain": -16}, "chain=-16 must be a multiple of the step k=16"),
        ("w8a8_int8", {"lowered": 1}, "lowered=1 is no less than 0, and goes with floats in chains"),
        ("w8a8_fp8_tensor", {"lowered": 1}, "lowered=1"),
        ("mxfp4_e4m3", {"lowered": -1}, "lowered=-1"),
        ("w8a8_int8", {"chain": 128}, "integer sums are one chain"),
        ("w8a8_int8", {"group": 128, "group_scale": "float16"}, "integer sums are one chain, and not scaled by groups"),
        ("w4a16_channel", {"weight_rows": 128}, "weight_rows=128"),
        ("w8a8_fp8_block128", {"weight_rows": 0}, "weight_rows=0 must be at least 1"),
        ("w4a16_channel", {"a_grouped": True}, "a_grouped needs the scale of a group"),
        ("w4a16_channel", {"epilogue": (Factor.TOKEN_SCALE,) * 2}, "holds a factor twice"),
        ("w4a16_channel", {"out": "int8"}, "out='int8' without a requantiser"),
        ("w8a8_int8_dyadic", {"out": "bfloat16"}, "takes integers to integers"),
        ("w8a8_int8_dyadic", {"epilogue": (Factor.TOKEN_SCALE,)}, "with no factors"),
        ("w4a16_channel", {"requantiser": "hawq_v3_tvm", "out": "int8", "epilogue": ()}, "takes integers to integers"),
    ],
)
def test_fields_that_do_not_fit_are_refused(name, change, message):
    with pytest.raises(ValueError, match=message):
        replace(scaled_product(name), **change)


@pytest.mark.parametrize(
    "change", [{"w": "int5e"}, {"a": "bf17"}, {"accumulator": "hopper.f32"}, {"group_scale": "e9"}, {"out": "b"}]
)
def test_unknown_names_are_refused(change):
    with pytest.raises((KeyError, ValueError), match=next(iter(change.values()))):
        replace(scaled_product("w4a16_g128"), **change)


def test_an_unknown_requantiser_is_refused():
    with pytest.raises(KeyError, match="unknown requantiser 'mine'"):
        replace(scaled_product("w8a8_int8_dyadic"), requantiser="mine")


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("w4a16_g128", 4 + 16 / 128),
        ("w4a16_g128_zero", 4 + 20 / 128),
        ("w8a8_int8", 8),
        ("w8a8_fp8_block128", 8 + 32 / 128**2),
        ("fp6_e3m2_bf16", 6),
        ("mxfp4_e4m3", 4.25),
        ("nvfp4_bf16", 4.5),
        ("ternary_int8", 2),
    ],
)
def test_bits_per_weight(name, bits):
    assert scaled_product(name).bits_per_weight == bits


def test_units_hold_whole_groups_chains_and_steps():
    for name in scaled_products():
        product = scaled_product(name)
        assert product.unit % (product.group or 1) == 0
        assert product.unit % (product.chain or product.rule.k) == 0
        assert 256 % product.unit == 0, "the default depth"


@pytest.mark.parametrize("n", [1, 128, 129, 1000])
@pytest.mark.parametrize("k", [1, 256, 700, 8192])
@pytest.mark.parametrize("blocks", [1, 2, 7, 132, 1000])
def test_cuts_partition_k_and_runs_deal_every_unit_once(n, k, blocks):
    split = StreamK(blocks=blocks)
    steps, run = -(-k // 256), split.run(n, k)
    tiles = split.cuts(n, k)
    units = len(tiles) * steps
    assert len(tiles) == -(-n // 128)
    assert (blocks - 1) * run < units + run * blocks
    assert blocks * run >= units > (run - 1) * blocks
    for cuts in tiles:
        assert (cuts[0], cuts[-1]) == (0, steps * 256)
        assert all(start < stop and start % 256 == 0 for start, stop in pairwise(cuts))
    ends = {tile * steps + cut // 256 for tile, cuts in enumerate(tiles) for cut in cuts}
    assert ends == {*range(0, units, run), *range(0, units + 1, steps)}  # of runs, and of tiles
    assert sum(len(cuts) - 1 for cuts in tiles) == len(ends) - 1


@pytest.mark.parametrize("field", ["rows", "depth", "blocks"])
def test_a_split_of_nothing_is_refused(field):
    with pytest.raises(ValueError, match=f"StreamK: {field}=0 must be at least 1"):
        StreamK(**{field: 0})


def exact_weight(product, w, shared):
    """``v`` from the definition, or None."""
    value = exact.decode(w, product.w)
    match product.weight:
        case Weight.DECODED:
            return value
        case Weight.MINUS_ZERO_POINT:
            return value - exact.decode(shared, product.zero_point)
    scale = exact.decode(shared, product.group_scale)
    if not isinstance(scale, Fraction) and scale != 0:
        return None
    made = Fraction(value) * Fraction(scale)
    if product.weight is Weight.SCALED:
        return made
    return round(made) if Fraction(-513, 4) <= made < Fraction(255, 2) else None


@pytest.mark.parametrize("name", scaled_products())
def test_every_weight_is_exact_in_the_operand(name):
    product = scaled_product(name)
    table, missing = weight_table(product), np.broadcast_to(missing_weights(product), weight_table(product).shape)
    shared = range(table.shape[1]) if table.shape[1] <= 256 else rotate(range(table.shape[1]), 64)
    for w in range(1 << formats.get(product.w).bits):
        for other in shared:
            weight = exact_weight(product, w, other)
            assert missing[w, other] == (weight is None)
            if weight is not None and weight == weight:
                assert exact.decode(int(table[w, other]), product.a) == Fraction(weight) / 2**product.lowered


def test_a_weight_that_the_operand_does_not_hold_is_refused():
    product = replace(scaled_product("fp6_e3m2_e4m3"), w="float8_e5m2", lowered=0)
    one = {"weight_scale": np.float32([1]), "token_scale": np.float32([1])}
    with pytest.raises(ValueError, match="a='float8_e4m3fn' does not hold"):
        scaled_matmul([[0x38]], [[0x7B]], product=product, **one)
    with pytest.raises(ValueError, match="a='float8_e4m3fn' does not hold 57344"):
        scaled_dot([0x38], [0x7B], product=product, weight_scale=1, token_scale=1)


def test_no_rows_and_no_columns():
    for m, n in ((0, 3), (3, 0)):
        a, w = np.zeros((m, 64), np.uint8), np.zeros((n, 64), np.uint8)
        terms = {"group_scale": np.zeros((n, 2), np.uint8), "token_scale": np.ones(m, np.float32)}
        assert scaled_matmul(a, w, product="mxfp4_e4m3", **terms).shape == (m, n)


def test_a_zero_point_for_each_row_has_one_axis_or_two():
    product = scaled_product("w4a16_channel_zero")
    a, w, terms = case(product, 3, 4, 50, np.random.default_rng(0))
    one = scaled_matmul(a, w, product=product, **terms)
    two = scaled_matmul(a, w, product=product, **{**terms, "zero_point": terms["zero_point"][:, 0]})
    np.testing.assert_array_equal(one, two)


def test_scales_of_blocks_are_codes_or_numbers():
    product = scaled_product("w8a8_fp8_block128")
    a, w, terms = case(product, 3, 130, 200, np.random.default_rng(0))
    assert terms["group_scale"].shape == (2, 2)
    numbers = {**terms, "group_scale": terms["group_scale"].view(np.float32)}
    codes = scaled_matmul(a, w, product=product, **terms)
    np.testing.assert_array_equal(codes, scaled_matmul(a, w, product=product, **numbers))


GIVEN = {"weight_scale": np.ones(2, np.float32), "token_scale": np.ones(1, np.float32)}
ZEROS = np.zeros((1, 32), np.uint8), np.zeros((2, 32), np.uint8)


@pytest.mark.parametrize(
    ("error", "message", "change"),
    [
        (KeyError, "unknown product 'w9'", {"product": "w9"}),
        (TypeError, "w8a8_int8 needs weight_scale, of shape", {"weight_scale": None}),
        (TypeError, "group_scale means nothing for w8a8_int8; it takes: weight_scale, token_scale", {"group_scale": 1}),
        (ValueError, r"token_scale has shape \(2,\); w8a8_int8 takes \(1,\)", {"token_scale": np.ones(2)}),
        (ValueError, "token_scale is no float32 number", {"token_scale": [0.1]}),
        (ValueError, r"weight_scale\[1\] is inf; scales are finite", {"weight_scale": [1, np.inf]}),
        (TypeError, "weight_scale must be float32 numbers, not bool", {"weight_scale": [True, False]}),
        (TypeError, "a must hold codes of int8, integers, not float64", {"a": np.zeros((1, 32))}),
        (ValueError, "w: code -1 at .* does not fit int8", {"w": np.full((2, 32), -1)}),
        (ValueError, r"a needs two axes, \(M, K\) and \(N, K\); its shape is \(32,\)", {"a": np.zeros(32, int)}),
        (ValueError, "a has K=16 columns and w 32", {"a": np.zeros((1, 16), int)}),
        (ValueError, "split.depth=16 must be a multiple of 32", {"split": StreamK(depth=16)}),
    ],
)
def test_arguments_that_do_not_fit_are_named(error, message, change):
    stated = {"a": ZEROS[0], "w": ZEROS[1], "product": "w8a8_int8", **GIVEN, **change}
    with pytest.raises(error, match=message):
        scaled_matmul(stated.pop("a"), stated.pop("w"), **stated)


@pytest.mark.parametrize(
    ("error", "message", "change"),
    [
        (TypeError, "w8a8_int8 needs token_scale", {"token_scale": None}),
        (TypeError, "tensor_scale means nothing for w8a8_int8", {"tensor_scale": 1}),
        (ValueError, "a has K=3 codes and w 2", {"a": [0] * 3}),
        (ValueError, "weight_scale=1/3 is no float32 number", {"weight_scale": Fraction(1, 3)}),
        (ValueError, "scales are finite numbers, not nan", {"weight_scale": float("nan")}),
        (ValueError, r"cuts=\[0, 16\] must rise from 0 to at least K=2 in multiples of 32", {"cuts": [0, 16]}),
        (ValueError, r"cuts=\[0, 32, 32\] must rise", {"cuts": [0, 32, 32]}),
        (ValueError, r"cuts=\[32, 64\] must rise", {"cuts": [32, 64]}),
        (ValueError, r"cuts=\[0\] must rise", {"cuts": [0]}),
    ],
)
def test_the_judge_names_what_does_not_fit(error, message, change):
    stated = {"a": [0] * 2, "w": [0] * 2, "product": "w8a8_int8", "weight_scale": 1, "token_scale": 1, **change}
    with pytest.raises(error, match=message):
        scaled_dot(stated.pop("a"), stated.pop("w"), **stated)


@pytest.mark.parametrize("count", [0, 2])
def test_the_judge_counts_groups(count):
    with pytest.raises(ValueError, match=f"takes 1 codes of float8_e8m0fnu for K=32, not {count}"):
        scaled_dot([0] * 32, [0] * 32, product="mxfp4_e4m3", group_scales=[127] * count, token_scale=1)
    with pytest.raises(ValueError, match=f"takes 1 a_scales for K=32, not {count}"):
        scaled_dot([0] * 32, [0] * 32, product="w8a8_fp8_block128", group_scales=[0], a_scales=[1] * count)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"multiplier": [1 << 31]}, ValueError, r"multiplier must lie in \[1073741824, 2147483647\]"),
        ({"multiplier": [1]}, ValueError, r"multiplier must lie in"),
        ({"shift": [63]}, ValueError, r"shift must lie in \[0, 62\]; it holds 63 and 63"),
        ({"shift": [1.0]}, TypeError, "shift must hold integers, not float64"),
        ({"shift": [0]}, OverflowError, "product in hawq_v3_tvm needs 81 bits; it has 64"),
    ],
)
def test_ratios_of_a_requantiser(change, error, message):
    terms = {"multiplier": [1 << 30], "shift": [30], **change}
    with pytest.raises(error, match=message):
        scaled_matmul([[127] * 32], [[127] * 32], product="w8a8_int8_dyadic", **terms)
    if error is not TypeError and "multiplier" not in change:
        with pytest.raises(error):
            scaled_dot([127] * 32, [127] * 32, product="w8a8_int8_dyadic", multiplier=1 << 30, shift=change["shift"][0])


def test_every_code_of_a_scale_is_finite_or_refused():
    for name in {scaled_product(name).group_scale for name in scaled_products()} - {None, "float32"}:
        wrong = set(range(1 << value_format(name).bits)) - set(finite_codes(name).tolist())
        product = next(p for p in map(scaled_product, scaled_products()) if p.group_scale == name)
        a, w, terms = case(product, 1, 1, product.unit, np.random.default_rng(0))
        for code in list(wrong)[:3]:
            with pytest.raises(ValueError, match="scales are finite numbers"):
                scaled_matmul(a, w, product=product, **{**terms, "group_scale": terms["group_scale"] * 0 + code})
