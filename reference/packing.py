"""Packing on NumPy arrays: codes into words and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

import formats
from formats import Layout
from formats.layouts.bits import AnyLayout, BitLayout, SplitLayout
from reference.array import packing as array_packing
from reference.array.rewrite import together, unsigned


@overload
def pack(codes: ArrayLike, layout: Layout | BitLayout) -> NDArray[Any]: ...
@overload
def pack(codes: ArrayLike, layout: SplitLayout) -> tuple[NDArray[Any], ...]: ...
@overload
def pack(codes: ArrayLike, layout: str) -> Any: ...
def pack(codes: ArrayLike, layout: str | AnyLayout) -> Any:
    """Words that hold ``codes``: unsigned integers, in tiles along the last axes.

    Definitions: `formats.Layout` (bytes along the last axis, shape ``(..., n)`` to ``(..., n / per_byte)``),
    `formats.BitLayout` (words of ``word_bits`` bits, each tile of codes to a tile of words) and
    `formats.SplitLayout` (a tuple of such regions). ``codes``: integers of any dtype. Nothing is padded and nothing
    is masked.

    Raises ``KeyError`` (unknown layout), ``TypeError`` (no integers) or ``ValueError`` (a shape that does not fill
    its bytes or tiles; a code that the layout does not store, with its index).

    >>> pack([[0, 1, 3, 1], [0, 0, 0, 0]], "ternary_2bit")
    array([[137],
           [ 85]], dtype=uint8)
    >>> pack([0x3F, 0, 0, 1], "6bit_high_first")
    array([252,   0,   1], dtype=uint8)
    """
    spec = formats.layout(layout)
    array = np.asarray(codes)
    check_codes(array, spec)
    refuse_codes(array, spec)
    return array_packing.pack(array.astype(unsigned(spec.code_bits, np)), spec, np, together)


def unpack(words: ArrayLike | Sequence[ArrayLike], layout: str | AnyLayout) -> NDArray[Any]:
    """The codes that words hold: the inverse of `pack`, in the narrowest unsigned dtype.

    ``words``: integers of any dtype, in 0..255 for a `formats.Layout` and in ``0 .. 2^word_bits - 1`` for a
    `formats.BitLayout`: signed words are to be viewed as unsigned ones first; for a `formats.SplitLayout` a sequence
    of such regions. Raises ``KeyError`` (unknown layout), ``TypeError`` (no integers) or ``ValueError`` (a shape that
    does not fill its tiles; a word that `pack` never produces, with its index).

    >>> unpack([137], "ternary_2bit")
    array([0, 1, 3, 1], dtype=uint8)
    """
    spec = formats.layout(layout)
    return array_packing.unpack(each_region(words, spec, _checked_words), spec, np, together)


def _checked_words(words: ArrayLike, spec: Layout | BitLayout) -> NDArray[Any]:
    array = np.asarray(words)
    check_words(array, spec)
    refuse_words(array, spec)
    return array.astype(unsigned(word_bits(spec), np))


def each_region(words: Any, spec: AnyLayout, checked: Any) -> Any:
    """``checked(region, its layout)`` of every region of a split, or of the words themselves."""
    if not isinstance(spec, SplitLayout):
        return checked(words, spec)
    if len(words) != len(spec.fields):
        raise ValueError(f"{spec.name} has {len(spec.fields)} regions, not {len(words)}")
    return tuple(checked(region, field.layout) for region, field in zip(words, spec.fields, strict=True))


def word_bits(spec: Layout | BitLayout) -> int:
    """Bits of a word."""
    return 8 if isinstance(spec, Layout) else spec.word_bits


def check_codes(codes: Any, spec: AnyLayout) -> None:
    """Refuse codes by dtype and shape: what can be seen of any array, traced ones too."""
    _check_integers(codes, "codes")
    match spec:
        case Layout():
            if codes.shape[-1] % spec.per_byte:
                raise ValueError(
                    f"{spec.name} packs {spec.per_byte} codes a byte, so the last axis must be a multiple of"
                    f" {spec.per_byte} long; its length is {codes.shape[-1]}"
                )
        case BitLayout():
            _check_tiles(codes.shape, spec.tile, spec, "codes")
        case SplitLayout():
            for field in spec.fields:
                _check_tiles(codes.shape, field.layout.tile, spec, "codes")


def check_words(words: Any, spec: Layout | BitLayout) -> None:
    """Refuse words by dtype and shape."""
    _check_integers(words, "words")
    if isinstance(spec, BitLayout):
        _check_tiles(words.shape, spec.words, spec, "words")


def _check_integers(array: Any, what: str) -> None:
    if array.dtype.kind not in "iu":
        raise TypeError(f"{what} must be integers, not {array.dtype.name}; view a narrow dtype as uint8 first")
    if not array.shape:
        raise ValueError(f"{what} need a last axis to pack along; a scalar has none")


def _check_tiles(shape: tuple[int, ...], tile: tuple[int, ...], spec: AnyLayout, what: str) -> None:
    rank = len(tile)
    if len(shape) < rank or any(n % t for n, t in zip(shape[-rank:], tile, strict=True)):
        raise ValueError(f"{spec.name} takes {what} in tiles of {tile}; the shape {shape} is not made of them")


def refuse_codes(codes: NDArray[Any], spec: AnyLayout) -> None:
    """``ValueError`` naming the first code that the layout does not store."""
    bad = (codes < 0) | (codes >= 1 << spec.code_bits)
    stored = f"0..{(1 << spec.code_bits) - 1}"
    if isinstance(spec, Layout):
        bad |= array_packing.digits_of_codes(codes.astype(np.uint8), spec) > spec.max_digit
        known = sorted((digit - spec.offset) % (1 << spec.code_bits) for digit in range(spec.max_digit + 1))
        stored = ", ".join(map(str, known))
    if bad.any():
        raise ValueError(f"code {_first(codes, bad)} is none that {spec.name} stores: {stored}")


def refuse_words(words: NDArray[Any], spec: Layout | BitLayout) -> None:
    """``ValueError`` naming the first word that the layout never has."""
    if isinstance(spec, BitLayout):
        bad = (words < 0) | (words > (1 << spec.word_bits) - 1)
        if bad.any():
            raise ValueError(
                f"word {_first(words, bad)} is none of {spec.name}, which has words of {spec.word_bits} bits;"
                " view signed words as unsigned first"
            )
        return
    bad = (words < 0) | (words >= spec.radix**spec.per_byte)
    bad |= (array_packing.digits_of_words(words.astype(np.uint8), spec, np) > spec.max_digit).any(axis=-1)
    if bad.any():
        digits = f"{spec.per_byte} digits 0..{spec.max_digit} of radix {spec.radix}"
        raise ValueError(f"byte {_first(words, bad)} is none of {spec.name}, which holds {digits}")


def _first(array: NDArray[Any], bad: NDArray[np.bool_]) -> str:
    where = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{int(array[where])} at {list(where)}"
