"""Code-books on NumPy arrays: numbers into codes and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats import NanRule, parse_enum
from formats.code_books.book import CodebookSpec
from formats.code_books.decision import Thresholds, Ties
from formats.code_books.decisions import decision as named_decision
from formats.code_books.named import codebook
from reference.array import codebook as array_codebook
from reference.array.codebook import FLOAT_INPUTS, EncodeTable
from reference.codec import as_values

_CHUNK = 1 << 14  # elements whose intermediate words stay in a core's cache


def encode_codebook(
    x: ArrayLike,
    book: str | CodebookSpec,
    *,
    decision: Ties | Thresholds | str,
    nan: NanRule | str | None = None,
) -> NDArray[np.uint8]:
    """Codes (uint8) of ``x``, in its shape: each element decided in exact arithmetic.

    Definitions: `formats.Ties` (nearest value) and `formats.Thresholds`; a name is one of `formats.decisions`. Numbers
    beyond the book, infinities too, get its first or last cell. A NaN becomes what 0 (``nan="zero"``), +infinity
    (``"maximum"``) or -infinity (``"minimum"``) becomes.

    ``x``: float16, bfloat16 or float32, any shape. Raises ``KeyError`` (unknown book), ``TypeError`` (dtype) or
    ``ValueError`` (unknown decision; a NaN without a rule, with its index).

    >>> encode_codebook(np.float32([-2, 0, 0.5]), "nf4", decision="bitsandbytes_nf4")
    array([ 0,  7, 12], dtype=uint8)
    """
    table = table_of(book, decision, nan)
    values = as_values(x)
    check_floats(values)
    if table.nan_code is None:
        refuse_nan(values, codebook(book))
    flat = values.reshape(-1)
    codes = np.empty(flat.shape, np.uint8)
    for start in range(0, flat.size, _CHUNK):
        codes[start : start + _CHUNK] = array_codebook.encode(flat[start : start + _CHUNK], table, np)
    return codes.reshape(values.shape)


def decode_codebook(codes: ArrayLike, book: str | CodebookSpec) -> NDArray[np.float32]:
    """Values (float32) of ``codes``, in their shape; a value that binary32 lacks is rounded once, to nearest even.

    ``codes``: integers of any dtype. Raises ``KeyError`` (unknown book), ``TypeError`` (no integers), ``ValueError`` (a
    code that does not exist, with its index) or ``OverflowError`` (a book with a value beyond binary32).

    >>> decode_codebook([0, 3, 4], "bitmod_fp3_ea_minus")
    array([ 0.,  4., -6.], dtype=float32)
    """
    spec = codebook(book)
    array = np.asarray(codes)
    check_integers(array)
    refuse_codes(array, spec)
    return array_codebook.decode(array, spec, np)


def table_of(book: str | CodebookSpec, decision: Ties | Thresholds | str, nan: NanRule | str | None) -> EncodeTable:
    """The checked arguments as the table that array code takes."""
    spec = codebook(book)
    rule = None if nan is None else parse_enum(NanRule, nan, "nan")
    return array_codebook.encode_table(spec, named_decision(decision, spec), rule)


def check_floats(array: Any) -> None:
    """Refuse dtypes whose numbers binary32 does not hold."""
    if array.dtype.name not in FLOAT_INPUTS:
        raise TypeError(f"dtype {array.dtype.name} is not accepted; accepted: {', '.join(FLOAT_INPUTS)}")


def check_integers(array: Any) -> None:
    """Refuse codes that are no integers."""
    if array.dtype.kind not in "iu":
        raise TypeError(f"codes must be integers, not {array.dtype.name}; view a narrow dtype as uint8 first")


def refuse_nan(values: NDArray[Any], spec: CodebookSpec) -> None:
    """``ValueError`` naming the place of the first NaN."""
    with np.errstate(invalid="ignore"):  # a signalling NaN of bfloat16
        bad = np.isnan(values)
    if bad.any():
        where = [int(i) for i in np.argwhere(bad)[0]]
        rules = ", ".join(rule.value for rule in NanRule)
        raise ValueError(f"x{where} = nan but {spec.name} has no NaN; state nan= as one of: {rules}")


def refuse_codes(codes: NDArray[Any], spec: CodebookSpec) -> None:
    """``ValueError`` naming the first code that does not exist."""
    bad = (codes < 0) | (codes >= spec.size)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        last = spec.size - 1
        raise ValueError(f"code {int(codes[where])} at {list(where)} is none of {spec.name}, whose codes are 0..{last}")
