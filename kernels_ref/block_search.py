"""Code-books of at most 16 values, by comparisons and selections that stay within vectors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array

from kernels_ref.block_binary32 import INFINITY
from reference.array.codebook import EncodeTable

_MOST = 8  # comparisons
_NEVER = 0x7FFFFFFF


def by_magnitude(magnitude: Array, sign: Array, table: EncodeTable) -> Array | None:
    """Codes (uint8) of magnitude patterns with a sign, where codes are in the order of values; None where they are not.

    A number passes the thresholds above 0 up to its magnitude, or fails those below 0: half the comparisons of a search
    by value.
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


def by_bits(codes: Array, patterns: Sequence[int]) -> Array:
    """The int32 pattern of each code, by the bits of the code; codes beyond the last are not met."""
    bits = (len(patterns) - 1).bit_length()
    c = codes.astype(jnp.int32)
    found = [jnp.int32(pattern) for pattern in patterns]
    found += found[-1:] * ((1 << bits) - len(found))
    for place in range(bits):
        is_set = (c >> place) & 1 != 0
        found = [jnp.where(is_set, odd, even) for even, odd in zip(found[::2], found[1::2], strict=True)]
    return found[0]
