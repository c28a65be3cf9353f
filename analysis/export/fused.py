"""A product and a sum with one rounding, in binary32."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def fused_multiply_add(x: ArrayLike, y: ArrayLike, z: ArrayLike) -> NDArray[np.float32]:
    """``x * y + z`` rounded once to binary32, half to even; finite numbers, no result below 2^-100.

    The product is exact in binary64. The sum is rounded there to odd (from its error, by Knuth's two-sum), which
    makes the second rounding right (Boldo and Melquiond, 2008).

    >>> tiny = np.float32(2**-24)
    >>> bool(fused_multiply_add(1 + 2 * tiny, 1 + 2 * tiny, -1) == np.float32(2**-22 + 2**-46))
    True
    >>> float((1 + 2 * tiny) * (1 + 2 * tiny) - 1) == 2**-22
    True
    """
    product = np.asarray(x, np.float32).astype(np.float64) * np.asarray(y, np.float32).astype(np.float64)
    other = np.asarray(z, np.float32).astype(np.float64)
    total = np.asarray(product + other)
    part = total - product
    error = (product - (total - part)) + (other - part)
    even = (total.view(np.int64) & 1) == 0
    toward = np.where(error > 0, np.inf, -np.inf)
    odd = np.where((error != 0) & even, np.nextafter(total, toward), total)
    return odd.astype(np.float32)
