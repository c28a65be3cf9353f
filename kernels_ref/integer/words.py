"""Integers as words of 8 bits: products of int8 are the fast ones, and sums of them are exact modulo ``2^32``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from reference.integer.network import Affine, Weighted


@dataclass(frozen=True, slots=True)
class Word:
    """Eight bits of every integer as int8, what they count for, and the word of the zero point."""

    values: Array
    unit: int
    zero: int


def words(x: Array, affine: Affine) -> tuple[list[Word], int]:
    """``x = sum unit * values + offset``: the words from the lowest on, and the offset.

    The top word of a signed format is as it is, any other is moved down by 128 to fit int8: so int8 and formats of
    fewer bits are one word without an offset, uint8 is one word with 128, int16 two.
    """
    if affine.format.minimum >= -128 and affine.format.maximum <= 127:
        return [Word(x.astype(jnp.int8), 1, affine.zero_point)], 0
    parts: list[Word] = []
    offset = 0
    for low in range(0, affine.format.bits, 8):
        top = affine.format.signed and low + 8 >= affine.format.bits
        parts.append(_word(x, low, affine.zero_point, top=top))
        offset += 0 if top else 128 << low
    return parts, offset


def _word(x: Array, low: int, zero: int, *, top: bool) -> Word:
    """Bits ``low`` to ``low + 7``; flipping the highest of them moves an unsigned word down by 128."""
    values = (x >> low if low else x).astype(jnp.int8)
    zero = (zero >> low) % 256
    if top:
        return Word(values, 1 << low, (zero ^ 128) - 128)
    return Word(values ^ jnp.int8(-128), 1 << low, zero - 128)


def accumulators(x: Array, affine: Affine, node: Weighted, product: Callable[[Array, int], Array]) -> Array:
    """``sum (x - z) * weight + bias``, int32, from ``product(values, padding)``, the sums of int8 times weight."""
    parts, offset = words(x, affine)
    total: Array | None = None
    for word in parts:
        term = product(word.values, word.zero)
        term = term if word.unit == 1 else term * jnp.int32(word.unit)
        total = term if total is None else total + term
    assert total is not None
    return total + _constant(node, offset - affine.zero_point)


def _constant(node: Weighted, shift: int) -> NDArray[np.int32]:
    """What the offset and the zero point add to the bias, modulo ``2^32``."""
    sums = node.weight.reshape(len(node.weight), -1).sum(axis=1, dtype=np.int64)
    return (node.bias.astype(np.int64) + shift * sums).astype(np.int32)
