"""Packing, once for NumPy and jax.numpy."""

from __future__ import annotations

from formats import Layout
from formats.bit_layout import BitLayout, Field, SplitLayout
from formats.layout import AnyLayout
from reference.array import bit_layout
from reference.array.carrier import Array, Namespace


def pack(codes: Array, layout: AnyLayout, xp: Namespace) -> Array:
    """Words of unsigned codes, a tuple of regions for a split; arguments are taken as checked, see `reference.pack`."""
    match layout:
        case Layout():
            return pack_digits(codes, layout, xp)
        case BitLayout():
            return bit_layout.pack(codes, layout, xp, bitwise=not bit_layout.keeps_codes_whole(layout))
        case SplitLayout():
            return tuple(pack(_field(codes, field, xp), field.layout, xp) for field in layout.fields)


def unpack(words: Array, layout: AnyLayout, xp: Namespace) -> Array:
    """Unsigned codes of words; arguments are taken as checked, see `reference.unpack`."""
    match layout:
        case Layout():
            return unpack_digits(words, layout, xp)
        case BitLayout():
            return bit_layout.unpack(words, layout, xp, bitwise=not bit_layout.keeps_codes_whole(layout))
        case SplitLayout():
            dtype, codes = bit_layout.unsigned(layout.code_bits, xp), 0
            for region, field in zip(words, layout.fields, strict=True):
                codes = codes | unpack(region, field.layout, xp).astype(dtype) << field.low
            return codes


def _field(codes: Array, field: Field, xp: Namespace) -> Array:
    bits = field.layout.code_bits
    return (codes >> field.low).astype(bit_layout.unsigned(bits, xp)) & bit_layout.ones(bits, xp)


def digits_of_codes(codes: Array, layout: Layout) -> Array:
    """The digit of each uint8 code; beyond ``max_digit`` where the layout does not store the code."""
    return (codes + layout.offset) & ((1 << layout.code_bits) - 1)


def digits_of_words(words: Array, layout: Layout, xp: Namespace) -> Array:
    """The digits of each uint8 byte, in the order of the elements, along a new last axis."""
    return xp.stack([(words // place) % layout.radix for place in layout.places], axis=-1)


def pack_digits(codes: Array, layout: Layout, xp: Namespace) -> Array:
    """Bytes (uint8) of uint8 codes."""
    *outer, length = codes.shape
    digits = digits_of_codes(codes, layout).reshape(*outer, length // layout.per_byte, layout.per_byte)
    words = xp.zeros(digits.shape[:-1], xp.uint8)
    for j, place in enumerate(layout.places):
        words = words + digits[..., j] * place
    return words


def unpack_digits(words: Array, layout: Layout, xp: Namespace) -> Array:
    """Codes (uint8) of uint8 bytes."""
    *outer, length = words.shape
    codes = (digits_of_words(words, layout, xp) - layout.offset) & ((1 << layout.code_bits) - 1)
    return codes.reshape(*outer, length * layout.per_byte)
