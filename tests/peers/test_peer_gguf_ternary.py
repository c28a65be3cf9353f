"""TQ1_0 and TQ2_0 against the `gguf` package, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import kernels_ref.ternary
from reference.ternary_blocks import dequantize_ternary_blocks, quantize_ternary_blocks

gguf = pytest.importorskip("gguf")
pytestmark = pytest.mark.peers

KINDS = {"tq1_0": gguf.GGMLQuantizationType.TQ1_0, "tq2_0": gguf.GGMLQuantizationType.TQ2_0}


def blocks():
    """Random blocks of many sizes; zeros; half-way and its neighbours; scales that binary16 rounds, loses, lacks."""
    rng = np.random.default_rng(20)
    random = rng.standard_normal((300, 256)) * 2.0 ** rng.integers(-100, 15, (300, 1))
    half = np.zeros((6, 256), np.float32)
    for row, top in zip(half, np.float32([1.0, 1.5, 0.1, 3.0, 65504, 1e-7]), strict=True):
        tie = np.float32(top / 2)
        row[:8] = [top, -top, tie, -tie, np.nextafter(tie, top), np.nextafter(tie, np.float32(0)), -0.0, top / 3]
    ends = np.zeros((4, 256), np.float32)
    ends[:, 7] = [0, -1e-30, 5.97e-8, -65519]
    return np.concatenate([random.astype(np.float32), half, ends])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quantize", [quantize_ternary_blocks, kernels_ref.ternary.quantize_ternary_blocks])
def test_quantising(quantize, kind):
    x = blocks()
    due = gguf.quants.quantize(x, KINDS[kind])
    np.testing.assert_array_equal(np.asarray(quantize(x, kind))[:, 0], due)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dequantize", [dequantize_ternary_blocks, kernels_ref.ternary.dequantize_ternary_blocks])
def test_dequantising_any_bytes(dequantize, kind):
    """Bytes that no quantiser makes, too. NaNs are NaN in both; their sign and payload are the processor's there."""
    rng = np.random.default_rng(21)
    size = {"tq1_0": 54, "tq2_0": 66}[kind]
    words = rng.integers(0, 256, (2000, size), np.uint8)
    words[:6, -2:] = np.uint16([0, 0x8000, 0x7C00, 0xFC00, 0x7E00, 1])[:, None].view(np.uint8)
    with np.errstate(invalid="ignore"):
        due = gguf.quants.dequantize(words, KINDS[kind])
    made = np.asarray(dequantize(words[:, None], kind))
    np.testing.assert_array_equal(np.isnan(made), np.isnan(due))
    np.testing.assert_array_equal(made.view(np.uint32)[~np.isnan(due)], due.view(np.uint32)[~np.isnan(due)])


def test_a_scale_beyond_binary16_is_infinite_in_both():
    x = np.full((1, 256), 70000, np.float32)
    with np.errstate(over="ignore"):
        due = gguf.quants.quantize(x, KINDS["tq2_0"])
    np.testing.assert_array_equal(quantize_ternary_blocks(x, "tq2_0")[:, 0], due)


def test_every_byte_of_five_trits():
    """All 256, in each place of a TQ1_0 block."""
    words = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None], (256, 54)).copy()
    words[:, -2:] = np.frombuffer(np.float16(1).tobytes(), np.uint8)
    due = gguf.quants.dequantize(words, KINDS["tq1_0"])
    np.testing.assert_array_equal(dequantize_ternary_blocks(words[:, None], "tq1_0"), due)
