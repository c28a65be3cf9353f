"""The gguf package against the golden model: all blocks' bits, all scales, quantisers, and a real file."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
from gguf_cases import KINDS, drawn, with_float16

from analysis.tensors import gguf_values, load
from analysis.tensors.gguf_file import block_tensors
from analysis.tensors.smollm2 import smollm2
from formats.gguf.rules import GGUF_RULES
from reference.blocks import dequantize_blocks
from reference.gguf import dequantize_gguf, unpack_gguf
from reference.gguf_quantize import quantize_gguf

pytestmark = pytest.mark.peers


def assert_same(ours, theirs):
    """Every bit; of a NaN only that it is one."""
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    numbers = ~np.isnan(theirs)
    np.testing.assert_array_equal(ours[numbers].view(np.uint32), theirs[numbers].view(np.uint32))


def theirs(stored, name):
    with np.errstate(all="ignore"):
        return gguf.dequantize(stored, gguf.GGMLQuantizationType[name])


@KINDS
def test_the_record_is_of_the_package_s_type(kind):
    number = gguf.GGMLQuantizationType[kind.name]
    assert (number.value, gguf.GGML_QUANT_SIZES[number]) == (kind.number, (kind.elements, kind.nbytes))


@KINDS
def test_random_bytes(kind):
    stored = drawn(kind, 1 << 12)
    assert_same(dequantize_gguf(stored, kind), theirs(stored, kind.name))


@pytest.mark.exhaustive
@KINDS
def test_every_float16(kind):
    """In the first field of that format, of blocks that are random otherwise."""
    every = np.arange(1 << 16, dtype=np.uint16)
    for patterns in np.split(every, 16):
        stored = with_float16(drawn(kind, patterns.size), kind, patterns)
        assert_same(dequantize_gguf(stored, kind), theirs(stored, kind.name))


@KINDS
def test_the_compiled_path_overlaps_its_last_chunk(kind):
    stored = drawn(kind, gguf_values.CHUNK // kind.elements * 2 - 1)
    assert_same(gguf_values.values(stored, kind), theirs(stored, kind.name))


@pytest.mark.parametrize("name", GGUF_RULES)
def test_quantisers(name):
    random = np.random.default_rng(2)
    normal = random.standard_normal((1 << 13, 32)).astype(np.float32)
    scaled = normal * np.float32(2) ** random.integers(-110, 110, (1 << 13, 1)).astype(np.float32)
    ties = np.round(16 * normal) / 4
    below = np.nextafter(np.float32(2) ** random.integers(-90, 120, (1 << 10, 32)).astype(np.float32), np.float32(0))
    for x in (normal, scaled, ties, below, np.zeros((1, 32), np.float32), -np.zeros((1, 32), np.float32)):
        with np.errstate(all="ignore"):
            due = gguf.quantize(x, gguf.GGMLQuantizationType[name])
        np.testing.assert_array_equal(quantize_gguf(x, name), due)


def test_a_minimum_of_zeros_of_both_signs_has_either_sign_there():
    """The one known difference: ours is -0."""
    x = np.tile(np.float32([0.0, -0.0]), 16)[None]
    due, ours = (unpack_gguf(stored, "Q4_1")["shifts"].item() for stored in (
        gguf.quantize(x, gguf.GGMLQuantizationType.Q4_1), quantize_gguf(x, "Q4_1")
    ))  # fmt: skip
    assert ours == 0x8000
    assert due in (0, 0x8000)


@pytest.fixture(scope="module")
def real_file():
    try:
        return smollm2()
    except FileNotFoundError as absent:
        pytest.skip(str(absent))


def test_the_whole_of_a_real_file(real_file):
    ours = {tensor.name: tensor.values for tensor in load(real_file)}
    stored = gguf.GGUFReader(real_file).tensors
    assert len(ours) == len(stored) == 272
    for tensor in stored:
        assert_same(
            ours[tensor.name], gguf.dequantize(tensor.data, tensor.tensor_type).reshape(ours[tensor.name].shape)
        )


def test_codes_and_scales_of_a_real_file(real_file):
    found = block_tensors(real_file, names="blk.0.*")
    assert sorted({tensor.spec.name for tensor in found.values()}) == ["gguf_q4_1"]
    loaded = {tensor.name: tensor.values for tensor in load(real_file, names="blk.0.*")}
    for name, tensor in found.items():
        np.testing.assert_array_equal(dequantize_blocks(tensor), loaded[name])
