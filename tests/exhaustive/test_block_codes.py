"""Every scale code with every element code of every named block format: judge and golden model decode alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from block_cases import exact
from rotation import rotate

import formats
from formats.block_formats.named import block, blocks
from formats.block_formats.spec import Shift
from formats.code_books.book import CodebookSpec
from reference import exact as judge
from reference.blocks import BlockTensor, dequantize_blocks
from reference.exact.block_value import dequantize_code

pytestmark = pytest.mark.exhaustive
#: tiles decode as rows do
NARROW = [name for name in blocks() if block(name).scale.format.bits <= 8 and len(block(name).block) == 1]
FLOAT16 = [name for name in blocks() if block(name).scale.format.bits == 16]
BINARY32 = [name for name in blocks() if block(name).scale.format.bits == 32]
SECOND = (1.0, 0.3, 2.0**-126, 726.48645)
LANDMARKS = [0, 1, 0x7FFFFF, 0x800000, 0x3F800000, 0x3F800001, 0x3BF15F16, 0x7F7FFFFF, 0x7F800000, 0x7FC00000]
ROUNDED = {"float32": formats.FLOAT32, "float16": formats.get("float16"), "bfloat16": formats.get("bfloat16")}


def all_codes(name, scales, second=None, shifts=None):
    """A tensor of one block for each scale code (and shift code), with every element code."""
    spec = block(name)
    count = spec.element.size if isinstance(spec.element, CodebookSpec) else 1 << spec.element.bits
    scales = np.asarray(scales)
    if shifts is not None:
        scales, shifts = (side.reshape(-1, 1) for side in np.meshgrid(scales, shifts, indexing="ij"))
    else:
        scales = scales.reshape(-1, 1)
    return BlockTensor(
        spec=replace(spec, block=(count,)),
        codes=np.broadcast_to(np.arange(count), (len(scales), count)),
        scales=scales,
        second=None if second is None else np.float32(second),
        shifts=shifts,
    )


def assert_decodes(tensor, dtypes=tuple(ROUNDED)):
    """float64 holds the exact value, or is nearest to it; the others are that value rounded once."""
    found = {dtype: dequantize_blocks(tensor, dtype) for dtype in ("float64", *dtypes)}
    second = None if tensor.second is None else exact(tensor.second)
    for row, scale in enumerate(tensor.scales[:, 0]):
        shift = None if tensor.shifts is None else int(tensor.shifts[row, 0])
        for column, code in enumerate(tensor.codes[row]):
            due = dequantize_code(int(code), tensor.spec, scale=int(scale), second=second, shift=shift)
            assert str(float(found["float64"][row, column])) == str(float(due)), (scale, code)
            for dtype in dtypes:
                assert str(float(found[dtype][row, column])) == _rounded(due, dtype), (scale, code, dtype)


def _rounded(value, dtype):
    code = judge.encode(value, ROUNDED[dtype], rounding="nearest_ties_to_even", saturation="sat_none")
    return str(float(judge.decode(code, ROUNDED[dtype])))


@pytest.mark.parametrize("name", NARROW)
def test_every_code_under_every_scale_of_8_bits(name):
    spec = block(name)
    scales = np.arange(1 << spec.scale.format.bits)
    for second in SECOND if spec.scale.second else (None,):
        assert_decodes(all_codes(name, scales, second), dtypes=())
        assert_decodes(all_codes(name, rotate(scales.tolist(), 32), second))


@pytest.mark.parametrize("name", FLOAT16)
def test_every_code_under_every_float16_scale(name):
    spec = block(name)
    scales = rotate(range(1 << 16), 2048 if spec.element.bits == 8 else 128)
    shifts = None
    if spec.shift is not None:
        scales = scales[::16]
        offsets = [0, 1, 0x3C00, 0xB555, 0x7BFF, 0x8001]
        shifts = np.arange(16) if spec.shift_kind is Shift.ZERO_POINT else np.array(offsets)
    assert_decodes(all_codes(name, scales, shifts=shifts))


@pytest.mark.parametrize("name", BINARY32)
def test_every_code_under_landmarks_of_binary32(name):
    assert_decodes(all_codes(name, np.array(LANDMARKS + [p | 1 << 31 for p in LANDMARKS], np.uint32)))
