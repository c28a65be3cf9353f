"""Checkpoints that their owners' libraries make and decode: what is read here has the same bits.

GPTQModel has no wheel and needs transformers to be imported: its arithmetic is restated, in tests/unit.
"""

from __future__ import annotations

import json
from importlib import metadata, util

import numpy as np
import pytest
from checkpoint_files import save
from stand_ins import StandIns

from analysis import tensors
from analysis.tensors.checkpoints import quantised
from reference.blocks import dequantize_blocks

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers
DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def bits_of(tensor):
    return tensor.contiguous().view({2: torch.int16, 4: torch.int32}[tensor.element_size()]).numpy()


def assert_same(folder, state, due, config=None, metadata=None, name="up.weight", *, minus_zero=True):
    """The file that safetensors writes of ``state`` holds one weight, with the bits of ``due``.

    Without ``minus_zero`` the owner's library has +0 where the weight is -0, somewhere.
    """
    from safetensors.torch import save_file

    save_file({key: value.contiguous() for key, value in state.items()}, folder / "model.safetensors", metadata)
    if config is not None:
        (folder / "config.json").write_text(json.dumps({"quantization_config": config}))
    loaded = tensors.load(folder / "model.safetensors")
    assert [(tensor.name, tensor.values.dtype.name) for tensor in loaded] == [(name, str(due.dtype).split(".")[1])]
    assert loaded.skipped == ()
    found = np.ascontiguousarray(loaded[0].values)
    bits = found.view(f"i{found.itemsize}")
    if not minus_zero:
        is_minus_zero = bits == np.iinfo(bits.dtype).min
        assert is_minus_zero.any()
        bits = np.where(is_minus_zero, 0, bits)
    np.testing.assert_array_equal(bits, bits_of(due))


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("shape", [(16, 128), (40, 512), (6, 50)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_bitsandbytes(tmp_path, kind, dtype, shape, nested):
    pytest.importorskip("bitsandbytes")
    import bitsandbytes.functional as peer

    made, state = peer.quantize_4bit(drawn(*shape).to(dtype), quant_type=kind, blocksize=64, compress_statistics=nested)
    stored = {f"up.weight.{key}": value for key, value in state.as_dict(packed=True).items()}
    # on processors with AVX-512 rows of whole blocks go through a table of 16 numbers that has +0 for FP4's -0
    by_table = torch.backends.cpu.get_cpu_capability() == "AVX512" and shape[1] % 64 == 0
    due = peer.dequantize_4bit(made, state)
    assert_same(tmp_path, {"up.weight": made, **stored}, due, minus_zero=not (kind == "fp4" and by_table))


@pytest.fixture(scope="module")
def compressed():
    pytest.importorskip("pydantic")
    try:
        metadata.distribution("compressed-tensors")
    except metadata.PackageNotFoundError:
        pytest.skip("compressed-tensors is not installed")
    with StandIns("transformers", "huggingface_hub", "loguru"):
        from compressed_tensors.compressors import BaseCompressor
        from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme

        def scheme(form, **weights):
            made = QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**weights))
            return BaseCompressor.get_value_from_registry(form), made

        yield scheme


def check_compressed(folder, compressed, form, state, config=None, **weights):
    compressor, scheme = compressed(form, **weights)
    stored = compressor.compress(state, scheme)
    stored = {key: value.data for key, value in stored.items()}
    due = compressor.decompress(stored, scheme)["weight"]
    assert_same(folder, {f"up.{key}": value for key, value in stored.items()}, due, config)


INTEGERS = {
    "group": ({"strategy": "group", "group_size": 16}, (24, 4)),
    "channel": ({"strategy": "channel"}, (24, 1)),
    "tensor": ({"strategy": "tensor"}, (1,)),
}


def integers(bits, strategy, dtype, symmetric, columns=64):
    """Weight, scales and zero points, and what the scheme says of them."""
    said, shape = INTEGERS[strategy]
    generator = torch.Generator().manual_seed(bits)
    half = 1 << bits >> 1
    state = {"weight": drawn(24, columns).to(dtype), "weight_scale": (drawn(*shape).abs() / half + 0.01).to(dtype)}
    if not symmetric:
        zeros = torch.randint(-half, half, shape, generator=generator)
        state["weight_zero_point"] = zeros.to(torch.int8)
    return state, {"num_bits": bits, "type": "int", "symmetric": symmetric, **said}


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("strategy", INTEGERS)
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_compressed_tensors_packed_integers(tmp_path, compressed, bits, strategy, dtype, symmetric):
    state, said = integers(bits, strategy, dtype, symmetric, columns=64 if strategy == "group" else 51)
    check_compressed(tmp_path, compressed, "pack-quantized", state, **said)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("strategy", INTEGERS)
def test_compressed_tensors_plain_integers(tmp_path, compressed, strategy, symmetric):
    state, said = integers(8, strategy, torch.bfloat16, symmetric)
    check_compressed(tmp_path, compressed, "int-quantized", state, **said)


FLOATS = {
    "tensor": ({"strategy": "tensor"}, (1,)),
    "channel": ({"strategy": "channel"}, (24, 1)),
    "group": ({"strategy": "group", "group_size": 16}, (24, 4)),
    "block": ({"strategy": "block", "block_structure": [16, 24]}, (2, 3)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("strategy", FLOATS)
def test_compressed_tensors_fp8(tmp_path, compressed, strategy, dtype):
    said, shape = FLOATS[strategy]
    state = {"weight": drawn(24, 64).to(dtype), "weight_scale": (drawn(*shape).abs() / 100 + 0.001).to(dtype)}
    config = {"config_groups": {"group_0": {"weights": dict(said)}}}
    check_compressed(tmp_path, compressed, "float-quantized", state, config, num_bits=8, type="float", **said)


def test_compressed_tensors_nvfp4(tmp_path, compressed):
    """Its two roundings to binary32 and one to bfloat16, which differ from one rounding of the exact value."""
    state = {
        "weight": drawn(64, 128).to(torch.bfloat16),
        "weight_scale": torch.where(drawn(64, 8, seed=1) > 0, 208.0, 2775 / 3),
        "weight_global_scale": torch.tensor([2775.14013671875]),
    }
    said = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}
    check_compressed(tmp_path, compressed, "nvfp4-pack-quantized", state, **said)
    weight = quantised(tmp_path / "model.safetensors")["up.weight"]
    assert (dequantize_blocks(weight.blocks, "bfloat16") != weight.decoded()).any()


@pytest.mark.parametrize(
    ("form", "bits"), [("mxfp4-pack-quantized", 4), ("mxfp6-pack-quantized", 6), ("mxfp8-quantized", 8)]
)
def test_compressed_tensors_mx(tmp_path, compressed, form, bits):
    state = {
        "weight": drawn(8, 128).to(torch.bfloat16),
        "weight_scale": 2.0 ** torch.arange(-127, 5).reshape(-1, 4)[:8],
    }
    said = {"num_bits": bits, "type": "float", "strategy": "group", "group_size": 32, "scale_dtype": torch.uint8}
    check_compressed(tmp_path, compressed, form, state, **said)


def test_compressed_tensors_takes_code_255_for_a_power_of_two(tmp_path, compressed):
    """A known difference, true in both directions: infinity there, NaN here as in OCP's E8M0."""
    compressor, scheme = compressed("mxfp4-pack-quantized", num_bits=4, type="float", strategy="group", group_size=32)
    stored = {
        "weight_packed": torch.full((1, 16), 0x22, dtype=torch.uint8),
        "weight_scale": torch.tensor([[255]], dtype=torch.uint8),
    }
    assert torch.isposinf(compressor.decompress(stored, scheme)["weight"]).all()
    file = {f"up.{key}": value.numpy() for key, value in stored.items()}
    assert np.isnan(tensors.load(save(tmp_path, file))[0].values).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("element", ["float8_e4m3fn", "float8_e5m2", "float4_e2m1fn_x2", "fp6_e2m3", "fp6_e3m2"])
def test_torchao_mx(tmp_path, element, dtype):
    peer = pytest.importorskip("torchao.prototype.mx_formats.mx_tensor")
    flatten = pytest.importorskip("torchao.prototype.safetensors.safetensors_support").flatten_tensor_state_dict
    made = peer.MXTensor.to_mx(
        drawn(8, 128).to(dtype) * torch.logspace(-12, 3, 8)[:, None].to(dtype), getattr(torch, element, element), 32
    )
    stored, said = flatten({"up.weight": made})
    assert_same(tmp_path, stored, made.dequantize(dtype), metadata=said)


@pytest.mark.parametrize("number", [None, 0.0037])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_torchao_nvfp4(tmp_path, dtype, number):
    peer = pytest.importorskip("torchao.prototype.mx_formats.nvfp4_tensor")
    flatten = pytest.importorskip("torchao.prototype.safetensors.safetensors_support").flatten_tensor_state_dict
    per_tensor = None if number is None else torch.tensor(number)
    made = peer.NVFP4Tensor.to_nvfp4(drawn(64, 128).to(dtype), per_tensor_scale=per_tensor)
    stored, said = flatten({"up.weight": made})
    assert_same(tmp_path, stored, made.dequantize(), metadata=said)


def test_autoawq(tmp_path):
    """The packing is restated in tests/unit and in test_peer_layouts.py; here the owner decodes any words."""
    try:
        path = metadata.distribution("autoawq").locate_file("awq/utils/packing_utils.py")
    except metadata.PackageNotFoundError:
        pytest.skip("autoawq is not installed")
    spec = util.spec_from_file_location("awq_packing", path)
    peer = util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    generator = torch.Generator().manual_seed(0)
    words = [
        torch.randint(-(1 << 31), 1 << 31, shape, generator=generator).to(torch.int32) for shape in ((64, 5), (2, 5))
    ]
    scales = drawn(2, 40).abs().to(torch.float16)
    due = peer.dequantize_gemm(words[0], words[1], scales, 4, 32).T
    assert_same(tmp_path, {"up.qweight": words[0], "up.qzeros": words[1], "up.scales": scales}, due)
