"""Code-books in JAX: the golden model's codes and values under jit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from formats import NanRule
from formats.code_books.book import CodebookSpec
from formats.code_books.decision import Thresholds, Ties
from formats.code_books.named import codebook
from reference.array import codebook as array_codebook
from reference.array.codebook import EncodeTable
from reference.codebook import check_floats, check_integers, refuse_codes, refuse_nan, table_of
from reference.codec import as_values


def encode_codebook(
    x: ArrayLike,
    book: str | CodebookSpec,
    *,
    decision: Ties | Thresholds | str,
    nan: NanRule | str | None = None,
) -> Array:
    """`reference.encode_codebook` in JAX: same arguments, same codes; works under jit and vmap.

    Under a transformation no element can be looked at, so ``nan`` must be stated there (``TypeError``).

    >>> encode_codebook(jnp.array([-2.0, 0.0, 0.5]), "nf4", decision="bitsandbytes_nf4")
    Array([ 0,  7, 12], dtype=uint8)
    """
    table = table_of(book, decision, nan)
    array: Any = x if isinstance(x, Array) else as_values(x)
    check_floats(array)
    if table.nan_code is None:
        if isinstance(array, Tracer):
            rules = ", ".join(rule.value for rule in NanRule)
            raise TypeError(f"a code-book has no NaN: under a JAX transformation state nan= as one of: {rules}")
        refuse_nan(np.asarray(array), codebook(book))
    return _encode(array, table)


def decode_codebook(codes: ArrayLike, book: str | CodebookSpec) -> Array:
    """`reference.decode_codebook` in JAX: same arguments, same values; works under jit and vmap.

    Codes that do not exist are refused where they can be seen; under a transformation that is the caller's part.

    >>> decode_codebook(jnp.array([0, 3, 4]), "bitmod_fp3_ea_minus")
    Array([ 0.,  4., -6.], dtype=float32)
    """
    spec = codebook(book)
    array: Any = codes if isinstance(codes, Array) else np.asarray(codes)
    check_integers(array)
    if not isinstance(array, Tracer):
        refuse_codes(np.asarray(array), spec)
    return _decode(array.astype(np.uint8), spec)


def _encode_array(x: Array, table: EncodeTable) -> Array:
    return array_codebook.encode(x, table, jnp)


def _decode_array(codes: Array, book: CodebookSpec) -> Array:
    return array_codebook.decode(codes, book, jnp)


_encode: Callable[..., Array] = jax.jit(_encode_array, static_argnums=1)  # pyright: ignore[reportUnknownMemberType]
_decode: Callable[..., Array] = jax.jit(_decode_array, static_argnums=1)  # pyright: ignore[reportUnknownMemberType]
