"""BitMoD on NumPy arrays: each group of weights in the best of four code-books, every step rounded as its code does.

The definitions are the judge's: `reference.exact.bitmod`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.code_books.book import CodebookSpec
from formats.code_books.decision import Ties
from formats.code_books.named import bitmod_books
from reference.array import codebook as array_codebook


@dataclass(frozen=True, slots=True, kw_only=True)
class BitmodQuantized:
    """Weights of shape ``(..., n)`` in groups along the last axis: ``numerators[code] * scale`` in the chosen book.

    ``codes``: uint8, the weights' shape; ``choices`` (uint8, an index of `formats.bitmod_books`) and ``scales`` (the
    weights' dtype; FP4 counts in halves, as the published code does): shape ``(..., n / group)``.
    """

    bits: int
    group: int
    codes: NDArray[np.uint8]
    choices: NDArray[np.uint8]
    scales: NDArray[np.floating[Any]]


def bitmod_quantize(weights: ArrayLike, *, bits: int, group: int) -> BitmodQuantized:
    """The search of BitMoD, as `exact.bitmod_group` defines it, in the precision of ``weights``.

    ``weights``: float16 (the published code) or float32, shape ``(..., n)``, ``n`` a multiple of ``group`` (128 in the
    paper). Raises ``TypeError`` (dtype) or ``ValueError`` (bits, ragged groups, a weight that is not finite, a group
    where no error lies below 1000).

    >>> done = bitmod_quantize(np.float32([[-6, 1, 2, 4]]), bits=3, group=4)
    >>> done.choices.tolist(), done.codes.tolist(), done.scales.tolist()
    ([[3]], [[4, 1, 2, 3]], [[1.0]])

    Source: BitMoD (HPCA 2025, arXiv 2411.11745); BitMoD-HPCA-25 at e445a5f, quant_weight.py, ``search_datatype``.
    """
    books = bitmod_books(bits)
    grouped = _groups(np.asarray(weights), group)
    best_error = np.full(grouped.shape[:-1], 1000, grouped.dtype)
    choices = np.full(grouped.shape[:-1], len(books), np.uint8)
    codes, scales = np.zeros(grouped.shape, np.uint8), np.zeros(grouped.shape[:-1], grouped.dtype)
    for choice, book in enumerate(books):
        tried_codes, tried_scales, error = _try(grouped, book)
        wins = error < best_error
        best_error[wins], choices[wins], scales[wins] = error[wins], choice, tried_scales[wins]
        codes[wins] = tried_codes[wins]
    if (choices == len(books)).any():
        where = [int(i) for i in np.argwhere(choices == len(books))[0]]
        raise ValueError(f"group {where}: no data type has an error below 1000; BitMoD's code leaves zeros there")
    shape = np.shape(weights)
    return BitmodQuantized(bits=bits, group=group, codes=codes.reshape(shape), choices=choices, scales=scales)


def bitmod_dequantize(quantized: BitmodQuantized) -> NDArray[np.floating[Any]]:
    """The weights, ``round(numerators[code] * scale)`` in the dtype of the scales.

    >>> done = bitmod_quantize(np.float16([[-6, 1, 2, 4, 0, 0, 0, 0]]), bits=3, group=4)
    >>> bitmod_dequantize(done).tolist(), done.choices.tolist()
    ([[-6.0, 1.0, 2.0, 4.0, 0.0, 0.0, 0.0, 0.0]], [[3, 0]])
    """
    dtype = quantized.scales.dtype
    tables = np.array([book.numerators for book in bitmod_books(quantized.bits)], dtype)
    choices = np.repeat(quantized.choices, quantized.group, axis=-1)
    return tables[choices, quantized.codes] * np.repeat(quantized.scales, quantized.group, axis=-1)


def bitmod_scale_codes(scales: ArrayLike, *, levels: int) -> NDArray[np.uint8]:
    """Second level: scales of shape ``(channels, groups)`` as integers, by `exact.bitmod_scale_codes` in each channel.

    ``scales``: float16 or float32, not negative. Raises ``TypeError`` or ``ValueError``.

    >>> bitmod_scale_codes(np.float32([[0.0117, 0.0093, 0.0151, 0.0046]]), levels=127)
    array([[ 98,  78, 127,  39]], dtype=uint8)
    """
    array = np.asarray(scales)
    _check_dtype(array)
    if levels not in (127, 255):
        raise ValueError(f"levels={levels} is not known; choose one of: 127, 255")
    if not (np.isfinite(array) & (array >= 0)).all():
        raise ValueError("scales must be finite and not negative")
    exact = array.astype(np.float64)
    largest = exact.max(axis=-1, keepdims=True, initial=0)
    # scale * levels is exact; its quotient lies 2^-36 or more from a tie that it is not, far beyond binary64's rounding
    return np.rint(exact * levels / np.where(largest == 0, 1, largest)).astype(np.uint8)


def _groups(weights: NDArray[Any], group: int) -> NDArray[Any]:
    _check_dtype(weights)
    if group < 1 or not weights.ndim or weights.shape[-1] % group:
        raise ValueError(f"group={group} must divide the last axis of weights, whose shape is {weights.shape}")
    if not np.isfinite(weights).all():
        where = [int(i) for i in np.argwhere(~np.isfinite(weights))[0]]
        raise ValueError(f"weights{where} is not finite")
    *outer, length = weights.shape
    return weights.reshape(*outer, length // group, group)


def _check_dtype(array: NDArray[Any]) -> None:
    if array.dtype.name not in ("float16", "float32"):
        raise TypeError(f"dtype {array.dtype.name} is not accepted; accepted: float16, float32")


def _try(grouped: NDArray[Any], book: CodebookSpec) -> tuple[NDArray[np.uint8], NDArray[Any], NDArray[Any]]:
    """Codes, scales and errors of every group in one book; NumPy rounds each step to the dtype, once."""
    dtype = grouped.dtype.type
    numerators = np.array(book.numerators, grouped.dtype)
    with np.errstate(over="ignore"):  # an overflow is an error that never wins
        scales = np.clip(np.abs(grouped).max(axis=-1) / np.abs(numerators).max(), dtype(1e-5), dtype(10000))
        table = array_codebook.encode_table(_in_units(book), Ties.LOWER, None)
        codes = array_codebook.encode(grouped / scales[..., None], table, np)
        difference = numerators[codes] * scales[..., None] - grouped
        total = np.add.accumulate((difference * difference).astype(np.float32), axis=-1)[..., -1]
        return codes, scales, (total / np.float32(grouped.shape[-1])).astype(grouped.dtype)


def _in_units(book: CodebookSpec) -> CodebookSpec:
    return CodebookSpec(name=book.name, bits=book.bits, numerators=book.numerators, source=book.source)
