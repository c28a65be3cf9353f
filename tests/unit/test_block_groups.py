"""Block formats and rules of one's own: zero points, offsets, two levels, random bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from block_cases import X, assert_judged, exact, judged_values, quantized

import formats
import kernels_ref
import reference
from formats import Rounding
from formats.block_formats.named import block
from formats.block_formats.rules import block_rule
from formats.block_formats.spec import BlockSpec, Form, Level, Shift
from formats.block_formats.steps import Given, div, mul, sub
from formats.code_books.element import element_book
from reference.blocks import BlockTensor, dequantize_blocks, quantize_blocks
from reference.exact.block import quantize_block


class TestGenericGroups:
    """Formats and rules of one's own: what the records can say, every executor does."""

    def spec(self, **changes):
        fields = {"name": "own", "element": formats.get("uint4"), "block": (16,), "source": "a test"}
        return BlockSpec(**{**fields, "scale": Level(format=formats.get("float16")), **changes})

    @pytest.mark.parametrize("zero", ["uint4", "float16", "bfloat16"])
    @pytest.mark.parametrize("seed", range(4))
    def test_zero_points_in_integer_and_float(self, zero, seed):
        x = (np.random.default_rng(seed).standard_normal((4, 16)) + 0.3 * seed).astype(np.float32)
        spec = self.spec(shift=Level(format=formats.get(zero)), shift_kind=Shift.ZERO_POINT)
        tensor = quantized(x, spec, "minmax_zero_point")
        back = dequantize_blocks(tensor, "float64")
        assert [exact(v) for v in back.reshape(-1)] == judged_values(tensor).reshape(-1).tolist()
        steps = reference.decode(tensor.scales, "float16")
        assert (np.abs(back - x) <= steps * 1.01).all()

    @pytest.mark.parametrize("quantize", [quantize_blocks, kernels_ref.quantize_blocks])
    def test_zero_point_over_a_scale_that_was_rounded_to_zero_is_refused(self, quantize):
        """2^-22 / 15 is less than half of float16's smallest subnormal: 0 / 0, which was once stored as code 0."""
        x = np.full((1, 128), 2.0**-22, np.float32)
        with pytest.raises(ValueError, match=r"shift of block \[0, 0\] is NaN, which uint4 cannot store"):
            quantize(x, "uint4_g128", rule="minmax_zero_point")
        with pytest.raises(ValueError, match="uint4 has no NaN"):
            quantize_block([exact(v) for v in x[0]], block("uint4_g128"), block_rule("minmax_zero_point"))

    @pytest.mark.parametrize("kind", [Shift.OFFSET, Shift.SUBTRACTED])
    @pytest.mark.parametrize("offset", ["float16", "bfloat16", formats.FLOAT32])
    def test_offsets(self, kind, offset):
        rule = block_rule("minmax_offset")
        if kind is Shift.SUBTRACTED:
            rule = replace(rule, name="subtracted", shift=sub(0, Given.LOW))
        spec = self.spec(shift=Level(format=formats.get(offset)), shift_kind=kind)
        x = np.random.default_rng(3).standard_normal((6, 16)).astype(np.float32)
        x[1] *= np.float32(2.0**-40)
        x[2, 0] = 2.0**-60  # the difference to the least element does not fit binary32
        tensor = quantized(x, spec, rule)
        back = dequantize_blocks(tensor)
        for value, due in zip(back.reshape(-1), judged_values(tensor).reshape(-1), strict=True):
            code = reference.exact.encode(due, formats.FLOAT32, rounding="nearest_ties_to_even", saturation="sat_none")
            assert exact(value) == reference.exact.decode(code, formats.FLOAT32)

    @pytest.mark.parametrize("form", Form)
    def test_second_level_numbers_for_some_blocks(self, form):
        """Integer scales under a float16 number for four blocks each, in a row of ten."""
        level = Level(format=formats.get("uint8"), second=formats.get("float16"), per=4, form=form)
        spec = self.spec(element=formats.get("int4"), block=(8,), scale=level)
        share = div(Given.TENSOR_ABSMAX, 7 * 255)
        rule = replace(
            block_rule("absmax"),
            name="two_levels",
            second=share if form is Form.MULTIPLIER else div(7 * 255, Given.TENSOR_ABSMAX),
            zero_second=1.0,
            scale=div(div(Given.ABSMAX, 7), Given.SECOND)
            if form is Form.MULTIPLIER
            else mul(div(Given.ABSMAX, 7), Given.SECOND),
            quotient=div(Given.X, mul(Given.SCALE, Given.SECOND))
            if form is Form.MULTIPLIER
            else div(mul(Given.X, Given.SECOND), Given.SCALE),
        )
        x = np.random.default_rng(4).standard_normal((3, 80)).astype(np.float32)
        x[:, 32:64] *= 100
        tensor = quantize_blocks(x, spec, rule=rule, ragged="short")
        assert (tensor.scales.shape, tensor.second.shape) == ((3, 10), (3, 3))
        for row in range(3):
            for shared in range(3):
                part = slice(shared * 32, shared * 32 + 32)
                alone = quantize_blocks(x[row, part], replace(spec, scale=replace(level, per=None)), rule=rule)
                assert alone.second == tensor.second[row, shared]
                np.testing.assert_array_equal(alone.codes, tensor.codes[row, part])
                assert_judged(alone, x[row, part], rule)
                known = quantize_blocks(x[row, part], alone.spec, rule=rule, second=tensor.second[row, shared] * 2)
                assert_judged(known, x[row, part], rule, tensor.second[row, shared] * 2)
                np.testing.assert_array_equal(dequantize_blocks(alone), dequantize_blocks(tensor)[row, part])

    def test_known_second_numbers_for_some_blocks(self):
        """Each where it belongs; they are numbers of their format."""
        level = Level(format=formats.get("float8_e4m3fn"), second=formats.get("float16"), per=2)
        spec = self.spec(element=formats.get("float4_e2m1fn"), block=(4,), scale=level)
        x = np.float32([[6, -3, 0.5, 0.3] * 3, [3, 1.5, 12, -24] * 3])
        second = np.float32([[1 / 64, 1 / 32], [4, 2]])
        tensor = quantize_blocks(x, spec, rule="torchao_nvfp4", ragged="short", second=second)
        np.testing.assert_array_equal(tensor.second, second)
        assert reference.decode(tensor.scales, "float8_e4m3fn").tolist() == [[64, 64, 32], [1, 1, 2]]
        second[1, 0] = 1 / 3
        with pytest.raises(ValueError, match=r"second\[1, 0\] = 0.33\d+ is no positive finite number of float16"):
            quantize_blocks(x, spec, rule="torchao_nvfp4", ragged="short", second=second)
        with pytest.raises(ValueError, match=r"second has shape \(\); x of shape \(2, 12\) goes with \(2, 2\)"):
            quantize_blocks(x, spec, rule="torchao_nvfp4", ragged="short", second=1.0)

    def test_two_levels_of_scale_and_of_shift(self):
        """The values of a k-quant: ``d * sc * q - dmin * m``."""
        level = Level(format=formats.get("uint8"), second=formats.get("float16"), per=2)
        spec = self.spec(block=(2,), scale=level, shift=level, shift_kind=Shift.SUBTRACTED)
        tensor = BlockTensor(
            spec=spec,
            codes=np.array([1, 15, 7, 3]),
            scales=np.array([63, 2]),
            second=np.float32([0.5]),
            shifts=np.array([9, 0]),
            shift_second=np.float32([0.25]),
        )
        assert dequantize_blocks(tensor).tolist() == [31.5 - 2.25, 472.5 - 2.25, 7, 3]

    def test_a_quotient_from_the_ends_of_the_block(self):
        """Every element over the greatest of its block, whatever the scale says."""
        rule = replace(block_rule("absmax"), name="of_the_greatest", quotient=mul(div(Given.X, Given.HIGH), 7))
        x = np.float32([[1.0, -3.5, 7.0, 2.0] * 4, [0.5, 0.25, -1.0, 0.125] * 4])
        tensor = quantized(x, self.spec(element=formats.get("int4")), rule)
        assert reference.decode(tensor.codes[:, :4], "int4").tolist() == [[1, -4, 7, 2], [7, 4, -8, 2]]

    def test_float_elements_under_float_scales(self):
        for element in ("float8_e5m2", "float6_e3m2fn", "int8", "float8_e4m3fn"):
            for scale in ("bfloat16", "float8_e5m2", "float7_ue4m3fn", formats.FLOAT32):
                spec = self.spec(element=formats.get(element), scale=Level(format=formats.get(scale)))
                x = (np.random.default_rng(5).standard_normal((2, 16)) * 0.01).astype(np.float32)
                quantized(x, spec, "absmax")

    def test_stochastic_rounding(self):
        rng = np.random.default_rng(6)
        x = rng.standard_normal((4, 32)).astype(np.float32)
        bits = rng.integers(0, 1 << 8, x.shape)
        for mode in (m for m in Rounding if m.is_stochastic):
            for fmt, name in (("mxfp4", "floor"), ("int8_g32", "absmax"), ("uint4_g32_offset", "minmax_offset")):
                rule = replace(block_rule(name), rounding=mode)
                tensor = quantize_blocks(x, fmt, rule=rule, random_bits=bits, random_bit_count=8)
                for row in range(4):
                    made = quantize_block(
                        [exact(v) for v in x[row]],
                        tensor.spec,
                        rule,
                        random_bits=bits[row].tolist(),
                        random_bit_count=8,
                    )
                    assert made.codes == tensor.codes[row].tolist()

    def test_random_bits_are_asked_for_and_refused(self):
        rule = replace(block_rule("floor"), rounding=Rounding.STOCHASTIC_A)
        with pytest.raises(TypeError, match="needs random_bits and random_bit_count"):
            quantize_blocks(X, "mxfp4", rule=rule)
        with pytest.raises(TypeError, match="a stochastic rounding needs random_bits"):
            quantize_blocks(X, "mxfp4", rule=rule, random_bit_count=8)
        with pytest.raises(ValueError, match="random_bits mean nothing for rule 'floor'"):
            quantize_blocks(X, "mxfp4", rule="floor", random_bits=np.zeros(32, np.int32))


class TestRecords:
    """What a record refuses."""

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"block": ()}, r"BlockSpec 'mxfp4': block=\(\) must be extents of 1 or more"),
            ({"block": (32, 0)}, r"block=\(32, 0\) must be extents of 1 or more"),
            ({"shift_kind": Shift.OFFSET}, "shift and shift_kind go together"),
        ],
    )
    def test_block_formats(self, changes, match):
        with pytest.raises(ValueError, match=match):
            replace(block("mxfp4"), **changes)

    def test_levels(self):
        with pytest.raises(ValueError, match="per=4 must be 1 or more, and needs a second format"):
            Level(format=formats.get("e8m0"), per=4)
        with pytest.raises(ValueError, match="per=0 must be 1 or more"):
            Level(format=formats.get("e8m0"), second=formats.FLOAT32, per=0)

    def test_storage(self):
        bits = {"mxfp8_e4m3": 8.25, "mxfp4": 4.25, "nvfp4": 4.5, "deepseek_1x128": 8.25, "uint4_g32_offset": 5.0}
        assert {name: block(name).bits_per_element for name in bits} == bits

    @pytest.mark.parametrize("name", ["float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn", "float3_e2m0"])
    def test_the_code_book_of_a_format_has_its_values(self, name):
        spec = formats.get(name)
        book = element_book(spec)
        assert [book.fraction(code) for code in range(book.size)] == [
            reference.exact.decode(code, spec) for code in range(1 << spec.bits)
        ]
        assert book.negative_zero == spec.sign_code

    @pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float16", "e8m0"])
    def test_formats_with_other_codes_have_no_code_book(self, name):
        with pytest.raises(ValueError, match="is no float format of at most 8 bits whose codes are all numbers"):
            element_book(formats.get(name))
