"""Codes to the words that a step reads, tile by tile, and results back to matrices; plain JAX."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

import reference
from formats import FloatSpec
from kernels_ref.mosaic_matmul import layout
from kernels_ref.mosaic_matmul.step import NARROW, WIDE, Weights

#: magnitude that stands for zero, far below every unit
ALMOST_ZERO = 2.0**-64
#: what values of ``a`` are multiplied by
STRETCH = 1 + 2.0**-16


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """What each of the 256 codes of an operand becomes; specials, dealt with elsewhere, become zeros."""

    numbers: NDArray[np.int32]
    weights: NDArray[np.int32]
    zero: NDArray[np.bool_]


@functools.cache
def table(fmt: FloatSpec, weights: Weights, *, left: bool) -> Table:
    """Of ``a`` (``left``, stretched, its weights offset) or of ``b``."""
    values = np.asarray(reference.decode(np.arange(256, dtype=np.uint8), fmt), np.float64)
    normal = np.where(np.isfinite(values), values, 0)
    zero = normal == 0
    stretched = np.copysign(np.where(zero, ALMOST_ZERO, normal), np.where(np.arange(256) < 128, 1.0, -1.0))
    stretched = stretched * STRETCH if left else stretched
    # a subnormal number has the exponent of the smallest normal one
    exponents = np.maximum(np.frexp(np.where(zero, 1, normal))[1] - 1, fmt.emin)
    powers = (weights.width * exponents + (weights.offset if left else 0) + 127) << 7
    return Table(
        numbers=stretched.astype(np.float32).view(np.int32),
        weights=np.where(zero, 0, powers).astype(np.int32),
        zero=values == 0,
    )


def weights_for(a: FloatSpec, b: FloatSpec) -> Weights:
    """How the alignment exponents of two formats are found."""
    return NARROW if a.name == b.name == "float8_e4m3fn" else WIDE


def left(codes: Array, table: Table) -> Array:
    """(M, K) codes of ``a`` to (tiles, steps, lines, 128) words; M in 64s, K in 32s."""
    # row 32 h + 8 i + g; row 16 r + 8 d + g
    own = codes.reshape(-1, 2, 4, 8, codes.shape[1] // layout.DEPTH, layout.DEPTH)
    numbers = look_up(table.numbers, own.transpose(0, 4, 5, 1, 3, 2))
    signs = _signs(own.transpose(0, 4, 1, 3, 2, 5))
    # element 16 kk + 8 q + 2 t + e of K
    pieces = codes.reshape(-1, 4, 2, 8, codes.shape[1] // layout.DEPTH, 2, 2, 4, 2)
    weights = look_up(table.weights, pieces.transpose(0, 4, 1, 5, 3, 7, 6, 2, 8))
    return _lines(numbers, weights, signs, layout.A_LINES)


def right(codes: Array, table: Table) -> Array:
    """(N, K) codes of ``b``, transposed, to (tiles, steps, lines, 128) words; N in 128s, K in 32s."""
    # column 32 w + 16 h + 8 j + 2 t + p
    own = codes.reshape(-1, 4, 2, 2, 4, 2, codes.shape[1] // layout.DEPTH, layout.DEPTH)
    numbers = look_up(table.numbers, own.transpose(0, 6, 7, 1, 2, 4, 3, 5))
    signs = _signs(own.transpose(0, 6, 1, 2, 4, 3, 5, 7))
    # column 32 w + 8 j + g, element 16 kk + 8 q + 2 t + e of K
    pieces = codes.reshape(-1, 4, 4, 8, codes.shape[1] // layout.DEPTH, 2, 2, 4, 2)
    weights = look_up(table.weights, pieces.transpose(0, 4, 1, 2, 3, 7, 5, 6, 8))
    return _lines(numbers, weights, signs, layout.B_LINES)


def to_tiles(matrix: Array) -> Array:
    """(M, N) numbers to (row tiles, column tiles, 8192) in the order of the threads' registers."""
    parts = matrix.reshape(-1, 8, 8, matrix.shape[1] // layout.COLUMNS, 4, 2, 2, 4, 2)  # i g, w h j t p
    return parts.transpose(0, 3, 1, 5, 4, 2, 7, 6, 8).reshape(*parts.shape[::3][:2], layout.ROWS * layout.COLUMNS)


def from_tiles(tiles: Array) -> Array:
    """The inverse of `to_tiles`."""
    rows, columns, _ = tiles.shape
    parts = tiles.reshape(rows, columns, 8, 2, 4, 8, 4, 2, 2).transpose(0, 2, 5, 1, 4, 3, 7, 6, 8)
    return parts.reshape(rows * layout.ROWS, columns * layout.COLUMNS)


def look_up(values: NDArray[Any], codes: Array) -> Array:
    """What a table of 256 holds for each code."""
    on_device: Array = jnp.asarray(values)  # pyright: ignore[reportUnknownMemberType]
    return on_device[codes.astype(jnp.int32)]


def _signs(codes: Array) -> Array:
    """One word of the sign bits along the last axis."""
    bits = (codes >> 7).astype(jnp.uint32) << lax.iota(jnp.uint32, layout.DEPTH)
    return lax.bitcast_convert_type(jnp.sum(bits, axis=-1, dtype=jnp.uint32), jnp.int32)


def _lines(numbers: Array, weights: Array, signs: Array, lines: int) -> Array:
    tiles, steps = numbers.shape[:2]
    packed = weights[..., 0] | (weights[..., 1] << 16)
    parts: list[Any] = [x.reshape(tiles, steps, -1) for x in (numbers, packed, signs)]
    words = sum(x.shape[-1] for x in parts)
    parts.append(lax.full((tiles, steps, lines * layout.LINE - words), 0, jnp.int32))
    return jnp.concatenate(parts, axis=-1).reshape(tiles, steps, lines, layout.LINE)
