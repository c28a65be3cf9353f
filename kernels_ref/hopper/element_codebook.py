"""Code-books of at most 16 values: thresholds by comparisons, values by selections, all within registers.

Encoding is bound by these, not by memory: 30 of a code's 33 instructions go to the unit that compares and selects,
which takes 15 at the speed of memory, from bfloat16. XLA is given the same comparisons by `kernels_ref`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from formats import NanRule
from formats.code_books.book import CodebookSpec
from formats.code_books.decision import Thresholds, Ties
from formats.code_books.named import codebook
from kernels_ref.block_search import by_bits
from kernels_ref.codec import as_jax
from kernels_ref.hopper import element, element_nearest
from kernels_ref.hopper.element_arguments import DTYPES, whole_blocks
from kernels_ref.pallas import pallas
from reference.array import codebook as array_codebook
from reference.array.codebook import EncodeTable
from reference.codebook import check_integers, table_of

_MOST = 16


def encode_codebook(
    x: ArrayLike,
    book: str | CodebookSpec,
    *,
    decision: Ties | Thresholds | str,
    nan: NanRule | str,
    interpret: bool = False,
) -> Array:
    """`kernels_ref.encode_codebook` as a Mosaic GPU kernel: the same codes, bit for bit.

    ``x``: float32, bfloat16 or float16, any shape; a size that is no multiple of 4096 is padded and cut. ``book``: of
    at most 16 values. ``nan`` must be stated, since a kernel refuses no element. Returns uint8 codes. Works under jit.

    >>> encode_codebook(jnp.array([-2.0, 0.0, 0.5]), "nf4", decision="bitsandbytes_nf4", nan="zero", interpret=True)
    ... # doctest: +SKIP
    Array([ 0,  7, 12], dtype=uint8)
    """
    table, values = table_of(_small(book), decision, nan), as_jax(x)
    if table.nan_code is None:
        raise TypeError(f"a code-book has no NaN: state nan= as one of: {', '.join(rule.value for rule in NanRule)}")
    if values.dtype.name not in DTYPES:
        raise TypeError(f"x has dtype {values.dtype.name}; the kernel takes {', '.join(DTYPES)}")
    pallas()
    return _encode(values, table, interpret)


def decode_codebook(codes: ArrayLike, book: str | CodebookSpec, *, interpret: bool = False) -> Array:
    """`kernels_ref.decode_codebook` as a Mosaic GPU kernel: the same float32 values, bit for bit.

    ``codes``: integers, any shape; those that do not exist are the caller's to avoid. ``book``: of at most 16 values.

    >>> decode_codebook(jnp.array([0, 3, 4]), "bitmod_fp3_ea_minus", interpret=True)  # doctest: +SKIP
    Array([ 0.,  4., -6.], dtype=float32)
    """
    spec, array = _small(book), codes if isinstance(codes, Array) else np.asarray(codes)
    check_integers(array)
    pallas()
    return _decode(array, spec, interpret)


def _small(book: str | CodebookSpec) -> CodebookSpec:
    spec = codebook(book)
    if len(spec.numerators) > _MOST:
        raise ValueError(f"{spec.name} has {len(spec.numerators)} values, kernels take {_MOST}; kernels_ref takes it")
    return spec


def encoder(table: EncodeTable, size: int, *, interpret: bool = False) -> Any:
    """The kernel of a decision, for ``size`` numbers, a multiple of `element.PER_CTA`."""
    numbers, of_nan = replace(table, nan_code=None), table.nan_code or 0

    def codes(x: Array) -> Array:
        is_nan = (element_nearest.patterns(x, jnp) & element_nearest.MAGNITUDE) > element_nearest.INFINITY
        found = array_codebook.encode(x, numbers, jnp).astype(jnp.int32)
        return jnp.where(is_nan, of_nan, found).astype(jnp.uint8)

    return element.each(codes, jax.ShapeDtypeStruct((size,), jnp.uint8), interpret=interpret)


def decoder(book: CodebookSpec, size: int, *, interpret: bool = False) -> Any:
    """The kernel of a book's values, for ``size`` uint8 codes, a multiple of `element.PER_CTA`."""
    patterns = array_codebook.values(book).view(np.int32).tolist()

    def values(codes: Array) -> Array:
        return by_bits(codes, patterns).view(jnp.float32)

    return element.each(values, jax.ShapeDtypeStruct((size,), jnp.float32), interpret=interpret)


def _in_a_row(make: Callable[[int], Any], x: Array) -> Array:
    size = math.prod(x.shape)
    row = whole_blocks(x, size)
    return make(row.size)(row)[:size].reshape(x.shape)


def _encode_array(x: Array, table: EncodeTable, interpret: bool) -> Array:
    return _in_a_row(lambda size: encoder(table, size, interpret=interpret), x) if x.size else x.astype(jnp.uint8)


def _decode_array(codes: Array, book: CodebookSpec, interpret: bool) -> Array:
    row = codes.astype(jnp.uint8)
    if row.size == 0:
        return row.astype(jnp.float32)
    return _in_a_row(lambda size: decoder(book, size, interpret=interpret), row)


_encode: Callable[..., Array] = jax.jit(_encode_array, static_argnums=(1, 2))  # pyright: ignore[reportUnknownMemberType]
_decode: Callable[..., Array] = jax.jit(_decode_array, static_argnums=(1, 2))  # pyright: ignore[reportUnknownMemberType]
