"""I-BERT's integer square root on NumPy arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.integer.ibert.words import Wide, bit_length

#: steps after which every ``n < 2^32`` has arrived, the last one, which only notices it, included
STEPS = 7


def isqrt(n: ArrayLike) -> Wide:
    """``floor(sqrt(n))`` for integers ``0 <= n < 2^32``, by Newton's iteration from ``2^ceil(bits / 2)``.

    ``x = 2^ceil(bits(n) / 2)``, then ``y = floor((x + floor(n / x)) / 2)`` until ``y >= x``, which gives ``x``;
    ``isqrt(0) = 0``. Source: I-BERT, arXiv 2101.01321, algorithm 4. ``ValueError`` for other integers, ``TypeError``
    for no integers.

    >>> isqrt([0, 15, 16, 99, (1 << 31) - 1, (1 << 32) - 1]).tolist()
    [0, 3, 4, 9, 46340, 65535]
    """
    return _newton(_radicands(n))[0]


def isqrt_steps(n: ArrayLike) -> Wide:
    """How many steps each ``n`` takes, the last one, which only notices that ``y >= x``, included.

    The paper states at most four for 32 bits; counted so, there are up to `STEPS`.

    >>> isqrt_steps([1, 100, (1 << 31) - 1, (1 << 32) - 1]).tolist()
    [2, 3, 5, 2]
    """
    return _newton(_radicands(n))[1]


def _radicands(n: ArrayLike) -> Wide:
    array: NDArray[np.integer] = np.asarray(n)
    if array.dtype.kind not in "iu":
        raise TypeError(f"n has dtype {array.dtype.name}; isqrt takes integers")
    outside = (array < 0) | (array > (1 << 32) - 1)
    if outside.any():
        raise ValueError(f"n={array[outside].flat[0]} must lie in 0..2^32 - 1")
    return array.astype(np.int64)


def _newton(n: Wide) -> tuple[Wide, Wide]:
    x = np.int64(1) << ((bit_length(n) + 1) >> 1)
    steps, moving = np.zeros_like(n), n > 0
    for _ in range(STEPS):
        y = (x + n // x) >> 1
        steps += moving
        moving = moving & (y < x)
        x = np.where(moving, y, x)
    return np.where(n > 0, x, 0), steps
