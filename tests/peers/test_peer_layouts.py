"""The packers of published systems, run beside the layouts that bear their names."""

from __future__ import annotations

import sys
from importlib import metadata, util
from types import ModuleType

import ml_dtypes
import numpy as np
import pytest

import reference

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers
RNG = np.random.default_rng(0)


def load(distribution, path, monkeypatch, **stubs):
    """One file of a package whose own import wants far more than that file does; ``stubs`` stand for its imports."""
    try:
        found = metadata.distribution(distribution).locate_file(path)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{distribution} is not installed")
    for name, members in stubs.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    spec = util.spec_from_file_location("peer_packer", found)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_awq(path, monkeypatch):
    kernels = {"try_import": lambda name: (None, f"{name} is not needed")}
    return load("autoawq", path, monkeypatch, **{"awq": {}, "awq.utils": {}, "awq.utils.module": kernels})


def codes_of(*shape, bits=4):
    return RNG.integers(0, 1 << bits, shape)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_compressed_tensors(bits, monkeypatch):
    peer = load("compressed-tensors", "compressed_tensors/compressors/pack_quantized/helpers.py", monkeypatch)
    codes = codes_of(6, 64, bits=bits)
    values = torch.from_numpy(((codes + (1 << bits >> 1)) % (1 << bits) - (1 << bits >> 1)).astype(np.int8))
    theirs = peer.pack_to_int32(values, bits).numpy().view(np.uint32)
    np.testing.assert_array_equal(reference.pack(codes, f"compressed_tensors_{bits}bit"), theirs)
    back = peer.unpack_from_int32(torch.from_numpy(theirs.view(np.int32)), bits, values.shape).to(int).numpy()
    np.testing.assert_array_equal(reference.unpack(theirs, f"compressed_tensors_{bits}bit"), back & ((1 << bits) - 1))


def test_torchao_nibbles():
    peer = pytest.importorskip("torchao.prototype.mx_formats.kernels")
    codes = codes_of(5, 32).astype(np.uint8)
    np.testing.assert_array_equal(reference.pack(codes, "torchao_4bit"), peer.pack_uint4(torch.from_numpy(codes)))


@pytest.mark.parametrize("shape", [(128, 4), (256, 8), (384, 4), (128, 12)])
def test_torchao_block_scales(shape):
    peer = pytest.importorskip("torchao.prototype.mx_formats.utils")
    codes = codes_of(*shape, bits=8).astype(np.uint8)
    theirs = peer.to_blocked(torch.from_numpy(codes)).numpy()
    np.testing.assert_array_equal(reference.pack(codes, "block_scales_128x4").reshape(-1), theirs)


@pytest.mark.parametrize("quant_type", ["nf4", "fp4"])
def test_bitsandbytes(quant_type):
    """Codes are found by decoding: the table of values, each once, tells them from the order of the nibbles."""
    peer = pytest.importorskip("bitsandbytes.functional")
    table = peer.get_4bit_type(quant_type, device="cpu")
    usable = torch.arange(16)[table != 0]  # fp4 has a zero of each sign, which compare equal
    codes = usable[torch.from_numpy(RNG.integers(0, len(usable), 256))]
    packed, _ = peer.quantize_4bit(table[codes], blocksize=256, quant_type=quant_type)
    np.testing.assert_array_equal(reference.pack(codes.numpy(), "bitsandbytes_4bit"), packed.numpy().reshape(-1))


def test_ggml_mxfp4():
    gguf = pytest.importorskip("gguf")
    codes = codes_of(7, 32)
    values = codes.astype(np.uint8).view(ml_dtypes.float4_e2m1fn).astype(np.float32)
    block = np.concatenate([np.full((7, 1), 127, np.uint8), reference.pack(codes, "ggml_mxfp4")], axis=1)
    theirs = gguf.quants.dequantize(block, gguf.GGMLQuantizationType.MXFP4)
    np.testing.assert_array_equal(theirs.reshape(7, 32), values)


def test_awq_int32_and_gptq(monkeypatch):
    """AutoAWQ unpacks its own words and packs them as GPTQ does, with one less for a zero point."""
    peer = load_awq("awq/utils/packing_utils.py", monkeypatch)
    weights, zeros = codes_of(32, 16), RNG.integers(1, 16, (4, 16))
    packed = [torch.from_numpy(reference.pack(c, "awq_int32").view(np.int32)) for c in (weights, zeros)]
    ordered = peer.reverse_awq_order(*peer.unpack_awq(*packed, 4), 4)
    for theirs, ours in zip(ordered, (weights, zeros), strict=True):
        np.testing.assert_array_equal(theirs.numpy() & 15, ours)
    qweight, qzeros = peer.unpack_reorder_pack(*packed, 4)
    np.testing.assert_array_equal(reference.pack(weights, "gptq_qweight_4bit"), qweight.numpy().view(np.uint32))
    np.testing.assert_array_equal(reference.pack(zeros - 1, "gptq_qzeros_4bit"), qzeros.numpy().view(np.uint32))


def test_awq_v2(monkeypatch):
    peer = load_awq("awq/modules/linear/gemv_fast.py", monkeypatch)
    codes = codes_of(12, 192)
    theirs = peer.pack_intweight(torch.from_numpy(codes.astype(np.int32)), interleave=4, kstride=64)
    np.testing.assert_array_equal(reference.pack(codes, "awq_v2_int4"), theirs.numpy().view(np.uint16))


@pytest.mark.parametrize(("group", "scales_name"), [(128, "marlin_scales_group"), (256, "marlin_scales_channel")])
def test_marlin(group, scales_name, monkeypatch):
    """AutoAWQ's layer for MARLIN, from weights that are codes less 8 times a power of two."""
    peer = load_awq("awq/modules/linear/marlin.py", monkeypatch)
    rows, columns = 256, 128
    codes = codes_of(rows, columns)
    scales = (2.0 ** -RNG.integers(0, 8, (rows // group, columns))).astype(np.float16)
    linear = torch.nn.Linear(rows, columns, bias=False, dtype=torch.float16)
    weights = (codes - 8).astype(np.float16) * np.repeat(scales, group, axis=0)
    linear.weight.data = torch.from_numpy(weights.T.copy())
    theirs = peer.WQLinear_Marlin.from_linear(linear, 4, group, scales=torch.from_numpy(scales.T.copy()))
    np.testing.assert_array_equal(reference.pack(codes, "marlin_int4"), theirs.qweight.numpy().view(np.uint32))
    ours = reference.pack(scales.view(np.uint16), scales_name)
    np.testing.assert_array_equal(ours, theirs.scales.numpy().view(np.uint16))
