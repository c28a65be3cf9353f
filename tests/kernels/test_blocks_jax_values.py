"""Every scale code with every element code, in JAX as in the golden model, which the judge has seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rotation import rotate

from formats.block_formats.named import block, blocks
from formats.block_formats.spec import Shift
from formats.code_books.book import CodebookSpec
from kernels_ref.blocks import dequantize_blocks
from reference import blocks as golden
from reference.blocks import BlockTensor

DTYPES = ("float32", "bfloat16", "float16")
SECOND = (1.0, 0.3, 2.0**-126, 3e-39, 726.48645, 3e38, np.inf, np.nan, 0.0)
LANDMARKS = (0, 1, 7, 0x7FFFFF, 0x800000, 0x3F800000, 0x3F800001, 0x3BF15F16, 0x7F7FFFFF, 0x7F800000, 0x7FC00000)


def size(spec):
    return spec.size if isinstance(spec, CodebookSpec) else 1 << spec.bits


def every_code(name, scales, second=None, shifts=None):
    """One block of every element code under each scale code and, if there are any, shift code."""
    spec = block(name)
    count = size(spec.element)
    grid = np.meshgrid(scales, [0] if shifts is None else shifts, indexing="ij")
    scales, shifted = (side.reshape(-1, 1) for side in grid)
    return BlockTensor(
        spec=replace(spec, block=(count,)),
        codes=np.broadcast_to(np.arange(count, dtype=np.uint8), (len(scales), count)),
        scales=scales.astype(np.uint32 if spec.scale.format.bits > 16 else np.uint16),
        second=None if second is None else np.float32(second),
        shifts=None if shifts is None else shifted.astype(np.uint16),
    )


def assert_same_values(tensor, dtypes=DTYPES):
    for dtype in dtypes:
        found, due = np.asarray(dequantize_blocks(tensor, dtype)), golden.dequantize_blocks(tensor, dtype)
        word = np.uint32 if dtype == "float32" else np.uint16
        differ = (found.view(word) != due.view(word)) & ~(np.isnan(found) & np.isnan(due))
        assert not differ.any(), (dtype, np.argwhere(differ)[0], found[differ][0], due[differ][0])


@pytest.mark.parametrize("name", [name for name in blocks() if block(name).scale.format.bits <= 8])
def test_every_scale_of_8_bits(name):
    """All at once, and those of each eighth alone: a tensor without extremes takes plain operations."""
    spec = block(name)
    scales = np.arange(size(spec.scale.format))
    for second in SECOND if spec.scale.second else (None,):
        assert_same_values(every_code(name, scales, second))
        for part in np.split(scales, 8):
            assert_same_values(every_code(name, part, second), ("float32",))


@pytest.mark.parametrize("name", [name for name in blocks() if block(name).scale.format.bits == 16])
def test_every_float16_scale(name):
    spec, shifts = block(name), None
    scales = np.arange(1 << 16)
    if spec.shift is not None and spec.shift_kind is Shift.ZERO_POINT:
        shifts = np.arange(16)
    elif spec.shift is not None:
        shifts = np.array([0, 1, 0x3FF, 0x400, 0x3C00, 0x7BFF, 0x7C00, 0x7E00, 0x8000, 0x8001, 0xBC01, 0xFC00])
    for part in rotate(np.split(scales, 16), 16):
        assert_same_values(every_code(name, part, shifts=shifts))


@pytest.mark.parametrize("name", [name for name in blocks() if block(name).scale.format.bits == 32])
def test_binary32_scales(name):
    drawn = np.random.default_rng(0).integers(0, 1 << 32, 256)
    assert_same_values(every_code(name, np.concatenate([LANDMARKS, drawn])))
    for landmark in LANDMARKS:
        assert_same_values(every_code(name, [landmark]), ("float32",))
    usual = np.random.default_rng(1).uniform(1e-3, 1, 256).astype(np.float32).view(np.uint32)
    assert_same_values(every_code(name, usual), ("float32",))
