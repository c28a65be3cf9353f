"""The judge: codes as words, one number at a time."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, overload

import formats
from formats import Layout
from formats.layouts.bits import AnyLayout, BitLayout, SplitLayout
from reference.exact import bit_layout


@overload
def pack(codes: Sequence[int], layout: Layout | BitLayout, shape: Sequence[int] | None = None) -> list[int]: ...
@overload
def pack(codes: Sequence[int], layout: SplitLayout, shape: Sequence[int] | None = None) -> tuple[list[int], ...]: ...
@overload
def pack(codes: Sequence[int], layout: str, shape: Sequence[int] | None = None) -> Any: ...
def pack(codes: Sequence[int], layout: str | AnyLayout, shape: Sequence[int] | None = None) -> Any:
    """Words that hold ``codes``, by the definitions in `formats.Layout`, `BitLayout` and `SplitLayout`.

    Codes and words come in row-major order; ``shape`` is that of the codes, a row if None. A split gives a tuple of
    regions. Raises ``KeyError`` (unknown layout) or ``ValueError`` (codes that do not have the shape; a shape that
    does not fill its words or tiles; a code that the layout does not store, with its index).

    >>> pack([0, 1, 3, 1], "ternary_2bit"), pack([0x3F, 0, 0, 1], "6bit_high_first")
    ([137], [252, 0, 1])
    """
    spec = formats.layout(layout)
    shape = (len(codes),) if shape is None else tuple(shape)
    if prod(shape) != len(codes):
        raise ValueError(f"{len(codes)} codes do not have the shape {shape}")
    _refuse_shape(shape, spec)
    for index, code in enumerate(codes):
        if not _is_stored(code, spec):
            raise ValueError(f"code {code} at {index} is none that {spec.name} stores")
    match spec:
        case Layout():
            digits = [_digit(code, spec) for code in codes]
            return [_byte(digits[i : i + spec.per_byte], spec) for i in range(0, len(digits), spec.per_byte)]
        case BitLayout():
            return bit_layout.pack(codes, shape, spec)
        case SplitLayout():
            return tuple(
                bit_layout.pack([code // 2**f.low % 2**f.layout.code_bits for code in codes], shape, f.layout)
                for f in spec.fields
            )


def _refuse_shape(shape: tuple[int, ...], spec: AnyLayout) -> None:
    match spec:
        case Layout():
            if not shape or shape[-1] % spec.per_byte:
                raise ValueError(
                    f"codes of shape {shape} do not fill bytes of {spec.per_byte}, as {spec.name} has them"
                )
        case BitLayout():
            rank = len(spec.tile)
            if len(shape) < rank or any(n % t for n, t in zip(shape[-rank:], spec.tile, strict=True)):
                raise ValueError(f"codes of shape {shape} do not fill tiles of {spec.tile}, as {spec.name} has them")
        case SplitLayout():
            for field in spec.fields:
                _refuse_shape(shape, field.layout)


def _is_stored(code: int, spec: AnyLayout) -> bool:
    return 0 <= code < 2**spec.code_bits and (not isinstance(spec, Layout) or _digit(code, spec) <= spec.max_digit)


def _digit(code: int, spec: Layout) -> int:
    return (code + spec.offset) % 2**spec.code_bits


def _byte(digits: list[int], spec: Layout) -> int:
    byte = 0
    for digit in digits if spec.big_endian else reversed(digits):
        byte = byte * spec.radix + digit
    return byte


def unpack(words: Sequence[Any], layout: str | AnyLayout, shape: Sequence[int] | None = None) -> list[int]:
    """The codes that words hold: the inverse of `pack`; ``shape`` is that of the codes, a row if None.

    Raises ``KeyError`` (unknown layout) or ``ValueError`` (a shape that does not fill the words, or that does not
    fill its tiles; a word that `pack` never produces, with its index).

    >>> unpack([137], "ternary_2bit"), unpack([252, 0, 1], "6bit_high_first")
    ([0, 1, 3, 1], [63, 0, 0, 1])
    """
    spec = formats.layout(layout)
    if isinstance(spec, SplitLayout):
        return _unpack_regions(words, spec, shape)
    codes, in_words = (spec.per_byte, 1) if isinstance(spec, Layout) else (spec.word_bits, spec.code_bits)
    shape = (len(words) * codes // in_words,) if shape is None else tuple(shape)
    if prod(shape) * in_words != len(words) * codes:
        raise ValueError(f"{len(words)} words of {spec.name} do not hold codes of shape {shape}")
    _refuse_shape(shape, spec)
    if isinstance(spec, Layout):
        return [code for index, word in enumerate(words) for code in _codes(word, index, spec)]
    for index, word in enumerate(words):
        if not 0 <= word < 2**spec.word_bits:
            raise ValueError(f"word {word} at {index} is none that {spec.name} has")
    return bit_layout.unpack(words, shape, spec)


def _unpack_regions(regions: Sequence[Sequence[int]], spec: SplitLayout, shape: Sequence[int] | None) -> list[int]:
    if len(regions) != len(spec.fields):
        raise ValueError(f"{spec.name} has {len(spec.fields)} regions, not {len(regions)}")
    fields = [unpack(region, f.layout, shape) for region, f in zip(regions, spec.fields, strict=True)]
    return [
        sum(part << f.low for part, f in zip(parts, spec.fields, strict=True)) for parts in zip(*fields, strict=True)
    ]


def _codes(word: int, index: int, spec: Layout) -> list[int]:
    rest, digits = word, list[int]()
    for _ in range(spec.per_byte):
        rest, digit = divmod(rest, spec.radix)
        digits.append(digit)
    if rest != 0 or max(digits) > spec.max_digit:
        raise ValueError(f"byte {word} at {index} is none that {spec.name} has")
    ordered = reversed(digits) if spec.big_endian else digits
    return [(digit - spec.offset) % 2**spec.code_bits for digit in ordered]
