"""Blocks of 256: llama.cpp's TQ1_0 and TQ2_0, and its Q8_K activations, once for NumPy and jax.numpy."""

from __future__ import annotations

import numpy as np

from formats.ternary.storage import TernaryBlock
from reference.array import codec, decode
from reference.array import ternary_binary32 as binary32
from reference.array import ternary_storage as storage
from reference.array.carrier import Array, Namespace
from reference.array.conversion import conversion

_BINARY16 = conversion("float16", rounding="nearest_ties_to_even", saturation="sat_none")
_ONE, _MINUS_127 = binary32.constant(1.0), binary32.constant(-127.0)


def quantize(bits: Array, block: TernaryBlock, xp: Namespace) -> Array:
    """Bytes ``(..., blocks, bytes_per_block)`` of binary32 patterns ``(..., n)``; arguments are taken as checked."""
    parts = bits.reshape(*bits.shape[:-1], bits.shape[-1] // block.elements, block.elements)
    magnitude = parts & xp.uint32(binary32.MAGNITUDE)
    largest = magnitude.max(axis=-1)
    inverse = xp.where(largest == 0, xp.uint32(0), binary32.div(xp.full_like(largest, _ONE), largest, xp))
    away = binary32.mul(magnitude, inverse[..., None], xp) >= xp.uint32(binary32.HALF)  # at most one unit above 1
    trits = signed(away.astype(xp.int8), parts, xp)
    words = storage.pack(trits, block.storage, xp)[..., 0, :]
    scale = codec.encode(largest.view(xp.float32), _BINARY16, xp)
    return xp.concatenate([words, _bytes(scale, xp)], axis=-1)


def dequantize(blocks: Array, block: TernaryBlock, xp: Namespace) -> Array:
    """Binary32 patterns ``(..., n)`` of ``d * trit``, which is exact; a NaN is positive and quiet."""
    words, tail = blocks[..., : block.storage.bytes_per_tile], blocks[..., block.storage.bytes_per_tile :]
    code = tail[..., 0].astype(xp.uint16) | (tail[..., 1].astype(xp.uint16) << np.uint16(8))
    scale = decode.decode(code, _BINARY16.spec, xp).view(xp.uint32)[..., None]
    trits = storage.unpack(words[..., None, :], block.storage, xp)
    magnitude, size = scale & xp.uint32(binary32.MAGNITUDE), xp.abs(trits)
    value = xp.where(size == 2, binary32.doubled(magnitude, xp), xp.where(size == 1, magnitude, xp.uint32(0)))
    value = xp.where(magnitude == xp.uint32(binary32.INFINITY), magnitude, value)
    sign = (scale ^ (trits < 0).astype(xp.uint32) << xp.uint32(31)) & xp.uint32(binary32.SIGN)
    nan = (magnitude > xp.uint32(binary32.INFINITY)) | ((magnitude == xp.uint32(binary32.INFINITY)) & (size == 0))
    value = xp.where(nan, xp.uint32(binary32.NAN), value | sign)
    return value.reshape(*blocks.shape[:-2], blocks.shape[-2] * block.elements)


def quantize_q8_k(bits: Array, xp: Namespace) -> tuple[Array, Array]:
    """Codes (int8) of binary32 patterns ``(..., 256)``, and the patterns of the scales ``d = RN(1 / RN(-127 / x))``."""
    magnitude = bits & xp.uint32(binary32.MAGNITUDE)
    first = magnitude.argmax(axis=-1)[..., None]
    extreme = xp.take_along_axis(bits, first, axis=-1)
    inverse = binary32.div(xp.full_like(extreme, _MINUS_127), extreme, xp)
    codes = binary32.round_even(binary32.mul(bits, inverse, xp), 128, xp)
    scale = binary32.div(xp.full_like(inverse, _ONE), inverse, xp)
    nothing = magnitude.max(axis=-1, keepdims=True) == 0
    codes = xp.where(nothing, 0, xp.minimum(codes, 127)).astype(xp.int8)
    return codes, xp.where(nothing, xp.uint32(0), scale)[..., 0]


def signed(magnitude: Array, bits: Array, xp: Namespace) -> Array:
    """``magnitude`` with the sign of binary32 patterns."""
    return xp.where(bits >> xp.uint32(31) != 0, -magnitude, magnitude)


def _bytes(code: Array, xp: Namespace) -> Array:
    return xp.stack([code & np.uint16(0xFF), code >> np.uint16(8)], axis=-1).astype(xp.uint8)
