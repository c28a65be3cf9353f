"""TFLite's int16 softmax on NumPy arrays."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.integer_only.activation_tables import INT16_ENTRIES
from formats.integer_only.softmax16_tflite import LEAST, LONGEST_ROW, difference16
from reference.array.integer import softmax16 as steps
from reference.integer.softmax_tflite import high, leading_zeros
from reference.integer.words16 import as_words

_WORDS = steps.Words(high, leading_zeros)


def softmax16(q: ArrayLike, scale: float, *, beta: float = 1.0) -> NDArray[np.int16]:
    """``softmax(beta S q)`` along the last axis: int16 to int16 with the scale ``2^-15`` and the zero point 0.

    Definition: `formats.integer_only.softmax16_tflite`.

    Raises ``TypeError`` (type of ``q``), ``ValueError`` (no rows, scale, beta), ``OverflowError`` (``beta S`` above 5,
    rows above 65536).

    >>> softmax16(np.array([4000, 2000, -500, 0], np.int16), 0.0005)
    array([20370,  7494,  2147,  2757], dtype=int16)
    """
    words = as_words(q, np.int16)
    check_rows(words.shape)
    d = words.astype(np.int64) - words.max(axis=-1, keepdims=True)
    return steps.softmax16(d, difference16(scale, beta), tables(), _WORDS, np).astype(np.int16)


def check_rows(shape: tuple[int, ...]) -> None:
    """``ValueError`` or ``OverflowError`` where the last axis is missing, empty or too long."""
    if not shape or not shape[-1]:
        raise ValueError(f"q of shape {shape} has no rows; give at least one axis, whose last is not empty")
    if shape[-1] > LONGEST_ROW:
        raise OverflowError(f"rows of {shape[-1]}; the sum of {LONGEST_ROW} exponentials is what 32 bits hold")


@functools.cache
def tables() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The tables of exp and of the reciprocal.

    >>> [table[[0, 1, 256, 511, 512]].tolist() for table in tables()]
    [[2, 2, 221, 32133, 32767], [32767, 32704, 21845, 16400, 16384]]
    """
    return _table(math.exp, LEAST, 0.0), _table(lambda x: 1 / (1 + x), 0.0, 1.0)


def _table(function: Callable[[float], float], low: float, high: float) -> NDArray[np.int32]:
    step = (high - low) / (INT16_ENTRIES - 1)
    made = list[int]()
    for x in (low + i * step for i in range(INT16_ENTRIES - 1)):
        first = _rounded(function(x) * 32768)
        between = _rounded((function(x + step) * 32768 + first) / 2)
        middle = _rounded(function(x + step / 2) * 32768)
        made.append(min(first - _rounded((between - middle) / 2), 32767))
    table = np.array([*made, min(_rounded(function(high) * 32768), 32767)], np.int32)
    table.flags.writeable = False
    return table


def _rounded(value: float) -> int:
    """Halves away from zero."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))
