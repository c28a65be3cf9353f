"""Code-books of at most 16 cells by the magnitude of a number: half the comparisons of a search by value."""

from __future__ import annotations

import itertools

import jax.numpy as jnp
from jax import Array

from kernels_ref.block_binary32 import INFINITY
from reference.array.codebook import EncodeTable

_MOST = 8  # comparisons
_NEVER = 0x7FFFFFFF


def by_magnitude(magnitude: Array, sign: Array, table: EncodeTable) -> Array | None:
    """Codes (uint8) of magnitude patterns with a sign, where codes are in the order of values; None where they are not.

    A number passes the thresholds above 0 up to its magnitude, or fails those below 0.
    """
    above = [key for key in table.keys if key >= 0]
    below = [1 + ~key for key in reversed(table.keys) if key < 0]  # the first magnitude that fails
    if table.codes != tuple(range(len(table.codes))) or max(len(above), len(below)) > _MOST:
        return None
    minus = sign >> 31
    passed = sum(
        (magnitude >= jnp.where(sign < 0, jnp.int32(q), jnp.int32(p))).astype(jnp.int32)
        for p, q in itertools.zip_longest(above, below, fillvalue=_NEVER)
    )
    code = len(below) + ((passed ^ minus) - minus)
    if table.nan_code is not None:
        code = jnp.where(magnitude > INFINITY, table.nan_code, code)
    return code.astype(jnp.uint8)
