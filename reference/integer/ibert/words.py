"""Integers of I-BERT's operators: their types, words that wrap, and divisions by powers of two."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Wide = NDArray[np.int64]

#: what an operator takes
ACCEPTED = ("int8", "int16", "int32", "uint8", "uint16")


def as_words(q: ArrayLike) -> Wide:
    """``q`` as int64; a list of Python integers is taken where int32 holds them, else ``OverflowError``.

    ``TypeError`` for an array of another type than `ACCEPTED`.
    """
    array: NDArray[Any] = np.asarray(q)
    if array.dtype.name not in ACCEPTED and (isinstance(q, np.ndarray | np.generic) or array.dtype.kind != "i"):
        raise TypeError(f"q has dtype {array.dtype.name}; accepted: {', '.join(ACCEPTED)}")
    outside = (array < -(1 << 31)) | (array >= 1 << 31)
    if outside.any():
        raise OverflowError(f"q={array[outside].flat[0]} is no int32")
    return array.astype(np.int64)


def as_rows(q: ArrayLike) -> Wide:
    """`as_words` with at least one integer along the last axis, and all within ``-2^30..2^30 - 1``.

    So the difference of two fits int32.
    """
    rows = as_words(q)
    if not rows.ndim or not rows.shape[-1]:
        raise ValueError(f"q of shape {rows.shape} has no rows; give at least one axis, whose last is not empty")
    outside = (rows < -(1 << 30)) | (rows >= 1 << 30)
    if outside.any():
        raise OverflowError(f"q={rows[outside].flat[0]} must lie in -2^30..2^30 - 1, so that differences fit int32")
    return rows


def wrapped(x: Wide, bits: int | None) -> Wide:
    """``x`` modulo ``2^bits``, as a signed integer; ``x`` itself where ``bits`` is None.

    >>> wrapped(np.array([1 << 31, -1]), 32).tolist()
    [-2147483648, -1]
    """
    if bits is None:
        return x
    half = np.int64(1 << (bits - 1))
    return ((x + half) & np.int64((1 << bits) - 1)) - half


def half_up(x: Wide, shift: int) -> Wide:
    """``floor(x / 2^shift + 1/2)``.

    >>> half_up(np.array([-3, -2, -1, 1, 2, 5]), 2).tolist()
    [-1, 0, 0, 0, 1, 1]
    """
    return x if not shift else (x + (1 << (shift - 1))) >> shift


def half_even(x: Wide, shift: Wide | int) -> Wide:
    """``x / 2^shift`` to the nearest integer, ties to even, for ``0 <= x < 2^62`` and ``0 <= shift``.

    >>> half_even(np.array([1, 2, 3, 6, 7]), 2).tolist()
    [0, 0, 1, 2, 2]
    """
    s = np.minimum(shift, 63)  # above 62 nothing is left
    down = x >> s
    unit = np.int64(1) << np.maximum(s - 1, 0)
    rest = x & (unit | (unit - 1))
    up = (rest > unit) | ((rest == unit) & (down & 1 == 1))
    return np.where(s > 0, down + up, x)


def significant(x: Wide, bits: int) -> Wide:
    """``x >= 0`` rounded to so many significant bits, half to even.

    >>> significant(np.array([15, 17, 19, 20]), 4).tolist()
    [15, 16, 20, 20]
    """
    drop = np.maximum(bit_length(x) - bits, 0)
    return half_even(x, drop) << drop


def bit_length(x: Wide) -> Wide:
    """The least ``n`` with ``x < 2^n``, for ``x >= 0``.

    >>> bit_length(np.array([0, 1, 255, 256])).tolist()
    [0, 1, 8, 9]
    """
    return np.searchsorted(_POWERS, x, side="right").astype(np.int64)


_POWERS = np.int64(1) << np.arange(63, dtype=np.int64)


def check_bits(what: str, number: int, bits: int) -> None:
    """``OverflowError`` where a constant's magnitude needs more bits than the model computes in."""
    if abs(number).bit_length() > bits:
        raise OverflowError(
            f"{what} is {number}, of {abs(number).bit_length()} bits; this form is computed for at most {bits}: "
            "take a larger scale, or the safe form"
        )
