"""Packing on NumPy arrays: codes into bytes and back, along the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import formats
from formats import Layout
from reference.array import packing as array_packing


def pack(codes: ArrayLike, layout: str | Layout) -> NDArray[np.uint8]:
    """Bytes that hold ``codes``, ``per_byte`` of them each, along the last axis.

    Definition: `formats.Layout`. ``codes``: integers of any dtype, shape ``(..., n)``; the result has shape
    ``(..., n / per_byte)``. Nothing is padded and nothing is masked.

    Raises ``KeyError`` (unknown layout), ``TypeError`` (no integers) or ``ValueError`` (a length that does not fill
    its bytes; a code that the layout does not store, with its index).

    >>> pack([[0, 1, 3, 1], [0, 0, 0, 0]], "ternary_2bit")
    array([[137],
           [ 85]], dtype=uint8)
    """
    spec = formats.layout(layout)
    array = np.asarray(codes)
    check_codes(array, spec)
    refuse_codes(array, spec)
    return array_packing.pack(array.astype(np.uint8), spec, np)


def unpack(words: ArrayLike, layout: str | Layout) -> NDArray[np.uint8]:
    """The codes that bytes hold, along the last axis: the inverse of `pack`.

    ``words``: integers in 0..255 of any dtype, shape ``(..., n)``; the result has shape ``(..., n * per_byte)``.
    Raises ``KeyError`` (unknown layout), ``TypeError`` (no integers) or ``ValueError`` (no axis; a byte that `pack`
    never produces, with its index).

    >>> unpack([137], "ternary_2bit")
    array([0, 1, 3, 1], dtype=uint8)
    """
    spec = formats.layout(layout)
    array = np.asarray(words)
    check_words(array)
    refuse_words(array, spec)
    return array_packing.unpack(array.astype(np.uint8), spec, np)


def check_codes(codes: Any, spec: Layout) -> None:
    """Refuse codes by dtype and shape: what can be seen of any array, traced ones too."""
    _check_integers(codes, "codes")
    if codes.shape[-1] % spec.per_byte:
        raise ValueError(
            f"{spec.name} packs {spec.per_byte} codes a byte, so the last axis must be a multiple of {spec.per_byte}"
            f" long; its length is {codes.shape[-1]}"
        )


def check_words(words: Any) -> None:
    """Refuse bytes by dtype and shape."""
    _check_integers(words, "words")


def _check_integers(array: Any, what: str) -> None:
    if array.dtype.kind not in "iu":
        raise TypeError(f"{what} must be integers, not {array.dtype.name}; view a narrow dtype as uint8 first")
    if not array.shape:
        raise ValueError(f"{what} need a last axis to pack along; a scalar has none")


def refuse_codes(codes: NDArray[Any], spec: Layout) -> None:
    """``ValueError`` naming the first code that the layout does not store."""
    whole = (codes >= 0) & (codes < 1 << spec.code_bits)
    bad = ~whole | (array_packing.digits_of_codes(codes.astype(np.uint8), spec) > spec.max_digit)
    if bad.any():
        stored = sorted((digit - spec.offset) % (1 << spec.code_bits) for digit in range(spec.max_digit + 1))
        raise ValueError(f"code {_first(codes, bad)} is none that {spec.name} stores: {', '.join(map(str, stored))}")


def refuse_words(words: NDArray[Any], spec: Layout) -> None:
    """``ValueError`` naming the first byte that holds no digits of the layout."""
    bad = (words < 0) | (words >= spec.radix**spec.per_byte)
    bad |= (array_packing.digits_of_words(words.astype(np.uint8), spec, np) > spec.max_digit).any(axis=-1)
    if bad.any():
        digits = f"{spec.per_byte} digits 0..{spec.max_digit} of radix {spec.radix}"
        raise ValueError(f"byte {_first(words, bad)} is none of {spec.name}, which holds {digits}")


def _first(array: NDArray[Any], bad: NDArray[np.bool_]) -> str:
    where = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{int(array[where])} at {list(where)}"
