"""Ternary codes in bytes and back on NumPy arrays, and the triples that TL2 splits into magnitude and sign."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats import parse_enum
from formats.ternary.storage import Foreign, TernaryStorage, ternary_storage
from reference.array import ternary_storage as array_storage


def pack_trits(elements: ArrayLike, storage: str | TernaryStorage) -> NDArray[np.uint8]:
    """Bytes of ternary codes, in the order and digits of a published storage.

    Definition: `formats.TernaryStorage`. ``elements``: integers -1, 0, 1 (where the record says so,
    others) of any dtype; the last axes are whole tiles. The result has shape ``(..., *grid, bytes_per_tile)``.

    Raises ``KeyError`` (unknown storage), ``TypeError`` (no integers) or ``ValueError`` (axes that are no whole
    tiles; an element out of range, with its index).

    >>> pack_trits([[1, 0, -1, 1, 1]], "ternary_base3_multiply")
    array([[[208]]], dtype=uint8)
    """
    spec, array = ternary_storage(storage), np.asarray(elements)
    check_elements(array, spec)
    refuse_elements(array, spec)
    return array_storage.pack(array.astype(np.int8), spec, np)


def unpack_trits(words: ArrayLike, storage: str | TernaryStorage, *, foreign: Foreign | str) -> NDArray[np.int8]:
    """The elements that bytes ``(..., *grid, bytes_per_tile)`` hold: the inverse of `pack_trits`.

    ``foreign`` says what becomes of bytes that `pack_trits` never makes. Raises ``KeyError`` (unknown storage),
    ``TypeError`` (no integers) or ``ValueError`` (a shape without grid or of other tiles; a number that is no byte;
    a foreign byte where refused, with its index).

    >>> unpack_trits([[208]], "ternary_base3_multiply", foreign="refuse")
    array([ 1,  0, -1,  1,  1], dtype=int8)
    """
    spec, fate, array = ternary_storage(storage), parse_enum(Foreign, foreign, "foreign"), np.asarray(words)
    check_words(array, spec)
    refuse_words(array, spec, fate)
    return array_storage.unpack(array.astype(np.uint8), spec, np)


def split_triples(trits: ArrayLike) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Magnitude 0..13 and sign bit (1 if negative) of ``v = 9 w0 + 3 w1 + w2`` for each three trits: TL2's code.

    Balanced ternary: every ``v`` of -13..13 is one triple. ``trits``: integers -1, 0, 1, shape ``(..., 3 n)``; both
    results have shape ``(..., n)``. Raises ``TypeError`` (no integers) or ``ValueError`` (length, range). Source:
    arXiv 2502.11880, and `utils/codegen_tl2.py` of microsoft/BitNet @ 16da220.

    >>> split_triples([-1, -1, 1, 1, 1, 1])
    (array([11, 13], dtype=uint8), array([1, 0], dtype=uint8))
    """
    array = np.asarray(trits)
    check_triples(array)
    _refuse(array, (array < -1) | (array > 1), "trit", "none of -1, 0, 1")
    return array_storage.split_triples(array.astype(np.int8), np)


def join_triples(magnitude: ArrayLike, sign: ArrayLike) -> NDArray[np.int8]:
    """The trits of TL2's magnitudes and sign bits: the inverse of `split_triples`.

    Raises ``TypeError`` (no integers) or ``ValueError`` (shapes that differ; a magnitude above 13; a sign that is no
    bit, or that of a zero).

    >>> join_triples([11, 13], [1, 0])
    array([-1, -1,  1,  1,  1,  1], dtype=int8)
    """
    high, low = np.asarray(magnitude), np.asarray(sign)
    check_pair(high, low)
    _refuse(high, (high < 0) | (high > 13), "magnitude", "none of 0..13")
    _refuse(low, (low < 0) | (low > 1) | ((low == 1) & (high == 0)), "sign", "no bit, or that of a zero")
    return array_storage.join_triples(high.astype(np.int8), low.astype(np.int8), np)


def check_elements(array: Any, spec: TernaryStorage) -> None:
    """Refuse elements by dtype and shape: what can be seen of any array, traced ones too."""
    _check_integers(array, "elements")
    inner = array.shape[-len(spec.tile) :]
    if len(inner) < len(spec.tile) or any(size % tile for size, tile in zip(inner, spec.tile, strict=True)):
        raise ValueError(f"{spec.name} stores tiles {spec.tile}; the last axes of shape {array.shape} are no multiple")


def check_words(array: Any, spec: TernaryStorage) -> None:
    """Refuse bytes by dtype and shape."""
    _check_integers(array, "words")
    if array.ndim <= len(spec.tile) or array.shape[-1] != spec.bytes_per_tile:
        due = f"(..., {'grid, ' * len(spec.tile)}{spec.bytes_per_tile})"
        raise ValueError(f"words of {spec.name} have shape {due}, not {array.shape}")


def check_triples(array: Any) -> None:
    """Refuse trits of triples by dtype and shape."""
    _check_integers(array, "trits")
    if not array.ndim or array.shape[-1] % 3:
        raise ValueError(f"triples need a last axis that 3 divides; the shape is {array.shape}")


def check_pair(magnitude: Any, sign: Any) -> None:
    """Refuse magnitudes and signs by dtype and shape."""
    _check_integers(magnitude, "magnitudes")
    _check_integers(sign, "signs")
    if magnitude.shape != sign.shape or not magnitude.ndim:
        raise ValueError(f"magnitudes {magnitude.shape} and signs {sign.shape} need one shape, with a last axis")


def refuse_elements(array: NDArray[Any], spec: TernaryStorage) -> None:
    """``ValueError`` naming the first element that the storage does not hold."""
    bad = (array < spec.least) | (array > spec.greatest)
    _refuse(array, bad, "element", f"none of {spec.least}..{spec.greatest}, which {spec.name} holds")


def refuse_words(array: NDArray[Any], spec: TernaryStorage, fate: Foreign) -> None:
    """``ValueError`` naming the first number that is no byte, or no byte of the storage."""
    _refuse(array, (array < 0) | (array > 255), "word", "no byte")
    if fate is Foreign.DECODE:
        return
    elements = array_storage.unpack(array.astype(np.uint8), spec, np)
    back = array_storage.pack(np.clip(elements, spec.least, spec.greatest), spec, np)
    _refuse(array, back != array, "byte", f"foreign to {spec.name}; foreign='decode' takes it")


def _check_integers(array: Any, what: str) -> None:
    if array.dtype.kind not in "iu":
        raise TypeError(f"{what} must be integers, not {array.dtype.name}")


def _refuse(array: NDArray[Any], bad: NDArray[np.bool_], what: str, why: str) -> None:
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"{what} {int(array[where])} at {list(where)} is {why}")
