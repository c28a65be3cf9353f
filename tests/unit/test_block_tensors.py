"""Zero blocks, NaN and infinity, ragged ends, dtypes, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from block_cases import PAIRS, X, assert_judged, element_values, exact, judged_values, quantized

import formats
import reference
from formats import NanRule
from formats.block_formats.named import block
from formats.block_formats.rule import NonFinite
from formats.block_formats.rules import block_rule
from formats.block_formats.spec import Level
from formats.block_formats.steps import Given, minimum
from reference.blocks import BlockTensor, dequantize_blocks, quantize_blocks
from reference.exact.block import quantize_block

#: rules that leave a block of zeros without codes in this format
TOO_COARSE = [("nvfp4_untied", "deepseek_v3"), ("nvfp4_untied", "deepgemm")]


@pytest.mark.parametrize(("fmt", "rule"), [pair for pair in PAIRS if pair not in TOO_COARSE])
def test_zeros(fmt, rule):
    """A block of zeros decodes to zeros wherever format and rule go together, beside numbers too."""
    spec = block(fmt)
    x = np.zeros((2 * spec.block[0], 2 * spec.block[-1]), np.float32)
    for fill in (0.0, 1.5):
        x[0, -1] = fill
        assert not dequantize_blocks(quantize_blocks(x, fmt, rule=rule)).reshape(-1)[: spec.block[-1]].any()


@pytest.mark.parametrize(("fmt", "rule"), TOO_COARSE)
def test_a_scale_that_becomes_0_without_a_rule_for_it(fmt, rule):
    """1e-4 / 6 is 0 in E4M3, and E2M1 has no code for 0 / 0."""
    with pytest.raises(ValueError, match=r"x\[0, 0\] over its scale is NaN, but float4_e2m1fn has no NaN"):
        quantize_blocks(np.zeros((1, 16), np.float32), fmt, rule=rule)


NAN, INF = np.float32(np.nan), np.float32(np.inf)


class TestSpecials:
    @pytest.mark.parametrize("value", [NAN, INF, -INF])
    @pytest.mark.parametrize("fmt", ["mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e2m3", "mxfp4", "mxint8"])
    def test_a_nan_scale_for_the_whole_block(self, fmt, value):
        x = np.concatenate([X, X])
        x[40] = value
        tensor = quantized(x, fmt, "floor")
        assert tensor.scales.tolist()[1] == 255
        assert int(tensor.scales[0]) == int(quantize_blocks(X, fmt, rule="floor").scales[0])
        nan_code = getattr(tensor.spec.element, "nan_code", None)
        assert set(tensor.codes[32:].tolist()) == {0 if nan_code is None else nan_code}
        values = dequantize_blocks(tensor)
        assert np.isnan(values[32:]).all()
        assert not np.isnan(values[:32]).any()

    def test_the_largest_scale_for_infinity(self):
        x = X.copy()
        x[3] = -INF
        tensor = quantized(x, "mxfp8_e4m3", "transformer_engine_mxfp8")
        assert int(tensor.scales[0]) == 254
        assert element_values(tensor)[3] == -448

    def test_nan_goes_before_infinity(self):
        x = X.copy()
        x[3], x[9] = INF, NAN
        assert int(quantized(x, "mxfp8_e4m3", "transformer_engine_mxfp8").scales[0]) == 255

    @pytest.mark.parametrize("value", [NAN, INF])
    def test_refused(self, value):
        x = np.stack([X, X])
        x[1, 7] = value
        with pytest.raises(ValueError, match=rf"x\[1, 7\] = {value}, which rule 'ggml_mxfp4' refuses"):
            quantize_blocks(x, "mxfp4", rule="ggml_mxfp4")
        with pytest.raises(ValueError, match=rf"x\[7\] = {value}, which rule 'ggml_mxfp4' refuses"):
            quantize_block([exact(v) for v in x[1]], block("mxfp4"), block_rule("ggml_mxfp4"))

    def test_nan_beside_the_largest_scale_needs_a_rule(self):
        rule = replace(block_rule("floor"), name="mine", nan_in_block=NonFinite.LARGEST_SCALE, nan=None)
        x = X.copy()
        x[3] = NAN
        with pytest.raises(ValueError, match=r"x\[3\] over its scale is NaN, but float4_e2m1fn has no NaN"):
            quantize_blocks(x, "mxfp4", rule=rule)
        with pytest.raises(ValueError, match="float4_e2m1fn has no NaN"):
            quantize_block([exact(v) for v in x], block("mxfp4"), rule)
        tensor = quantized(x, "mxfp4", replace(rule, nan=NanRule.MINIMUM))
        assert (int(tensor.scales[0]), element_values(tensor)[3]) == (254, -6)

    def test_a_nan_scale_must_have_a_code(self):
        with pytest.raises(ValueError, match="uint8 has no NaN for a scale"):
            quantize_blocks(X, replace(block("mxfp4"), scale=Level(format=formats.get("uint8"))), rule="floor")

    @pytest.mark.parametrize("fmt", ["mxfp8_e4m3", "mxfp4", "mxint8"])
    def test_smallest_and_largest_numbers(self, fmt):
        smallest, largest = np.float32(2.0**-149), np.finfo(np.float32).max
        for rule in ("floor", "ceil", "rceil", "even", "microxcaling"):
            x = np.zeros((4, 32), np.float32)
            x[0, 0], x[1, 0], x[2, 0], x[3, 0] = smallest, largest, -largest, np.float32(2.0**-126)
            x[1:, 1] = smallest
            quantized(x, fmt, rule)


def test_scale_codes_0_and_255():
    codes = np.arange(16, dtype=np.uint8)
    spec = replace(block("mxfp4"), block=(16,))
    values = dequantize_blocks(
        BlockTensor(spec=spec, codes=np.stack([codes] * 3), scales=np.array([[0], [254], [255]]))
    )
    np.testing.assert_array_equal(values[0], reference.decode(codes, "e2m1") * np.float32(2.0**-127))
    assert values[1, 7] == INF  # 6 * 2^127
    assert values[1, 1] == np.float32(2.0**126)
    assert np.isnan(values[2]).all()


class TestRagged:
    def test_short_blocks_pad_nothing(self):
        rng = np.random.default_rng(0)
        for fmt, shape in (("mxfp4", (3, 45)), ("nvfp4", (2, 17)), ("deepseek_128x128", (130, 5))):
            x = rng.standard_normal(shape).astype(np.float32)
            rule = {"mxfp4": "floor", "nvfp4": "torchao_nvfp4", "deepseek_128x128": "deepseek_v3"}[fmt]
            tensor = quantized(x, fmt, rule, ragged="short")
            assert tensor.codes.shape == shape
            tail = quantize_blocks(x[:, 32:], fmt, rule=rule, ragged="short") if fmt == "mxfp4" else None
            assert tail is None or tail.scales.tolist() == tensor.scales[:, 1:].tolist()

    def test_refused_by_default(self):
        match = r"x of shape \(2, 45\) is not cut evenly into blocks of \(32,\); ragged='short' lets the last ones"
        with pytest.raises(ValueError, match=match):
            quantize_blocks(np.zeros((2, 45), np.float32), "mxfp4", rule="floor")
        with pytest.raises(ValueError, match="ragged='pad' is not known; choose one of: refuse, short"):
            quantize_blocks(X, "mxfp4", rule="floor", ragged="pad")

    @pytest.mark.parametrize("shape", [(0,), (0, 32), (3, 0), (2, 0, 64)])
    def test_no_elements(self, shape):
        tensor = quantize_blocks(np.zeros(shape, np.float32), "mxfp4", rule="floor")
        assert dequantize_blocks(tensor).shape == shape
        assert tensor.scales.shape == (*shape[:-1], shape[-1] // 32)
        nv = quantize_blocks(np.zeros(shape, np.float32), "nvfp4", rule="torchao_nvfp4")
        assert nv.second == 1


class TestDtypes:
    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_narrow_inputs_are_taken_exactly(self, dtype):
        x = np.random.default_rng(1).standard_normal((4, 64)).astype(np.dtype(getattr(ml_dtypes, dtype, dtype)))
        for fmt, rule in (("mxfp4", "rceil"), ("nvfp4", "torchao_nvfp4"), ("int4_g128", "absmax")):
            narrow, wide = (quantize_blocks(v, fmt, rule=rule, ragged="short") for v in (x, x.astype(np.float32)))
            np.testing.assert_array_equal(narrow.codes, wide.codes)
            np.testing.assert_array_equal(narrow.scales, wide.scales)

    @pytest.mark.parametrize("dtype", ["float64", "int32"])
    def test_wider_inputs_are_refused(self, dtype):
        with pytest.raises(TypeError, match=f"dtype {dtype} is not accepted; accepted: float16, bfloat16, float32"):
            quantize_blocks(X.astype(dtype), "mxfp4", rule="floor")

    @pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
    @pytest.mark.parametrize(
        ("fmt", "rule"),
        [("mxfp8_e5m2", "floor"), ("nvfp4_divisor", "transformer_engine_nvfp4"), ("nvfp4", "torchao_nvfp4")],
    )
    def test_values_are_rounded_once(self, fmt, rule, dtype):
        x = (np.random.default_rng(2).standard_normal((8, 32)) * 3e-7).astype(np.float32)
        tensor = quantize_blocks(x, fmt, rule=rule)
        found, due = dequantize_blocks(tensor, dtype), judged_values(tensor)
        assert found.dtype == np.dtype(getattr(ml_dtypes, dtype, dtype))
        fmt_of = {"float32": formats.FLOAT32, "float16": "float16", "bfloat16": "bfloat16"}
        for value, wanted in zip(found.reshape(-1), due.reshape(-1), strict=True):
            if dtype == "float64":
                assert float(value) == float(wanted)  # a division of integers, which Python rounds once
                continue
            code = reference.exact.encode(wanted, fmt_of[dtype], rounding="nearest_ties_to_even", saturation="sat_none")
            assert float(value) == float(reference.exact.decode(code, fmt_of[dtype]))

    def test_unknown_dtype(self):
        with pytest.raises(ValueError, match="dtype='int8' is not known; choose one of: float32, float64, float16, bf"):
            dequantize_blocks(quantize_blocks(X, "mxfp4", rule="floor"), "int8")


def test_values_over_a_divisor_of_zero():
    """A tensor of the smallest numbers may have one: zeros are NaN, and all else is infinite, under a scale 0 NaN."""
    codes, scales = np.tile(np.arange(16, dtype=np.uint8), (4, 1)), np.uint8([[0], [8], [128], [136]])
    tensor = BlockTensor(spec=block("nvfp4_divisor"), codes=codes, scales=scales, second=np.float32(0))
    values = dequantize_blocks(tensor, "float64")
    assert np.isnan(values[::2]).all()
    assert np.isinf(values[1, 1:8]).all()
    for value, due in zip(values.reshape(-1), judged_values(tensor).reshape(-1), strict=True):
        assert str(exact(value)) == str(exact(due))


class TestKnownSecond:
    """A second-level number that is known before."""

    def test_worked(self):
        """6 / 6 over 1/64 is the scale 64; elements are 1 again over 64/64."""
        tensor = quantize_blocks(np.float32([[6, -3, 0.5, 0.3] * 4]), "nvfp4", rule="torchao_nvfp4", second=1 / 64)
        assert tensor.second.dtype == np.float32
        assert (tensor.second, reference.decode(tensor.scales, "float8_e4m3fn").item()) == (1 / 64, 64)
        assert element_values(tensor, 4) == [6, -3, 0.5, 0.5]

    @pytest.mark.parametrize(("second", "scale", "elements"), [(2.0**-20, 448, [6, -6]), (2.0**20, 2**-6, [0, 0])])
    def test_scales_saturate(self, second, scale, elements):
        x = np.float32([[6, -3] * 8])
        tensor = quantize_blocks(x, "nvfp4", rule="torchao_nvfp4", second=second)
        assert reference.decode(tensor.scales, "float8_e4m3fn").item() == scale
        assert element_values(tensor, 2) == elements
        assert_judged(tensor, x, block_rule("torchao_nvfp4"), second)

    def test_of_a_tensor_of_zeros(self):
        """The number that the rule has for zeros is not asked for."""
        tensor = quantize_blocks(np.zeros((2, 16), np.float32), "nvfp4", rule="torchao_nvfp4", second=0.25)
        assert (tensor.second, tensor.codes.max()) == (0.25, 0)

    @pytest.mark.parametrize(
        ("second", "match"),
        [
            (0.0, "second = 0.0 is no positive finite number of float32"),
            (-1.0, "second = -1.0 is no positive finite"),
            (np.float32("nan"), "second = nan is no positive finite"),
            (np.inf, "second = inf is no positive finite"),
            (1e300, r"second = 1e\+300 is no positive finite"),
            (0.1, "second = 0.1 is no positive finite number of float32"),
            (np.ones(1, np.float32), r"nvfp4: second has shape \(1,\); x of shape \(1, 32\) goes with \(\)"),
        ],
    )
    def test_refused(self, second, match):
        with pytest.raises(ValueError, match=match):
            quantize_blocks(X[None], "nvfp4", rule="torchao_nvfp4", second=second)

    @pytest.mark.parametrize(("second", "dtype"), [(1, "int64"), (True, "bool"), ("1", "str"), (1j, "complex128")])
    def test_dtypes(self, second, dtype):
        with pytest.raises(TypeError, match=f"second: dtype {dtype}.* is not accepted; accepted: float16, bfloat16, "):
            quantize_blocks(X[None], "nvfp4", rule="torchao_nvfp4", second=second)

    def test_a_format_without_one(self):
        with pytest.raises(ValueError, match=r"second=2\.0 means nothing: mxfp4 has no second-level number"):
            quantize_blocks(X, "mxfp4", rule="floor", second=2.0)

    @pytest.mark.parametrize(
        ("fmt", "rule", "second", "match"),
        [
            ("mxfp4", "floor", Fraction(1), "second=1 means nothing: mxfp4 has no second-level number"),
            ("nvfp4", "torchao_nvfp4", Fraction(-1), "second = -1 is no finite number of float32 from 0 on"),
            ("nvfp4", "torchao_nvfp4", Fraction(1, 10), "second = 1/10 is no finite number of float32"),
            ("nvfp4", "torchao_nvfp4", float("nan"), "second = nan is no finite number"),
            ("nvfp4", "torchao_nvfp4", float("inf"), "second = inf is no finite number"),
        ],
    )
    def test_the_judge_refuses_too(self, fmt, rule, second, match):
        with pytest.raises(ValueError, match=match):
            quantize_block([exact(v) for v in X], block(fmt), block_rule(rule), second=second)


class TestRefused:
    @pytest.mark.parametrize(
        ("fmt", "rule", "match"),
        [
            ("nvfp4", "floor", "only one of them has a second level"),
            ("mxfp4", "torchao_nvfp4", "only one of them has a second level"),
            ("uint4_g128", "absmax", "only one of them has a shift"),
            ("nf4_g64", "absmax", "nf4 is a code-book, for which rule 'absmax' has no decision"),
            ("int4_g128", "ggml_mxfp4", "decides as for code-books, without random bits, not for int4"),
            ("mxfp8_e4m3", "ggml_mxfp4", "float8_e4m3fn is no float format of at most 8 bits whose codes are all num"),
            ("deepseek_1x128", "floor", "divides by 2\\^8, which arrays do not for scales in float32"),
            ("nf4_g64", "even", "nf4 is a code-book"),
        ],
    )
    def test_what_does_not_go_together(self, fmt, rule, match):
        with pytest.raises(ValueError, match=match):
            quantize_blocks(X, fmt, rule=rule, ragged="short")

    def test_elements_among_binary32s_subnormals(self):
        spec = replace(block("mxfp4"), element=formats.get("bfloat16"))
        with pytest.raises(ValueError, match="bfloat16: arrays divide by powers of two for elements above binary32's"):
            quantize_blocks(X, spec, rule="floor")
        assert quantize_block([exact(v) for v in X], spec, block_rule("floor")).scale == 2

    def test_unknown_names(self):
        with pytest.raises(KeyError, match="unknown block format 'mxfp5'; known: mxfp8_e4m3, "):
            quantize_blocks(X, "mxfp5", rule="floor")
        with pytest.raises(KeyError, match="unknown block rule 'round'; known: floor, ceil"):
            quantize_blocks(X, "mxfp4", rule="round")

    def test_an_expression_starts_from_what_is_known(self):
        rule = replace(block_rule("floor"), name="circular", scale=minimum(Given.ABSMAX, Given.SCALE))
        with pytest.raises(ValueError, match="rule 'circular': scale starts from scale; accepted: absmax, high, l"):
            quantize_blocks(X, "mxfp4", rule=rule)
        with pytest.raises(ValueError, match="scale is not given here: "):
            quantize_block([exact(v) for v in X], block("mxfp4"), rule)

    def test_axes(self):
        with pytest.raises(ValueError, match=r"has blocks of \(128, 128\); x of shape \(128,\) has too few axes"):
            quantize_blocks(np.zeros(128, np.float32), "deepseek_128x128", rule="deepseek_v3")
        with pytest.raises(ValueError, match="too few axes"):
            quantize_blocks(np.float32(1), "mxfp4", rule="floor")

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            (
                {"scales": np.zeros((2, 3), np.uint8)},
                r"scales have shape \(2, 3\); codes of shape \(2, 32\) go with \(2, 2\)",
            ),
            ({"second": None}, r"second have shape None; codes of shape \(2, 32\) go with \(\)"),
            ({"shifts": np.zeros((2, 2))}, r"shifts have shape \(2, 2\); codes of shape \(2, 32\) go with None"),
            ({"codes": np.full((2, 32), 16)}, r"code 16 at \[0, 0\] does not fit float4_e2m1fn"),
            ({"codes": np.zeros((2, 32))}, "codes must be integers, not float64"),
            ({"scales": np.full((2, 2), 256)}, r"code 256 at \[0, 0\] does not fit float8_e4m3fn"),
        ],
    )
    def test_parts_of_a_tensor(self, changes, match):
        whole = {
            "spec": block("nvfp4"),
            "codes": np.zeros((2, 32), np.uint8),
            "scales": np.zeros((2, 2), np.uint8),
            "second": np.float32(1),
        }
        with pytest.raises((ValueError, TypeError), match=match):
            dequantize_blocks(BlockTensor(**{**whole, **changes}))

    def test_codes_of_a_code_book(self):
        spec = replace(block("nf4_g64"), element=formats.codebook("bitmod_fp3_er_plus"))
        tensor = BlockTensor(spec=spec, codes=np.full((1, 64), 8), scales=np.zeros((1, 1), np.uint32))
        with pytest.raises(ValueError, match=r"code 8 at \[0, 0\] is none of bitmod_fp3_er_plus, of 8 codes"):
            dequantize_blocks(tensor)
