"""Quantised checkpoints: every owner's tensors, packed by loops in the tests, decode to its own arithmetic's bits."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest
from checkpoint_files import (
    BFLOAT16,
    E2M1,
    E4M3,
    E8M0,
    awq,
    bitsandbytes,
    gptq,
    mx,
    nibbles,
    nvfp4,
    packed_integers,
    product,
    rows,
    save,
    scales_of,
)

import formats
from analysis import tensors
from analysis.tensors.checkpoints import quantised
from formats.code_books.named import codebook
from reference.blocks import dequantize_blocks

V1, V2 = {"quant_method": "gptq", "bits": 4}, {"quant_method": "gptq", "checkpoint_format": "gptq_v2"}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def assert_decodes(path, due, name="up.weight", *, alone=True):
    """The file's one weight has these values, bit for bit."""
    loaded = tensors.load(path)
    by_name = {tensor.name: tensor for tensor in loaded}
    assert not alone or set(by_name) == {name}
    assert loaded.skipped == ()
    found = by_name[name].values
    assert (found.dtype, found.shape) == (due.dtype, due.shape)
    assert np.ascontiguousarray(found).tobytes() == np.ascontiguousarray(due).tobytes()
    assert by_name[name].source.startswith(f"{path}: decoded from ")
    return quantised(path)[name]


@pytest.mark.parametrize("act_order", [False, True])
@pytest.mark.parametrize("less", [0, 1])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_gptq(tmp_path, rng, bits, less, act_order):
    stored, due = gptq(rng, bits, less=less, act_order=act_order)
    path = save(tmp_path, stored, V1 if less else V2)
    weight = assert_decodes(path, due)
    assert (weight.columns is not None) == act_order
    assert weight.blocks.spec.block == (16,)


@pytest.mark.parametrize("beside", ["config.json", "quantize_config.json"])
def test_gptq_without_an_index_in_ragged_words(tmp_path, rng, beside):
    stored, due = gptq(rng, 4, outputs=20, dtype=BFLOAT16)
    del stored["up.g_idx"]
    assert_decodes(save(tmp_path, stored, V1, beside=beside), due)


def test_gptq_with_a_short_last_group(tmp_path, rng):
    stored, due = gptq(rng, 4, inputs=40, size=16, act_order=True)
    assert_decodes(save(tmp_path, stored, V2 | {"checkpoint_format": "gptq"}), due)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_gptq_v1_adds_one_to_the_word(tmp_path, rng, bits):
    """A zero point 0, stored as all ones by a borrow from its neighbours, comes back by the carry."""
    stored, due = gptq(rng, bits, less=0)
    ones = sum(1 << low for low in range(0, 32, bits))
    stored["up.qzeros"] = (stored["up.qzeros"].view(np.uint32) - np.uint32(ones)).view(np.int32)
    assert_decodes(save(tmp_path, stored, V1), due)


def test_gptq_needs_the_format_of_its_zero_points(tmp_path, rng):
    stored, _ = gptq(rng, 4)
    with pytest.raises(ValueError, match=r"'up.qzeros' cannot be read without the format of zero points"):
        tensors.load(save(tmp_path, stored))
    loaded = tensors.load(save(tmp_path, stored, {"checkpoint_format": "marlin"}))
    assert {entry.name: entry.reason for entry in loaded.skipped} == {
        "up.weight": "GPTQ weights in the format marlin, not one of gptq, gptq_v2"
    }
    assert quantised(tmp_path / "model.safetensors") == {}


def test_awq(tmp_path, rng):
    stored, due = awq(rng)
    assert assert_decodes(save(tmp_path, stored), due).blocks.spec.block == (32,)


@pytest.mark.parametrize("config", [{"version": "GEMV", "w_bit": 4}, {"version": "gemv", "quant_method": "awq"}])
def test_awq_for_other_kernels_is_listed(tmp_path, config):
    stored = {"up.qweight": np.zeros((24, 8), np.int32), "up.scales": np.ones((24, 8), np.float16)}
    path = save(tmp_path, stored | {"up.qzeros": np.zeros((24, 1), np.int32)}, config, beside="quant_config.json")
    (skipped,) = tensors.load(path).skipped
    assert (skipped.name, skipped.reason) == ("up.weight", "AWQ weights for the kernel gemv, not gemm")


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_compressed_tensors_integers(tmp_path, rng, bits, shifted):
    stored, due = packed_integers(rng, bits, shifted=shifted)
    assert assert_decodes(save(tmp_path, stored), due).blocks.spec.block == (16,)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_compressed_tensors_integers_by_row_in_ragged_words(tmp_path, rng, dtype):
    stored, due = packed_integers(rng, 3, outputs=10, inputs=50, groups=1, shifted=True, dtype=dtype)
    assert_decodes(save(tmp_path, stored), due)


def test_compressed_tensors_act_order(tmp_path, rng):
    stored, due = packed_integers(rng, 4, shifted=True)
    order = rng.permutation(64)
    numbers = np.concatenate([[(word >> (4 * i)) & 15 for i in range(8)] for word in stored["up.weight_packed"].T])
    stored["up.weight_packed"] = rows(numbers.reshape(64, -1).T[:, order], 4)
    stored["up.weight_g_idx"] = (order // 16).astype(np.int32)
    assert assert_decodes(save(tmp_path, stored), due[:, order]).columns is not None


def test_compressed_tensors_without_an_order(tmp_path, rng):
    stored, due = packed_integers(rng, 4)
    assert_decodes(save(tmp_path, stored | {"up.weight_g_idx": np.full(64, -1, np.int32)}), due)


def test_compressed_tensors_other_bits_are_listed(tmp_path, rng):
    stored, _ = packed_integers(rng, 5)
    (skipped,) = tensors.load(save(tmp_path, stored)).skipped
    assert (skipped.name, skipped.reason) == ("up.weight", "integers of 5 bits, not one of 2, 3, 4, 8")


def test_compressed_tensors_nvfp4(tmp_path, rng):
    stored, due = nvfp4(rng)
    weight = assert_decodes(save(tmp_path, stored), due)
    assert weight.blocks.spec.name == "nvfp4_divisor"
    once = dequantize_blocks(weight.blocks, "bfloat16")
    assert (once[0, 0], due[0, 0]) == (np.float32(0.07470703125), np.float32(0.0751953125))


@pytest.mark.parametrize("shape", [(), (1,), (2,)])
def test_modelopt_nvfp4(tmp_path, rng, shape):
    codes, scales = rng.integers(0, 16, (6, 64)).astype(np.uint8), rng.integers(0, 127, (6, 4)).astype(np.uint8)
    number = np.full(shape, 3.7 / 2688, np.float32)
    stored = {"up.weight": nibbles(codes), "up.weight_scale": scales.view(E4M3), "up.weight_scale_2": number}
    path = save(tmp_path, stored)
    if number.size == 1:
        assert_decodes(path, E2M1[codes] * np.repeat(scales.view(E4M3).astype(np.float32) * number, 16, axis=1))
    else:
        assert tensors.load(path).skipped[0].reason == "NVFP4 with 2 numbers of the second level, not one"


@pytest.mark.parametrize(("bits", "name"), [(4, "mxfp4"), (6, "mxfp6_e2m3")])
def test_compressed_tensors_mx(tmp_path, rng, bits, name):
    stored, due = mx(rng, bits)
    assert assert_decodes(save(tmp_path, stored), due).blocks.spec.name == name
    stored["up.weight_scale"] = stored["up.weight_scale"].view(E8M0)
    assert_decodes(save(tmp_path, stored), due)


GRIDS = {(): (6, 8), (1,): (6, 8), (6, 1): (1, 8), (6,): (1, 8), (6, 2): (1, 4), (3, 4): (2, 2), (2, 2): (4, 5)}


@pytest.mark.parametrize("shape", GRIDS)
@pytest.mark.parametrize("kind", [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, np.int8])
def test_scaled(tmp_path, rng, shape, kind):
    codes = rng.integers(0, 124, (6, 8)).astype(np.uint8).view(kind)
    scales = scales_of(rng, shape, BFLOAT16)
    tile = GRIDS[shape]
    config = {"config_groups": {"a": {"weights": {"block_structure": list(tile)}}}}
    grid = scales.reshape(scales.shape if scales.ndim == 2 else (-1, 1))
    spread = np.repeat(np.repeat(grid, tile[0], 0), tile[1], 1)[:6, :8]
    path = save(tmp_path, {"up.weight": codes, "up.weight_scale": scales}, config)
    assert assert_decodes(path, product(spread, codes, BFLOAT16)).blocks.spec.block[-1] == tile[1]


def test_scaled_integers_with_zero_points(tmp_path, rng):
    codes = rng.integers(-128, 128, (6, 8)).astype(np.int8)
    zeros, scales = rng.integers(-128, 128, (6, 1)).astype(np.int8), scales_of(rng, (6, 1), np.float32)
    stored = {"up.weight": codes, "up.weight_scale": scales, "up.weight_zero_point": zeros}
    assert_decodes(save(tmp_path, stored), product(scales, codes.astype(int) - zeros, np.float32))


@pytest.mark.parametrize("kind", [np.int8, E4M3])
def test_scaled_floats_take_zero_points_of_zero(tmp_path, rng, kind):
    codes, scales = rng.integers(0, 127, (6, 8)).astype(np.uint8).view(E4M3), scales_of(rng, (6, 1), BFLOAT16)
    stored = {"up.weight": codes, "up.weight_scale": scales, "up.weight_zero_point": np.zeros((6, 1), kind)}
    assert_decodes(save(tmp_path, stored), product(scales, codes, BFLOAT16))


def test_scaled_by_powers_of_two(tmp_path, rng):
    codes = rng.integers(0, 127, (6, 64)).astype(np.uint8).view(E4M3)
    scales = rng.integers(0, 255, (6, 2)).astype(np.uint8)
    factors = np.repeat(np.exp2(scales.astype(float) - 127), 32, axis=1)
    with np.errstate(over="ignore"):
        due = (codes.astype(float) * factors).astype(np.float32).astype(BFLOAT16)
    path = save(tmp_path, {"up.weight": codes, "up.weight_scale": scales})
    assert assert_decodes(path, due).blocks.spec.scale.format == formats.get("float8_e8m0fnu")


@pytest.mark.parametrize("config", [None, {"weight_block_size": [128, 128]}, {"weight_block_size": [64, 50]}])
def test_deepseek(tmp_path, rng, config):
    tile = (128, 128) if config is None else config["weight_block_size"]
    codes = rng.integers(0, 127, (200, 140)).astype(np.uint8).view(E4M3)
    scales = scales_of(rng, [-(-n // t) for n, t in zip(codes.shape, tile, strict=True)], np.float32)
    spread = np.repeat(np.repeat(scales, tile[0], 0), tile[1], 1)[:200, :140]
    path = save(tmp_path, {"up.weight": codes, "up.weight_scale_inv": scales}, config)
    assert_decodes(path, product(spread, codes, np.float32).astype(BFLOAT16))


def table_of(kind):
    book = codebook({"nf4": "nf4", "fp4": "bitsandbytes_fp4"}[kind])
    values = np.array([float(book.fraction(code)) for code in range(16)], np.float32)
    return np.where(np.arange(16) == book.negative_zero, np.float32(-0.0), values) if book.negative_zero else values


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(6, 128), (5, 33)])
@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_bitsandbytes(tmp_path, rng, kind, shape, dtype, nested):
    stored, due = bitsandbytes(rng, table_of(kind), kind, shape=shape, nested=nested, dtype=dtype)
    weight = assert_decodes(save(tmp_path, stored), due)
    assert weight.blocks.codes.ndim == (2 if shape[1] % 64 == 0 else 1)


def test_bitsandbytes_bytes_under_another_dtype(tmp_path, rng):
    stored, due = bitsandbytes(rng, table_of("nf4"))
    stored["up.weight"] = stored["up.weight"].reshape(-1).view(BFLOAT16)
    assert_decodes(save(tmp_path, stored), due)


@pytest.mark.parametrize("mark", ["_", "."])
def test_gpt_oss(tmp_path, rng, mark):
    codes = rng.integers(0, 16, (2, 3, 64)).astype(np.uint8)
    scales = rng.integers(1, 250, (2, 3, 2)).astype(np.uint8)
    due = E2M1[codes] * np.ldexp(np.float32(1), np.repeat(scales.astype(int) - 127, 32, axis=-1))
    stored = {f"up{mark}blocks": nibbles(codes).reshape(2, 3, 2, 16), f"up{mark}scales": scales}
    assert_decodes(save(tmp_path, stored), due.astype(BFLOAT16), "up")


def metadata(kind, **attributes):
    return {"up.weight": json.dumps({"_type": kind, "_data": attributes}), "tensor_names": '["up.weight"]'}


def dtype_of(name):
    return {"_type": "torch.dtype", "_data": name}


def test_torchao_mx(tmp_path, rng):
    codes, scales = rng.integers(0, 127, (6, 64)).astype(np.uint8), rng.integers(60, 190, (6, 2)).astype(np.uint8)
    due = codes.view(E4M3).astype(np.float32) * np.exp2(np.repeat(scales.astype(np.float32) - 127, 32, axis=1))
    said = {"block_size": 32, "orig_dtype": dtype_of("bfloat16"), "elem_dtype": dtype_of("float8_e4m3fn")}
    stored = {"up._weight_qdata": codes.view(E4M3), "up._weight_scale": scales.view(E8M0)}
    path = save(tmp_path, stored, metadata=metadata("MXTensor", **said))
    assert_decodes(path, due.astype(BFLOAT16))
    path = save(tmp_path, stored, metadata=metadata("MXTensor", **said, is_swizzled_scales=True))
    assert tensors.load(path).skipped[0].reason == "mxfp8_e4m3 with scales that are swizzled"


@pytest.mark.parametrize("two_levels", [False, True])
def test_torchao_nvfp4(tmp_path, rng, two_levels):
    codes, scales = rng.integers(0, 16, (6, 64)).astype(np.uint8), rng.integers(0, 127, (6, 4)).astype(np.uint8)
    number = np.float32(3.7 / 2688)
    stored = {"up._weight_qdata": nibbles(codes), "up._weight_scale": scales.view(E4M3)}
    factors = scales.view(E4M3).astype(np.float32)
    if two_levels:
        stored["up._weight_per_tensor_scale"] = number
        factors = factors * number
    said = {"block_size": 16, "orig_dtype": dtype_of("bfloat16")}
    path = save(tmp_path, stored, metadata=metadata("NVFP4Tensor", **said))
    assert_decodes(path, (E2M1[codes] * np.repeat(factors, 16, axis=1)).astype(BFLOAT16))


def test_others_are_listed_beside(tmp_path, rng):
    stored, due = awq(rng)
    others = {"norm": np.ones(3, np.float16), "lone.weight": np.zeros(4, E4M3), "ids": np.arange(3)}
    path = save(tmp_path, stored | others)
    loaded = tensors.load(path)
    assert [tensor.name for tensor in loaded] == ["up.weight", "norm"]
    assert {entry.name for entry in loaded.skipped} == {"lone.weight", "ids"}
    assert [tensor.name for tensor in tensors.load(path, names="up.*")] == ["up.weight"]
    assert list(quantised(path, names="down*")) == []
    np.testing.assert_array_equal(loaded[0].values, due)
