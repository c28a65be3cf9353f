"""The judge of dot products: random bits, integers of any width, wrong use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import formats
from formats import Accumulator, Rounding, SequentialSum
from reference.exact.dot import dot

F16 = {"a_format": "float16", "b_format": "float16"}
INT8 = {"a_format": "int8", "b_format": "int8"}
H1 = 0x3C00  #: 1 in float16


class TestStochastic:
    """`SequentialSum` with random bits: one number for each addition."""

    @staticmethod
    def rule(rounding):
        summation = SequentialSum(
            output=formats.get("bfloat16"), rounding=Rounding(rounding), fused=True, random_bit_count=4
        )
        return Accumulator(name="demo", summation=summation, source="an example")

    @pytest.mark.parametrize(
        ("addend", "ups"),
        [
            (0x3B30, {"stochastic_a": 5, "stochastic_b": 6, "stochastic_c": 6}),  # 11/32 of the last place: 5.5 of 16
            (0x3B10, {"stochastic_a": 4, "stochastic_b": 5, "stochastic_c": 4}),  # 9/32: 4.5 of 16
        ],
    )
    def test_every_draw(self, addend, ups):
        for rounding, count in ups.items():
            options = {"accumulator": self.rule(rounding), "a_format": "bfloat16", "b_format": "bfloat16"}
            results = [dot([0x3F80], [addend], 0x3F80, random_bits=[r], **options) for r in range(16)]
            assert results == [0x3F80] * (16 - count) + [0x3F81] * count

    def test_draw_k_goes_with_product_k(self):
        options = {"accumulator": self.rule("stochastic_a"), "a_format": "bfloat16", "b_format": "bfloat16"}
        up = dot([0x3F80] * 2, [0x3B30] * 2, 0x3F80, random_bits=[15, 0], **options)
        assert up == dot([0x3F80], [0x3B30], 0x3F80, random_bits=[15], **options) == 0x3F81

    def test_bits_are_asked_for_counted_and_refused(self):
        options = {"accumulator": self.rule("stochastic_b"), **F16}
        with pytest.raises(TypeError, match="demo rounds stochastically; state random_bits, one for each of K=2"):
            dot([H1] * 2, [H1] * 2, **options)
        with pytest.raises(ValueError, match="random_bits has 1 numbers; demo draws one for each of K=2"):
            dot([H1] * 2, [H1] * 2, random_bits=[3], **options)
        with pytest.raises(ValueError, match=r"random_bits=16 must lie in \[0, 2\^4\)"):
            dot([H1], [H1], random_bits=[16], **options)
        with pytest.raises(ValueError, match=r"random_bits mean nothing for fma\.f32"):
            dot([H1], [H1], accumulator="fma.f32", random_bits=[3], **F16)


class TestIntegers:
    @given(
        pairs=st.lists(st.tuples(st.integers(-128, 127), st.integers(-128, 127)), min_size=1, max_size=40),
        c=st.integers(-(2**31), 2**31 - 1),
        bits=st.integers(2, 32),
    )
    def test_any_width(self, pairs, c, bits):
        a, b = ([x % 256 for x in side] for side in zip(*pairs, strict=True))
        c = (c + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
        total, top = c + sum(x * y for x, y in pairs), 2 ** (bits - 1)
        for mode, expected in (("wrap", total), ("sat_finite", min(max(total, -top), top - 1))):
            got = dot(a, b, c % 2**bits, accumulator=f"int{bits}.{mode}", **INT8)
            assert got == expected % 2**bits

    def test_an_instruction_clamps_after_every_step(self):
        a, b = [127] * 32 + [0x81] * 32, [127] * 64
        largest = 0x7FFFFFFF
        assert dot(a, b, largest, accumulator="hopper.wgmma.k32.s32.s8.s8.sat") == largest - 32 * 127 * 127
        assert dot(a, b, largest, accumulator="hopper.wgmma.k32.s32.s8.s8") == largest
        assert dot(a, b, largest, accumulator="int32.sat_finite", **INT8) == largest


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"accumulator": "hopper.wgmma.k32.f32.e4m3.e4m3"}, ValueError, "K=2 codes and b 2; both .* multiple of k=32"),
        ({"accumulator": "exact.f32", "b": [1], **F16}, ValueError, "a has K=2 codes and b 1"),
        ({"accumulator": "exact.f32", "a": [], "b": [], **F16}, ValueError, "a has K=0 codes"),
        ({"accumulator": "exact.f32"}, TypeError, r"exact\.f32 takes any operands; state a_format"),
        ({"accumulator": "exact.f32", "a_format": "int8"}, TypeError, r"exact\.f32 takes any operands; state b_format"),
        (
            {"accumulator": "ampere.mma.m16n8k8.f32.f16", "b_format": "bfloat16"},
            ValueError,
            "b_format='bfloat16', but ampere.* takes 'float16'",
        ),
        ({"accumulator": "int32.wrap", **F16}, ValueError, "plain integer operands, not float16 and float16"),
        (
            {"accumulator": "int32.wrap", "a_format": "int8", "b_format": "mxint8"},
            ValueError,
            "plain integer operands, not int8 and mxint8",
        ),
        ({"accumulator": "exact.f32", "a": [0x10000, 0], **F16}, ValueError, "code 0x10000 does not fit float16"),
        ({"accumulator": "exact.f16", "c": 0x10000, **F16}, ValueError, "code 0x10000 does not fit float16"),
        ({"accumulator": "exact.f33", **F16}, KeyError, r"unknown accumulator 'exact\.f33'; near it: exact"),
        ({"accumulator": "exact.f32", "a_format": "float17", "b_format": "int8"}, KeyError, "unknown format 'float17'"),
    ],
)
def test_wrong_use_is_named(options, error, message):
    with pytest.raises(error, match=message):
        dot(**{"a": [0, 0], "b": [0, 0], **options})


def test_units_of_floats_take_no_integers():
    step = formats.accumulator("ampere.mma.m16n8k8.f32.f16").summation
    rule = Accumulator(name="demo", summation=step, source="an example")
    with pytest.raises(ValueError, match="matrix units of floats take float operands, not int8 and int8"):
        dot([1], [1], accumulator=rule, **INT8)
