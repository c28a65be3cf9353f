"""Other projects' block quantisers beside the rules that name them: torchao, gguf, ml_dtypes; where they differ."""

from __future__ import annotations

import warnings
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from block_inputs import rows

import reference
from formats.block_formats.named import block
from reference.blocks import BlockTensor, dequantize_blocks, quantize_blocks

pytestmark = pytest.mark.peers

MX = {
    "mxfp8_e4m3": "float8_e4m3fn",
    "mxfp8_e5m2": "float8_e5m2",
    "mxfp6_e2m3": "fp6_e2m3",
    "mxfp6_e3m2": "fp6_e3m2",
    "mxfp4": "float4_e2m1fn_x2",
}
MODES = {"floor": "floor", "ceil": "ceil", "even": "even", "rceil": "torchao_rceil"}


class Torchao:
    """torchao's conversions as codes."""

    def __init__(self, torch, mx_tensor, nvfp4_tensor):
        self.torch, self.mx_tensor, self.nvfp4_tensor = torch, mx_tensor, nvfp4_tensor

    def mx(self, x, fmt, mode):
        element = MX[fmt] if "fp6" in MX[fmt] else getattr(self.torch, MX[fmt])
        mode = self.mx_tensor.ScaleCalculationMode(mode)
        scales, data = self.mx_tensor.to_mx(self.torch.from_numpy(x), element, 32, scaling_mode=mode)
        codes = data.view(self.torch.uint8).numpy()
        codes = reference.unpack(codes, "4bit_low_first") if fmt == "mxfp4" else codes
        return codes, scales.view(self.torch.uint8).numpy()

    def nvfp4(self, x):
        data = self.torch.from_numpy(x)
        second = self.nvfp4_tensor.per_tensor_amax_to_scale(data.abs().max())
        scales, packed = self.nvfp4_tensor.nvfp4_quantize(data, 16, second)
        codes = reference.unpack(packed.numpy(), "4bit_low_first")
        return codes, scales.view(self.torch.uint8).numpy(), second.numpy()


@pytest.fixture(scope="module")
def torchao():
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of what it registers with torch
        mx_tensor = pytest.importorskip("torchao.prototype.mx_formats.mx_tensor")
        nvfp4_tensor = pytest.importorskip("torchao.prototype.mx_formats.nvfp4_tensor")
    return Torchao(torch, mx_tensor, nvfp4_tensor)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fmt", MX)
def test_torchao_mx(torchao, fmt, mode):
    x = rows(32)
    codes, scales = torchao.mx(x, fmt, mode)
    ours = quantize_blocks(x, fmt, rule=MODES[mode])
    np.testing.assert_array_equal(ours.scales, scales)
    np.testing.assert_array_equal(ours.codes, codes)


@pytest.mark.parametrize("fmt", MX)
def test_torchao_multiplied_by_the_reciprocal_before(torchao, fmt):
    """The rule of its older releases, and of hardware, differs where the product or the logarithm rounds."""
    x = rows(32)
    older, newer = (quantize_blocks(x, fmt, rule=rule).scales for rule in ("rceil", "torchao_rceil"))
    assert 0 < (older != newer).mean() < 0.2
    np.testing.assert_array_equal(torchao.mx(x, fmt, "rceil")[1], newer)


@pytest.mark.parametrize("fmt", MX)
@pytest.mark.parametrize("mode", MODES)
class TestWhereTorchaoDiffers:
    def test_elements_under_scale_code_0(self, torchao, fmt, mode):
        """It divides by 2^-126 there, in the mode RCEIL by 1, and not by the scale that it stores, 2^-127."""
        x = np.zeros((1, 32), np.float32)
        x[0, 0] = np.float32(2.0**-127)
        codes, scales = torchao.mx(x, fmt, mode)
        ours = quantize_blocks(x, fmt, rule=MODES[mode])
        assert scales.tolist() == ours.scales.tolist() == [[0]]
        assert dequantize_blocks(ours)[0, 0] == x[0, 0]
        theirs = dequantize_blocks(BlockTensor(spec=block(fmt), codes=codes, scales=scales))[0, 0]
        assert theirs == (0 if mode == "rceil" else x[0, 0] / 2)

    def test_infinity(self, torchao, fmt, mode):
        """Only RCEIL, which takes the largest scale, is ours: the others take 2^128 for infinity's magnitude."""
        x = np.zeros((1, 32), np.float32)
        x[0, 0] = np.inf
        _, scales = torchao.mx(x, fmt, mode)
        ours = quantize_blocks(x, fmt, rule=MODES[mode])
        emax = block(fmt).element.emax
        assert scales.item() == (254 if mode == "rceil" else 255 - emax)
        assert ours.scales.item() == (254 if mode == "rceil" else 255)

    def test_nan(self, torchao, fmt, mode):
        x = np.ones((1, 32), np.float32)
        x[0, 3] = np.nan
        _, scales = torchao.mx(x, fmt, mode)
        assert scales.item() == quantize_blocks(x, fmt, rule=MODES[mode]).scales.item() == 255


@pytest.mark.parametrize("exponent", range(-60, 61, 15))
def test_torchao_nvfp4(torchao, exponent):
    x = rows(16, seed=1, least=-12, most=1) * np.float32(2.0**exponent)
    codes, scales, second = torchao.nvfp4(x)
    ours = quantize_blocks(x, "nvfp4", rule="torchao_nvfp4")
    assert ours.second == second
    np.testing.assert_array_equal(ours.scales, scales)
    np.testing.assert_array_equal(ours.codes, codes)


@pytest.mark.parametrize("fmt", MX)
def test_torchao_decodes_alike(torchao, fmt):
    """Every scale code with every element code, but for scale code 0, whose power torch flushes or not by machine."""
    spec = block(fmt)
    count = 1 << spec.element.bits
    codes = np.tile(np.arange(count, dtype=np.uint8), max(1, 32 // count))
    codes = np.broadcast_to(codes, (255, codes.size)).copy()
    scales = np.repeat(np.arange(1, 256, dtype=np.uint8)[:, None], codes.shape[1] // 32, axis=1)
    torch = torchao.torch
    data = torch.from_numpy(reference.pack(codes, "4bit_low_first") if fmt == "mxfp4" else codes)
    element = MX[fmt] if "fp6" in MX[fmt] else getattr(torch, MX[fmt])
    data = data.view(element) if fmt.startswith("mxfp8") else data
    theirs = torchao.mx_tensor.to_dtype(
        data, torch.from_numpy(scales).view(torch.float8_e8m0fnu), element, 32, torch.float32
    )
    ours = dequantize_blocks(BlockTensor(spec=spec, codes=codes, scales=scales))
    np.testing.assert_array_equal(theirs.numpy().reshape(ours.shape), ours)


@pytest.fixture(scope="module")
def mxfp4():
    return pytest.importorskip("gguf.quants").MXFP4


class TestGguf:
    @staticmethod
    def codes(blocks):
        """A block's byte of scale, and elements ``j`` in the low and ``j + 16`` in the high half of the others."""
        scales, packed = blocks[:, :1], blocks[:, 1:]
        return np.concatenate([packed & 15, packed >> 4], axis=1), scales

    def test_mxfp4(self, mxfp4):
        x = rows(32)
        codes, scales = self.codes(mxfp4.quantize_blocks(x))
        ours = quantize_blocks(x, "mxfp4", rule="ggml_mxfp4")
        np.testing.assert_array_equal(ours.scales, scales)
        np.testing.assert_array_equal(ours.codes, codes)
        np.testing.assert_array_equal(mxfp4.dequantize_blocks(mxfp4.quantize_blocks(x)), dequantize_blocks(ours))

    def test_the_worked_block(self, mxfp4):
        x = np.float32([[7.1, -3.3, 0.9, 0.26, -0.04, 1.75, -5, 0, *[0] * 24]])
        codes, scales = self.codes(mxfp4.quantize_blocks(x))
        assert scales.item() == 127
        assert reference.decode(codes[0, :8], "e2m1").tolist() == [6, -3, 1, 0.5, 0, 1.5, -4, 0]

    def test_scale_code_255_is_a_number_there(self, mxfp4):
        blocks = np.full((1, 17), 0x11, np.uint8)
        blocks[0, 0] = 255
        assert mxfp4.dequantize_blocks(blocks).tolist() == [[2.0**127] * 32]
        tensor = BlockTensor(spec=block("mxfp4"), codes=np.full((1, 32), 7), scales=np.array([[255]]))
        assert np.isnan(dequantize_blocks(tensor)).all()


@pytest.mark.parametrize("fmt", ["mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp4"])
def test_ml_dtypes_decodes_alike(fmt):
    spec = block(fmt)
    codes = np.broadcast_to(np.arange(1 << spec.element.bits, dtype=np.uint8), (256, 1 << spec.element.bits))
    scales = np.arange(256, dtype=np.uint8)[:, None]
    elements, factors = (
        c.astype(np.uint8).view(getattr(ml_dtypes, name)).astype(np.float32)
        for c, name in ((codes, spec.element.name), (scales, "float8_e8m0fnu"))
    )
    tensor = BlockTensor(spec=replace(spec, block=codes.shape[1:]), codes=codes, scales=scales)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(dequantize_blocks(tensor), elements * factors)
