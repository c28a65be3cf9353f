"""Packing along the last axis in bytes alone, once for NumPy and jax.numpy."""

from __future__ import annotations

from formats import Layout
from reference.array.carrier import Array, Namespace


def digits_of_codes(codes: Array, layout: Layout) -> Array:
    """The digit of each uint8 code; beyond ``max_digit`` where the layout does not store the code."""
    return (codes + layout.offset) & ((1 << layout.code_bits) - 1)


def digits_of_words(words: Array, layout: Layout, xp: Namespace) -> Array:
    """The digits of each uint8 byte, in the order of the elements, along a new last axis."""
    return xp.stack([(words // place) % layout.radix for place in layout.places], axis=-1)


def pack(codes: Array, layout: Layout, xp: Namespace) -> Array:
    """Bytes (uint8) of uint8 codes; arguments are taken as checked, see `reference.pack`."""
    *outer, length = codes.shape
    digits = digits_of_codes(codes, layout).reshape(*outer, length // layout.per_byte, layout.per_byte)
    words = xp.zeros(digits.shape[:-1], xp.uint8)
    for j, place in enumerate(layout.places):
        words = words + digits[..., j] * place
    return words


def unpack(words: Array, layout: Layout, xp: Namespace) -> Array:
    """Codes (uint8) of uint8 bytes; arguments are taken as checked, see `reference.unpack`."""
    *outer, length = words.shape
    codes = (digits_of_words(words, layout, xp) - layout.offset) & ((1 << layout.code_bits) - 1)
    return codes.reshape(*outer, length * layout.per_byte)
