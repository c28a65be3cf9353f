"""Small quantised checkpoints, packed by loops over codes: nothing of what reads them is used."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import safetensors.numpy

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
E4M3, E8M0 = np.dtype(ml_dtypes.float8_e4m3fn), np.dtype(ml_dtypes.float8_e8m0fnu)
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def save(folder, tensors, config=None, *, metadata=None, name="model.safetensors", beside="config.json"):
    """A file and, if there is a configuration, the JSON beside it."""
    contiguous = {key: np.ascontiguousarray(a) if np.ndim(a) else np.asarray(a) for key, a in tensors.items()}
    (folder / name).write_bytes(safetensors.numpy.save(contiguous, metadata))
    if config is not None:
        content = {"quantization_config": config} if beside == "config.json" else config
        (folder / beside).write_text(json.dumps(content))
    return folder / name


def stream(codes, bits):
    """32-bit words of a row of codes, from the low bit of the first word on; the last one is filled up with zeros."""
    number = sum(int(code) << (bits * i) for i, code in enumerate(codes))
    return [(number >> (32 * i)) & 0xFFFFFFFF for i in range(-(-len(codes) * bits // 32))]


def signed(words):
    return np.array(words, np.uint32).view(np.int32)


def rows(codes, bits):
    return signed([stream(row, bits) for row in codes])


def scales_of(rng, shape, dtype):
    return (rng.uniform(0.5, 2, shape) * 0.01).astype(dtype)


def product(scales, integers, dtype):
    """A product that float32 holds exactly, or rounds to float32, in ``dtype``."""
    return (scales.astype(np.float32) * integers.astype(np.float32)).astype(dtype)


def gptq(rng, bits, *, inputs=64, outputs=32, size=16, less=1, act_order=False, dtype=np.float16):
    """Tensors of a layer called ``up``, and its weight (outputs, inputs)."""
    groups = -(-inputs // size)
    index = np.arange(inputs, dtype=np.int32) // size
    index = rng.permutation(index) if act_order else index
    codes = rng.integers(0, 1 << bits, (inputs, outputs))
    zeros = rng.integers(less, 1 << bits, (groups, outputs))
    scales = scales_of(rng, (groups, outputs), dtype)
    tensors = {
        "up.qweight": rows(codes.T, bits).T,
        "up.qzeros": rows(zeros - less, bits),
        "up.scales": scales,
        "up.g_idx": index,
    }
    return tensors, product(scales[index], codes - zeros[index], dtype).T


def awq_words(codes):
    words = [
        [sum(int(row[8 * w + AWQ_ORDER[p]]) << (4 * p) for p in range(8)) for w in range(len(row) // 8)]
        for row in codes
    ]
    return signed(words)


def awq(rng, *, inputs=64, outputs=24, size=32):
    codes = rng.integers(0, 16, (inputs, outputs))
    zeros = rng.integers(0, 16, (inputs // size, outputs))
    scales = scales_of(rng, zeros.shape, np.float16)
    index = np.arange(inputs) // size
    tensors = {"up.qweight": awq_words(codes), "up.qzeros": awq_words(zeros), "up.scales": scales}
    return tensors, product(scales[index], codes - zeros[index], np.float16).T


def packed_integers(rng, bits, *, outputs=24, inputs=64, groups=4, shifted=False, dtype=BFLOAT16):
    """compressed-tensors: numbers of ``bits`` bits, stored with half the range added."""
    half = 1 << bits >> 1
    numbers = rng.integers(-half, half, (outputs, inputs))
    zeros = rng.integers(-half, half, (outputs, groups)) if shifted else np.zeros((outputs, groups), int)
    scales = scales_of(rng, zeros.shape, dtype)
    tensors = {
        "up.weight_packed": rows(numbers + half, bits),
        "up.weight_scale": scales,
        "up.weight_shape": np.array([outputs, inputs]),
    }
    if shifted:
        tensors["up.weight_zero_point"] = rows((zeros + half).T, bits).T
    index = np.arange(inputs) // (inputs // groups)
    return tensors, product(scales[:, index], numbers - zeros[:, index], dtype)


E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
E2M3 = np.array([c / 8 for c in range(8)] + [(1 + c % 8 / 8) * 2 ** (c // 8 - 1) for c in range(8, 32)], np.float32)


def nibbles(codes):
    """The first of two codes in the low nibble."""
    return (codes[..., 0::2] | codes[..., 1::2] << 4).astype(np.uint8)


def sextets(codes):
    """Four codes of 6 bits in three bytes, from the low bit on."""
    number = sum(codes[..., i::4].astype(np.uint32) << (6 * i) for i in range(4))
    return np.stack([(number >> (8 * i)).astype(np.uint8) for i in range(3)], -1).reshape(*codes.shape[:-1], -1)


def nvfp4(rng, *, outputs=8, inputs=64):
    """compressed-tensors: the tensor's number divides; binary32 twice, then bfloat16.

    1 * 208 / 2775.1401 is less than a unit of binary32 from the middle between two numbers of bfloat16.
    """
    codes = rng.integers(0, 16, (outputs, inputs)).astype(np.uint8)
    scales = rng.integers(0, 127, (outputs, inputs // 16)).astype(np.uint8)
    codes[0, :16], scales[0, 0] = 2, 0x75
    number = np.array([2775.14013671875], np.float32)
    tensors = {
        "up.weight_packed": nibbles(codes),
        "up.weight_scale": scales.view(E4M3),
        "up.weight_global_scale": number,
    }
    per_block = scales.view(E4M3).astype(np.float32) / number
    return tensors, (E2M1[codes] * np.repeat(per_block, 16, axis=-1)).astype(BFLOAT16)


def mx(rng, bits, *, outputs=8, inputs=64):
    """compressed-tensors' MXFP4 (4 bits) and MXFP6 (6 bits, E2M3)."""
    codes = rng.integers(0, 1 << bits, (outputs, inputs)).astype(np.uint8)
    scales = rng.integers(1, 250, (outputs, inputs // 32)).astype(np.uint8)
    values = E2M1[codes] if bits == 4 else np.copysign(E2M3[codes & 31], np.where(codes & 32, -1, 1))
    factors = np.ldexp(np.float32(1), np.repeat(scales.astype(int) - 127, 32, axis=-1))
    packed = nibbles(codes) if bits == 4 else sextets(codes)
    return {"up.weight_packed": packed, "up.weight_scale": scales}, (values * factors).astype(BFLOAT16)


def state(kind, size, shape, dtype, **nested):
    text = json.dumps({"quant_type": kind, "blocksize": size, "shape": list(shape), "dtype": dtype, **nested})
    return np.frombuffer(text.encode(), np.uint8)


def bitsandbytes(rng, table, kind="nf4", *, shape=(6, 128), size=64, nested=False, dtype="bfloat16"):
    count = int(np.prod(shape))
    codes = rng.integers(0, 16, count + count % 2)
    maxima = rng.uniform(0.1, 3, -(-count // size)).astype(np.float32)
    tensors = {"up.weight": (codes[0::2] << 4 | codes[1::2]).astype(np.uint8)[:, None], "up.weight.quant_map": table}
    more = {}
    if nested:
        stored, second = rng.integers(0, 256, maxima.size).astype(np.uint8), np.array([1.25, 0.7], np.float32)
        values = np.sort(rng.uniform(-1, 1, 256)).astype(np.float32)
        tensors |= {"up.weight.nested_absmax": second[: -(-maxima.size // 8)], "up.weight.nested_quant_map": values}
        more = {"nested_blocksize": 8, "nested_offset": 1.3, "nested_dtype": "float32"}
        maxima = values[stored] * np.repeat(second, 8)[: maxima.size] + np.float32(1.3)
    tensors["up.weight.absmax"] = stored if nested else maxima
    tensors[f"up.weight.quant_state.bitsandbytes__{kind}"] = state(kind, size, shape, dtype, **more)
    values = table[codes[:count]] * np.repeat(maxima, size)[:count]
    return tensors, values.reshape(shape).astype(BFLOAT16 if dtype == "bfloat16" else dtype)
