"""binary64 results rounded to odd in NumPy, so that a further rounding to fewer bits is the only one.

Boldo and Melquiond, Emulation of a FMA and correctly rounded sums, IEEE Transactions on Computers 57(4), 2008: a number
rounded to odd with two bits more than a format rounds into it as the number itself does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def difference(a: Floats, b: Floats) -> Floats:
    """``a - b`` of float64 numbers, rounded to odd.

    >>> difference(np.array([1.0]), np.array([2.0**-80])) == 1 - 2.0**-53
    array([ True])
    """
    with np.errstate(invalid="ignore"):
        result = a - b
        other = result - a
        lost = (a - (result - other)) - (b + other)
    bits = result.view(np.int64)
    step = np.where((lost > 0) == (result > 0), 1, -1)
    return np.where((lost != 0) & np.isfinite(lost) & (bits & 1 == 0), bits + step, bits).view(np.float64)


def to_float32(x: Floats) -> Floats:
    """float64 numbers as float32, rounded to odd; infinities and NaNs stay.

    >>> to_float32(np.array([1 + 2.0**-50, 1e300])).view(np.uint32).tolist() == [0x3F800001, 0x7F7FFFFF]
    True
    """
    with np.errstate(over="ignore", under="ignore"):
        near = x.astype(np.float32)
    bits, back = near.view(np.uint32), near.astype(np.float64)
    step = np.where(np.abs(back) > np.abs(x), np.uint32(0xFFFFFFFF), np.uint32(1))
    inexact = (back != x) & ~np.isnan(x)
    return np.where(inexact & (bits & np.uint32(1) == 0), bits + step, bits).view(np.float32)
