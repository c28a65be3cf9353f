"""Quantising into GGUF blocks: the judge's steps against NumPy's, vectors, and what is refused."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from formats.gguf.rules import GGUF_RULES
from reference.exact import gguf_quantize as exact_quantize
from reference.gguf import dequantize_gguf, pack_gguf, unpack_gguf
from reference.gguf_quantize import quantize_gguf

RULES = pytest.mark.parametrize("kind", GGUF_RULES)
#: just below powers of two, where the rounded logarithm is the next integer for the largest 1 to 44 numbers
EXPONENTS = (-125, -64, -5, -3, -2, -1, 0, 1, 2, 3, 4, 31, 63, 64, 126, 127)
CARRIES = [
    (np.uint32(((e + 127) << 23) + (1 << 23) - below)).view(np.float32)
    for e in EXPONENTS
    for below in (1, 2, 5, 22, 45)
]


def blocks(count=6):
    """Normal numbers at many scales, ties, zeros of both signs, one number by itself."""
    random = np.random.default_rng(1)
    normal = random.standard_normal((count, 32)) * 2.0 ** random.integers(-100, 100, (count, 1))
    ties = np.round(random.standard_normal((count, 32)) * 16) / 4
    lone = np.eye(32)[:count] * -(2.0 ** random.integers(-20, 20, (count, 1)))
    zeros = np.stack([np.zeros(32), -np.zeros(32), np.where(np.arange(32) % 2, 0.0, -0.0)])
    return np.concatenate([normal, ties, lone, zeros]).astype(np.float32)


def agree(x, kind):
    ours = unpack_gguf(quantize_gguf(x, kind), kind)
    for index, block in enumerate(x):
        due = exact_quantize.quantize_gguf(block.tolist(), kind)
        assert {name: codes[index].tolist() for name, codes in ours.items()} == due


@RULES
def test_the_steps_are_the_judge_s(kind):
    agree(blocks(), kind)


@pytest.mark.parametrize("number", CARRIES)
def test_the_logarithm_is_rounded_before_its_floor(number):
    """Only the scale is asked for, of a block of one number and zeros."""
    x = np.zeros((1, 32), np.float32)
    x[0, 3] = number
    agree(x, "MXFP4")


def test_vector_of_mxfp4():
    """Scale 2^0, and 1.75, a tie, goes toward zero."""
    x = np.float32([7.1, -3.3, 0.9, 0.26, -0.04, 1.75, -5, 0] + [0] * 24)
    stored = quantize_gguf(x, "MXFP4")
    assert unpack_gguf(stored, "MXFP4")["scales"].tolist() == [127]
    assert dequantize_gguf(stored, "MXFP4")[:8].tolist() == [6, -3, 1, 0.5, 0, 1.5, -4, 0]


def test_a_zero_block_of_q4_0_has_the_scale_minus_zero():
    """0 / -8."""
    assert unpack_gguf(quantize_gguf(np.zeros(32, np.float32), "Q4_0"), "Q4_0")["scales"].tolist() == [0x8000]


def test_a_scale_beyond_float16_is_infinite():
    x = np.full(32, 3e38, np.float32)
    assert unpack_gguf(quantize_gguf(x, "Q8_0"), "Q8_0")["scales"].tolist() == [0x7C00]


@RULES
def test_what_was_quantised_and_packed_again_is_the_same(kind):
    stored = quantize_gguf(blocks(), kind)
    np.testing.assert_array_equal(pack_gguf(unpack_gguf(stored, kind), kind), stored)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_narrow_floats_are_taken_exactly(dtype):
    x = np.random.default_rng(0).standard_normal((2, 64)).astype(dtype)
    np.testing.assert_array_equal(quantize_gguf(x, "Q8_0"), quantize_gguf(x.astype(np.float32), "Q8_0"))


class TestRefused:
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @RULES
    def test_what_is_not_finite(self, kind, bad):
        x = np.zeros((2, 32), np.float32)
        x[1, 5] = bad
        with pytest.raises(ValueError, match=rf"x\[1, 5\] = {bad}; only finite numbers are quantised"):
            quantize_gguf(x, kind)
        with pytest.raises(ValueError, match=rf"x\[5\] = {bad} is no finite number of binary32"):
            exact_quantize.quantize_gguf(x[1].tolist(), kind)

    @pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "MXFP4"])
    def test_numbers_whose_reciprocal_is_beyond_binary32(self, kind):
        x = np.zeros(32, np.float32)
        x[0] = 2.0**-140
        match = "scale code" if kind == "MXFP4" else "is beyond binary32"
        with pytest.raises(ValueError, match=match):
            quantize_gguf(x, kind)
        with pytest.raises(ValueError, match=match):
            exact_quantize.quantize_gguf(x.tolist(), kind)

    def test_a_range_beyond_binary32(self):
        x = np.float32([3e38, -3e38] * 16)
        for quantise in (quantize_gguf, lambda x, kind: exact_quantize.quantize_gguf(x.tolist(), kind)):
            with pytest.raises(ValueError, match="is beyond binary32"):
                quantise(x, "Q4_1")

    def test_shapes_dtypes_and_types(self):
        with pytest.raises(TypeError, match="dtype float64 is not accepted; accepted: float16, bfloat16, float32"):
            quantize_gguf(np.zeros(32), "Q4_0")
        with pytest.raises(ValueError, match=r"Q4_0 has blocks of 32 elements; shape \(33,\) is no row of them"):
            quantize_gguf(np.zeros(33, np.float32), "Q4_0")
        with pytest.raises(KeyError, match="no rule quantises to 'Q4_K'; types with a rule: Q4_0, Q4_1"):
            quantize_gguf(np.zeros(256, np.float32), "Q4_K")
        with pytest.raises(ValueError, match="a block of Q4_0 has 32 elements, not 31"):
            exact_quantize.quantize_gguf([0.0] * 31, "Q4_0")
        with pytest.raises(ValueError, match=r"x\[0\] = 0.1 is no finite number of binary32"):
            exact_quantize.quantize_gguf([0.1] * 32, "Q4_0")
