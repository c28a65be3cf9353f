"""Code-books of quantiles of data."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.code_books.book import CodebookSpec, codebook_of

_CHUNK = 4096


def sram_quantile_book(values: ArrayLike, *, name: str) -> CodebookSpec:
    """The 256 values of bitsandbytes' removed quantile map: order statistics of chunks, averaged, and 0; over max|.|.

    Chunks of 4096 in order, a ragged last one left out, or all values at once if they are at most 4096. From each
    sorted chunk of ``n``, the elements at ``round((o + k (1 - 2o) / 255) (n - 1))``, ties away from 0, ``k = 0..255``,
    ``o = 1/510``; their means over the chunks, without ``k = 254`` (the library picks ``floor(255 i / 254)``, ``i =
    0..254``); a 0; sorted, and divided by the largest magnitude in binary32. Here positions are exact and means in
    binary64, rounded once to binary32; the library works in binary32 and adds in no fixed order.

    ``values``: at least 256 finite numbers, taken in order as float32. Raises ``ValueError`` for others, and for zeros
    only.

    >>> book = sram_quantile_book(np.arange(-255, 256), name="ramp")
    >>> book.size, str(book.fraction(0)), str(book.fraction(255))
    (256, '-1', '1')

    Source: bitsandbytes before 849d9449 (June 2025): functional.py ``create_quantile_map`` and ``estimate_quantiles``
    (where the default offset of 1/512 becomes 1/510 for 255 quantiles), csrc/kernels.cu ``kEstimateQuantiles``.
    """
    flat = np.asarray(values, np.float32).reshape(-1)
    if flat.size < 256 or not np.isfinite(flat).all():
        raise ValueError(f"values must be at least 256 finite numbers; there are {flat.size}")
    size = min(flat.size, _CHUNK)
    chunks = np.sort(flat[: flat.size // size * size].reshape(-1, size), axis=-1)
    # (1/510 + k * (508/510) / 255) * (size - 1) over the common denominator 510 * 255, rounded half up
    positions = [(2 * (255 + 508 * k) * (size - 1) + 510 * 255) // (2 * 510 * 255) for k in range(256) if k != 254]
    return _with_zero(chunks[:, positions].mean(axis=0, dtype=np.float64).astype(np.float32), name)


def midpoint_quantile_book(values: ArrayLike, *, bits: int, name: str) -> CodebookSpec:
    """``2^bits - 1`` midpoints of neighbouring quantiles at ``i / (2^bits + 1)``, and 0; over the largest |.|.

    The formula of the paper's appendix as it is remembered: unverified. That the quantiles are those of ``i = 1 ..
    2^bits``, which any distribution has, and that a 0 joins them, as in the library's map, are choices made here.
    Quantiles are interpolated linearly in binary64; midpoints are rounded once to binary32 and divided there.

    ``values``: finite numbers, any shape. Raises ``ValueError`` for others, for zeros only, and for bits outside 1..8.

    >>> book = midpoint_quantile_book([-5, -3, -1, 1, 3, 5], bits=2, name="four")
    >>> [str(book.fraction(code)) for code in range(4)]
    ['-1', '0', '0', '1']

    Source: 8-bit Optimizers via Block-wise Quantization (arXiv 2110.02861), appendix, from memory.
    """
    numbers = np.asarray(values, np.float64).reshape(-1)
    if not 1 <= bits <= 8:
        raise ValueError(f"bits={bits} must lie in 1..8")
    if not numbers.size or not np.isfinite(numbers).all():
        raise ValueError("values must be one or more finite numbers")
    quantiles = np.quantile(numbers, np.arange(1, (1 << bits) + 1) / ((1 << bits) + 1))
    return _with_zero(((quantiles[1:] + quantiles[:-1]) / 2).astype(np.float32), name)


def _with_zero(levels: NDArray[np.float32], name: str) -> CodebookSpec:
    levels = np.sort(np.append(levels, np.float32(0)))
    largest = np.abs(levels).max()
    if largest == 0:
        raise ValueError("the quantiles are all zero")
    return codebook_of(name, tuple((levels / largest).tolist()), source="quantiles of data")
