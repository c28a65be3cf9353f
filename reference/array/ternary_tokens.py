"""BitNet's activations and its linear layer on binary32 patterns, once for NumPy and jax.numpy."""

from __future__ import annotations

from formats.ternary.activations import Arithmetic, TokenQuantizer
from reference.array import ternary_binary32 as binary32
from reference.array.carrier import Array, Namespace


def quantize_tokens(bits: Array, made: TokenQuantizer, xp: Namespace) -> tuple[Array, Array]:
    """Codes (int32) along the last axis of finite binary32 patterns, and the patterns of the scales."""
    magnitude = bits & xp.uint32(binary32.MAGNITUDE)
    floor = binary32.constant(made.floor)
    if made.arithmetic is Arithmetic.BFLOAT16:
        floor = (floor + 0x7FFF + (floor >> 16 & 1)) & 0xFFFF0000
    largest = xp.maximum(magnitude.max(axis=-1), xp.uint32(floor))
    levels = xp.full_like(largest, binary32.constant(float(made.levels)))
    if made.arithmetic is Arithmetic.BFLOAT16:
        scale = binary32.div_bfloat16(levels, largest, xp)
        codes = binary32.round_even(binary32.mul_bfloat16(bits, scale[..., None], xp), 1 << 15, xp)
    elif made.arithmetic is Arithmetic.BINARY32:
        scale = binary32.div(levels, largest, xp)
        codes = binary32.round_even(binary32.mul(bits, scale[..., None], xp), 1 << 15, xp)
    else:
        scale = binary32.div(levels, largest, xp)
        codes = binary32.round_quotient(magnitude, largest[..., None], made.levels, made.levels, xp)
        codes = xp.where(bits >> xp.uint32(31) != 0, -codes, codes)
    return xp.clip(codes, made.least, made.greatest), scale


def scaled_products(products: Array, scale: Array, gamma: Array, xp: Namespace) -> Array:
    """``RN(RN(RN(acc) / s) * gamma)`` as binary32 patterns of int32 sums ``(..., n)`` and patterns of scales."""
    total = products.astype(xp.float32).view(xp.uint32)
    return binary32.mul(binary32.div(total, scale[..., None], xp), gamma, xp)
