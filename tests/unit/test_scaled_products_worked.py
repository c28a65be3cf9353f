"""Products with quantised weights worked by hand, and the published vectors of QQQ."""

from __future__ import annotations

import numpy as np
import pytest

import reference
from formats.products import scaled_product
from reference.exact.scaled_product import scaled_dot
from reference.products.fold import times
from reference.products.weights import missing_weights, weight_table
from reference.scaled_product import scaled_matmul

QQQ_CHANNEL, QQQ_GROUP = "w4a8_qqq_channel", "w4a8_qqq_g128"


def byte(number: int) -> int:
    return number & 0xFF


def nibble(number: int) -> int:
    return number & 0xF


def sigma(number: float) -> int:
    code = reference.encode(number, "float16", rounding="nearest_ties_to_even", saturation="sat_none")
    assert reference.decode(code, "float16") == number
    return int(code)


def test_qqq_per_channel():
    """x and w of the example become these codes; their dot product is 408."""
    a, c = [32, -64, 16, 95, -8, 24, 127, -48], [7, -4, 1, 0, -7, 2, 0, 4]
    scales = {"weight_scale": np.uint32(0x3DCCDB6E).view(np.float32), "token_scale": np.float32(0.031494140625)}
    x, w = [byte(n) for n in a], [nibble(n) for n in c]
    assert sum(p * q for p, q in zip(a, c, strict=True)) == 408
    assert scaled_dot(x, w, product=QQQ_CHANNEL, **{name: float(s) for name, s in scales.items()}) == 0x3D24
    found = scaled_matmul([x], [w], product=QQQ_CHANNEL, **{name: [s] for name, s in scales.items()})
    assert found.tolist() == [[0x3D24]]


@pytest.mark.parametrize(
    ("scale", "integers"),
    [
        (11.296875, [-90, -79, -68, -56, -45, -34, -23, -11, 0, 11, 23, 34, 45, 56, 68, 79]),
        (9.5, [-76, -66, -57, -48, -38, -28, -19, -10, 0, 10, 19, 28, 38, 48, 57, 66]),
    ],
)
def test_qqq_requantised_weights(scale, integers):
    codes = [nibble(n) for n in range(-8, 8)]
    assert weight_table(scaled_product(QQQ_GROUP))[codes, sigma(scale)].view(np.int8).tolist() == integers
    for code, integer in zip(codes, integers, strict=True):
        y = scaled_dot([1], [code], product=QQQ_GROUP, group_scales=[sigma(scale)], weight_scale=1, token_scale=1)
        assert reference.decode(y, "float16") == integer


def test_qqq_two_groups():
    scales = [sigma(15.875), sigma(5.32421875)]
    w = np.zeros((1, 256), np.uint8)
    w[0, :4], w[0, 128:132] = [nibble(n) for n in (-8, 7, 3, 0)], [nibble(n) for n in (5, -6, 1, 7)]
    expected = [-127, 111, 48, 0, 27, -32, 5, 37]
    for k, weight in zip((0, 1, 2, 3, 128, 129, 130, 131), expected, strict=True):
        a = np.zeros((1, 256), np.uint8)
        a[0, k] = 1
        y = scaled_matmul(a, w, product=QQQ_GROUP, group_scale=[scales], weight_scale=[1], token_scale=[1])
        assert reference.decode(y, "float16").item() == weight


@pytest.mark.parametrize(("scale", "weight"), [(16.125, -8), (18.25, 7)])
def test_qqq_products_that_no_byte_holds(scale, weight):
    stated = {"product": QQQ_GROUP, "weight_scale": [1], "token_scale": [1]}
    with pytest.raises(ValueError, match=rf"w\[0, 0\] is {weight}.* and its scale {scale}.*no such weight"):
        scaled_matmul([[1]], [[nibble(weight)]], group_scale=[[sigma(scale)]], **stated)
    with pytest.raises(ValueError, match=r"outside of \[-128.25, 127.5\)"):
        scaled_dot([1], [nibble(weight)], product=QQQ_GROUP, group_scales=[sigma(scale)], weight_scale=1, token_scale=1)


def test_qqq_bytes_are_those_of_its_float16_fma():
    """``t = w sigma + 1152`` has the integer in its low byte, but for the sign bit: every code, every sigma."""
    product, codes = scaled_product(QQQ_GROUP), np.arange(1 << 16, dtype=np.uint16)
    table, missing = weight_table(product), missing_weights(product)
    whole = [
        reference.encode(float(n), "float16", rounding="nearest_ties_to_even", saturation="sat_none")
        for n in (*range(8), *range(-8, 0))
    ]
    base = sigma(1152.0)
    policy = {"rounding": "nearest_ties_to_even", "saturation": "sat_none"}
    for w in range(16):
        t = reference.fma(
            np.full_like(codes, whole[w]), codes, np.full_like(codes, base), formats="float16", out="float16", **policy
        )
        bytes_ = (t & 0xFF) ^ 0x80
        np.testing.assert_array_equal(bytes_[~missing[w]], table[w][~missing[w]])
    positive = codes[1 : 0x4C8D + 1]  # up to the nearest one to 18.2
    assert positive[-1] == reference.encode(18.2, "float16", rounding="nearest_ties_to_even", saturation="sat_none")
    assert (~missing[:, positive]).sum() == 313_413


def test_sixteen_times_the_weight_and_a_sixteenth_of_the_scale():
    """The kernel of QQQ multiplies 16 w; the scale is a sixteenth: the same bits, unless that is subnormal."""
    rng = np.random.default_rng(0)
    acc = rng.integers(-(1 << 26), 1 << 26, 4096)
    scale = np.exp(rng.standard_normal(4096)).astype(np.float32)

    def product(integers, scales):
        words = [x.astype(np.float32).view(np.uint32) for x in (integers, scales)]
        return times(words[0], words[1])

    np.testing.assert_array_equal(product(16 * acc, scale / np.float32(16)), product(acc, scale))
    small = np.array([0x00800001], np.uint32).view(np.float32)
    assert product(np.array([112]), small / np.float32(16)) != product(np.array([7]), small)


def test_one_group_of_mxfp4():
    """Two weights, 1.5 and -6, under the scale 2^-3, with the activations 2 and 0.5: (3 - 3) / 8, and one more."""
    a, w = np.zeros((1, 64), np.uint8), np.zeros((1, 64), np.uint8)
    a[0, [0, 1, 32]], w[0, [0, 1, 32]] = [0x40, 0x30, 0x38], [0x3, 0xF, 0x1]  # the second group: 1 times 0.5
    y = scaled_matmul(a, w, product="mxfp4_e4m3", group_scale=[[124, 130]], token_scale=[3])
    assert y.tolist() == [[0x4140]]  # 0 / 8 + 0.5 * 8, times 3
    y = scaled_matmul(a[:, :32], w[:, :32], product="mxfp4_e4m3", group_scale=[[124]], token_scale=[3])
    assert y.tolist() == [[0]]


def test_zero_point_of_each_group():
    """(9 - 8) * 1 * 2 + (3 - 15) * 1 * 0.5 in bfloat16 is -4."""
    a, w = np.zeros((1, 256), np.uint16), np.full((1, 256), 8, np.uint8)
    a[0, [0, 128]], w[0, [0, 128]] = 0x3F80, [9, 3]
    found = scaled_matmul(a, w, product="w4a16_g128_zero", group_scale=[[0x4000, 0x3F00]], zero_point=[[8, 15]])
    assert found.tolist() == [[0xC080]]


def test_scales_of_both_operands_of_blocks():
    """1 * 1 under 2 * 3, and 2 * 1 under 5 * 7, of which the second block of 128 rows has 11 in place of 5."""
    a, w = np.zeros((1, 256), np.uint8), np.zeros((129, 256), np.uint8)
    a[0, [0, 128]], w[:, [0, 128]] = [0x38, 0x40], 0x38
    scales = np.float32([[2, 5], [2, 11]])
    y = scaled_matmul(a, w, product="w8a8_fp8_block128", group_scale=scales, a_scale=[[3, 7]])
    assert reference.decode(y[0, [0, 127, 128]], "bfloat16").tolist() == [76, 76, 160]


def test_a_dyadic_output():
    """100 * 3 / 8 = 37.5 goes away from zero, 100 * -3 / 8 too; 127 saturates."""
    w = np.array([[3], [byte(-3)], [127]], np.uint8)
    terms = {"multiplier": [1 << 30] * 3, "shift": [33, 33, 31]}
    found = scaled_matmul([[100]], w, product="w8a8_int8_dyadic", **terms)
    assert found.view(np.int8).tolist() == [[38, -38, 127]]


def test_beyond_float16_is_infinity_and_a_nan_has_every_bit():
    terms = {"weight_scale": [1], "token_scale": [5.0]}
    assert scaled_matmul([[127]], [[7]], product=QQQ_CHANNEL, **terms).tolist() == [[0x6C57]]
    terms["token_scale"] = [100.0]
    assert scaled_matmul([[127]], [[7]], product=QQQ_CHANNEL, **terms).tolist() == [[0x7C00]]
    found = scaled_matmul([[0x7F80, 0x7F80]], [[1, 0xF]], product="w4a16_channel", weight_scale=[1])
    assert found.tolist() == [[0x7FFF]]


def test_the_filling_of_k_turns_a_negative_zero():
    """A tiny negative sum rounds to -0; one more chain of zeros makes it +0, as adding +0 does."""
    product, w = "mxfp4_bf16", np.zeros((1, 32), np.uint8)
    w[0, 0] = 0x9  # -0.5
    bf16 = np.zeros((1, 32), np.uint16)
    bf16[0, 0] = 0x0200  # 2^-123, times -0.5 times 2^-127
    alone = scaled_matmul(bf16, w, product=product, group_scale=[[0]])
    wide = [np.pad(x, ((0, 0), (0, 1))) for x in (bf16, w)]
    more = scaled_matmul(*wide, product=product, group_scale=[[0, 127]])
    assert (alone.item(), more.item()) == (0x8000, 0)
    assert scaled_dot(bf16[0].tolist(), w[0].tolist(), product=product, group_scales=[0]) == 0x8000
    assert scaled_dot(bf16[0].tolist(), w[0].tolist(), product=product, group_scales=[0], cuts=[0, 64]) == 0
