"""Which of two products of sums of powers of two is greater, exactly, in 32-bit words under jit."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

xp: Any = jnp  # their types are partly unknown
control: Any = lax

#: the most bits of a row: 24 terms, whose powers are 735 at most
_ROW_BITS = 740
#: the most rows for which the bounds of `_bounded` are proved
MOST_ROWS = 64


def compare_products(plus: Array, minus: Array, target: Array) -> Array:
    """int32 sign of ``prod_b sum_j 2^(t_bj - t_b,target)`` of ``plus`` less that of ``minus``.

    ``plus``, ``minus``: int32 logits in base 2 (batch, classes) within -184..183, at most 24 classes. Bounds of 15 bits
    decide where they part; else, if any logit differs, both products are made as integers of 8-bit limbs. At most 64
    rows.
    Equals `reference.integer.training.loss.compare_products`.

    >>> plus, minus = jnp.array([[3, -2, 0], [0, 2, -1]]), jnp.array([[5, -2, 0], [0, 0, -1]])
    >>> compare_products(plus, minus, jnp.array([0, 1]))
    Array(-1, dtype=int32)
    """
    is_target = xp.arange(plus.shape[1], dtype=xp.int32) == target[:, None]
    sides = xp.stack([plus, minus])
    powers = sides - xp.sum(xp.where(is_target, sides, 0), axis=2, keepdims=True, dtype=xp.int32)
    powers = powers - xp.min(powers)
    likely = _bounded(powers)
    undecided = (likely == 0) & xp.any(powers[0] != powers[1])
    return control.cond(undecided, lambda: _exact(powers), lambda: likely)


def _bounded(powers: Array) -> Array:
    """The sign where bounds tell it, else 0.

    A row is between ``low`` and ``high`` times ``2^exponent``, with ``low`` of 15 bits. Every product cuts ``low`` and
    raises ``high`` by a part of at most ``2^-14``: among 64 rows, ``high`` stays below ``1.02 low``.
    """
    top = xp.max(powers, axis=2)
    fall = top[:, :, None] - powers
    low = xp.sum(xp.where(fall > 24, 0, 1 << (24 - xp.minimum(fall, 24))), axis=2, dtype=xp.int32)
    high = low + xp.sum(fall > 24, axis=2, dtype=xp.int32)
    low, high, exponent = _fifteen_bits(low, high, top)
    while low.shape[1] > 1:
        if low.shape[1] % 2:
            one = xp.full((2, 1), 1 << 14, xp.int32)
            low, high = xp.concatenate([low, one], axis=1), xp.concatenate([high, one], axis=1)
            exponent = xp.concatenate([exponent, one - (1 << 14) - 14], axis=1)
        even, odd = slice(None, None, 2), slice(1, None, 2)
        low, high, exponent = _fifteen_bits(
            low[:, even] * low[:, odd], high[:, even] * high[:, odd], exponent[:, even] + exponent[:, odd]
        )
    gap = xp.clip(exponent[0, 0] - exponent[1, 0], -2, 2)
    (a_low, a_high), (b_low, b_high) = (
        (low[i, 0] << xp.maximum(g, 0), high[i, 0] << xp.maximum(g, 0)) for i, g in ((0, gap), (1, -gap))
    )
    return (a_low > b_high).astype(xp.int32) - (a_high < b_low).astype(xp.int32)


def _fifteen_bits(low: Array, high: Array, exponent: Array) -> tuple[Array, Array, Array]:
    """The bounds with ``low`` cut to 15 bits, from 15 bits or more, and ``high`` raised alike."""
    shift = xp.sum(low[..., None] >> xp.arange(15, 31, dtype=xp.int32) != 0, axis=-1, dtype=xp.int32)
    return low >> shift, -(-high >> shift), exponent + shift


def _exact(powers: Array) -> Array:
    """The sign, from both products as 8-bit limbs, the lowest first."""
    count = powers.shape[1] * _ROW_BITS // 8 + 1
    limbs = jax.vmap(functools.partial(_product, count=count))(powers)
    return _sign(limbs[0] - limbs[1])


def _product(powers: Array, *, count: int) -> Array:
    """``prod_b sum_j 2^power`` in limbs of 0..256: every power moves the limbs and multiplies them by 1..128."""
    places = xp.arange(count, dtype=xp.int32)

    def times(limbs: Array, row: Array) -> tuple[Array, None]:
        moved = limbs[(places - (row >> 3)[:, None]) % count] * (1 << (row & 7))[:, None]
        return _carry(xp.sum(moved, axis=0, dtype=xp.int32)), None

    return control.scan(times, (places == 0).astype(xp.int32), powers)[0]


def _carry(limbs: Array) -> Array:
    """The same number with limbs of 0..256, from limbs below 2^20; the highest one has nothing to carry."""
    for _ in range(3):
        limbs = (limbs & 255) + xp.concatenate([xp.zeros_like(limbs[:1]), limbs[:-1] >> 8])
    return limbs


def _sign(differences: Array) -> Array:
    """The sign of ``sum_i d_i 256^i`` for ``|d_i| <= 256``.

    From the top: once the sum so far is 2 or more in magnitude, all that follows, below 1.01, leaves its sign.
    """

    def below(total: Array, digit: Array) -> tuple[Array, None]:
        return xp.clip(total * 256 + digit, -1024, 1024), None

    return xp.sign(control.scan(below, xp.zeros_like(differences[0]), differences[::-1])[0])
