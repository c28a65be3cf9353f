"""Arrays of narrow integers as int32, which the arithmetic of 16-bit words is written in."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def as_words(q: ArrayLike, dtype: type[np.int8] | type[np.int16]) -> NDArray[np.int32]:
    """``q`` as int32; ``TypeError`` where it has another type than ``dtype``.

    >>> as_words(np.array([1, -1], np.int16), np.int16)
    array([ 1, -1], dtype=int32)
    """
    array = np.asarray(q)
    check_dtype(array.dtype, dtype)
    return array.astype(np.int32)


def check_dtype(found: np.dtype[np.generic], dtype: type[np.int8] | type[np.int16]) -> None:
    """``TypeError`` where a type is another one."""
    if found != dtype:
        raise TypeError(f"q has dtype {found.name}; accepted: {dtype.__name__}")
