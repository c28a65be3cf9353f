"""Packing, once for NumPy and jax.numpy."""

from __future__ import annotations

from functools import cache, partial

from formats import Layout
from formats.layouts.bits import AnyLayout, BitLayout, Field, SplitLayout
from reference.array import bit_layout
from reference.array.carrier import Array, Namespace
from reference.array.rewrite import Apart, ones, rewrite, unsigned


def pack(codes: Array, layout: AnyLayout, xp: Namespace, apart: Apart) -> Array:
    """Words of unsigned codes, a tuple of regions for a split; arguments are taken as checked, see `reference.pack`."""
    match layout:
        case Layout():
            return pack_digits(codes, layout, xp, apart)
        case BitLayout():
            return bit_layout.pack(codes, layout, bit_layout.plan(layout), xp, apart)
        case SplitLayout():
            return tuple(pack(_field(codes, field, xp), field.layout, xp, apart) for field in layout.fields)


def unpack(words: Array, layout: AnyLayout, xp: Namespace, apart: Apart) -> Array:
    """Unsigned codes of words; arguments are taken as checked, see `reference.unpack`."""
    match layout:
        case Layout():
            return unpack_digits(words, layout, xp, apart)
        case BitLayout():
            return bit_layout.unpack(words, layout, bit_layout.plan(layout), xp, apart)
        case SplitLayout():
            dtype, codes = unsigned(layout.code_bits, xp), 0
            for region, field in zip(words, layout.fields, strict=True):
                codes = codes | unpack(region, field.layout, xp, apart).astype(dtype) << field.low
            return codes


def _field(codes: Array, field: Field, xp: Namespace) -> Array:
    bits = field.layout.code_bits
    return (codes >> field.low).astype(unsigned(bits, xp)) & ones(bits, xp)


def digits_of_codes(codes: Array, layout: Layout) -> Array:
    """The digit of each uint8 code; beyond ``max_digit`` where the layout does not store the code."""
    return (codes + layout.offset) & ((1 << layout.code_bits) - 1)


def digits_of_words(words: Array, layout: Layout, xp: Namespace) -> Array:
    """The digits of each uint8 byte, in the order of the elements, along a new last axis."""
    return xp.stack([(words // place) % layout.radix for place in layout.places], axis=-1)


def pack_digits(codes: Array, layout: Layout, xp: Namespace, apart: Apart) -> Array:
    """Bytes (uint8) of uint8 codes."""
    *outer, length = codes.shape
    if _fills_bytes(layout):
        digits = digits_of_codes(codes, layout) if layout.offset else codes
        row = rewrite(digits.reshape(-1), _digit_bits(layout), 8, xp, apart, high_first=layout.big_endian)
    else:
        row = apart(partial(_summed, layout=layout, xp=xp))(codes.reshape(-1))
    return row.reshape(*outer, length // layout.per_byte)


def unpack_digits(words: Array, layout: Layout, xp: Namespace, apart: Apart) -> Array:
    """Codes (uint8) of uint8 bytes."""
    *outer, length = words.shape
    if _fills_bytes(layout):
        digits = rewrite(words.reshape(-1), 8, _digit_bits(layout), xp, apart, high_first=layout.big_endian)
        codes = _codes_of_digits(digits, layout) if layout.offset else digits
    else:
        codes = apart(partial(_divided, layout=layout, xp=xp))(words.reshape(-1))
    return codes.reshape(*outer, length * layout.per_byte)


def _fills_bytes(layout: Layout) -> bool:
    return layout.radix**layout.per_byte == 256


def _digit_bits(layout: Layout) -> int:
    return (layout.radix - 1).bit_length()


def _codes_of_digits(digits: Array, layout: Layout) -> Array:
    return (digits - layout.offset) & ((1 << layout.code_bits) - 1)


def _summed(codes: Array, *, layout: Layout, xp: Namespace) -> Array:
    digits = digits_of_codes(codes, layout).reshape(codes.size // layout.per_byte, layout.per_byte)
    products = digits.astype(xp.uint16) * xp.asarray(layout.places, xp.uint16)
    return products.sum(axis=-1, dtype=xp.uint16).astype(xp.uint8)


def _divided(words: Array, *, layout: Layout, xp: Namespace) -> Array:
    """Codes, a row for each byte: its digits side by side in one number, and from there one to a column."""
    factor, shift = _reciprocal(layout.radix)
    rest = words.astype(unsigned(max(16, (255 * factor).bit_length()), xp))
    beside = xp.zeros_like(rest)
    steps = range(layout.per_byte)
    for place in reversed(steps) if layout.big_endian else steps:
        quotient = rest * factor >> shift
        beside = beside | (rest - quotient * layout.radix) << place * _digit_bits(layout)
        rest = quotient
    column = xp.arange(layout.per_byte, dtype=rest.dtype)
    digits = (beside[:, None] >> column * _digit_bits(layout)) & ones(_digit_bits(layout), xp)
    return _codes_of_digits(digits.astype(xp.uint8), layout)


@cache
def _reciprocal(radix: int) -> tuple[int, int]:
    """``(factor, shift)`` such that ``byte * factor >> shift`` is ``byte // radix`` for every byte."""
    for shift in range(8, 17):
        factor = -(-(1 << shift) // radix)
        if all(byte * factor >> shift == byte // radix for byte in range(256)):
            return factor, shift
    raise AssertionError(radix)
