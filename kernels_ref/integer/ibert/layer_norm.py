"""I-BERT's integer LayerNorm in JAX: 32-bit words and no others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from formats.integer_only.ibert import LayerNormRule
from formats.integer_only.ibert_rules import layer_norm_rule
from kernels_ref.integer.ibert.sqrt import isqrt
from kernels_ref.integer.ibert.words import as_int32, bit_length, concrete
from reference.integer.ibert.layer_norm import biases, check_shift
from reference.integer.ibert.words import as_rows

#: the longest rows: sums of halves of 16 bits then fit 32
LONGEST = 1 << 15


def layer_norm(
    q: ArrayLike,
    *,
    rule: str | LayerNormRule,
    shift: int | None = None,
    gamma: Sequence[float] | None = None,
    beta: Sequence[float] | None = None,
) -> Array:
    """`reference.integer.ibert.layer_norm` in JAX: same integers and errors, bit for bit, without ``wrap``.

    One ``ValueError`` more: rows above 2^15. ``floor(y F / 2)``, whose product has 33 bits, is ``y (F >> 1) + (y (F &
    1) >> 1)``, exactly, and never leaves int32. Under a transformation, what the golden model refuses by its elements
    is a number nobody defines.

    >>> layer_norm([12, -7, 100, 3, -50, 8, 0, 30], rule="code", shift=0).tolist()
    [0, -183793641, 851254756, -87060146, -599747669, -38693398, -116080194, 174120291]
    """
    record, x = layer_norm_rule(rule), as_int32(q)
    found = concrete(x)
    if found is not None:
        as_rows(found[0])
    length = x.shape[-1]
    if length > LONGEST:
        raise ValueError(f"rows of {length}; the JAX code takes at most {LONGEST}")
    check_shift(record, shift)
    added = biases(record, gamma, beta, length).astype(np.int32)
    out, fits, sd, whole = _layer_norm(x, added, record, shift)
    flags = concrete(fits, sd, whole)
    if flags is not None:
        _check(*flags)
    return out


def _check(fits: np.ndarray, sd: np.ndarray, whole: np.ndarray) -> None:
    if not fits.all():
        raise OverflowError("v needs more than 32 bits; give a larger shift, or take the safe form")
    if (sd == 0).any():
        row = int(np.argwhere(sd.reshape(-1) == 0)[0, 0])
        raise ZeroDivisionError(f"row {row} has sd=0: it is constant, or shifted to 0, and LayerNorm has no epsilon")
    if not whole.all():
        raise OverflowError("a result is no int32")


def _layer_norm_words(
    q: Array, added: Array, rule: LayerNormRule, shift: int | None
) -> tuple[Array, Array, Array, Array]:
    """The results; whether ``v`` fits, the root of it, and whether results fit."""
    y = q - _mean(q)
    k = jnp.int32(shift) if shift is not None else _row_shift(y)
    v, fits = _variance(y >> k)
    root = isqrt(v)
    power = jnp.broadcast_to(jnp.uint32(1 << 31) >> k.astype(jnp.uint32), root.shape)
    factor = lax.div(power, jnp.maximum(root, jnp.uint32(1)))
    odd, half = (factor & jnp.uint32(1)).astype(jnp.int32), (factor >> jnp.uint32(1)).astype(jnp.int32)
    normal = y * half + ((y * odd) >> 1)
    out = normal + added
    return out, fits, root, ((normal ^ out) & (added ^ out)) >= 0


_layer_norm: Callable[..., tuple[Array, Array, Array, Array]] = jax.jit(  # pyright: ignore[reportUnknownMemberType]
    _layer_norm_words, static_argnums=(2, 3)
)


def _mean(q: Array) -> Array:
    """The mean of each row to the nearest integer, ties to even: a long division by halves of 16 bits."""
    length = q.shape[-1]
    high = (q >> 16).sum(axis=-1, keepdims=True, dtype=jnp.int32)
    low = (q & 0xFFFF).sum(axis=-1, keepdims=True, dtype=jnp.int32)
    top = high // length
    rest = ((high - top * length) << 16).astype(jnp.uint32) + low.astype(jnp.uint32)
    divisor = jnp.uint32(length)
    down, over = lax.div(rest, divisor), lax.rem(rest, divisor)
    mean = (top << 16) + down.astype(jnp.int32)
    twice = 2 * over.astype(jnp.int32)
    return mean + ((twice > length) | ((twice == length) & (mean & 1 == 1))).astype(jnp.int32)


def _row_shift(y: Array) -> Array:
    width = (y.shape[-1] - 1).bit_length()
    longest = bit_length(jnp.abs(y).max(axis=-1, keepdims=True))
    return jnp.maximum((2 * longest + width - 30) >> 1, 0)


def _variance(y: Array) -> tuple[Array, Array]:
    """The sum of squares as uint32, and whether it is one: by sums of both halves of each square."""
    narrow = jnp.abs(y) < 1 << 16
    square = y.astype(jnp.uint32) * y.astype(jnp.uint32)
    high = (square >> jnp.uint32(16)).sum(axis=-1, keepdims=True, dtype=jnp.uint32)
    low = (square & jnp.uint32(0xFFFF)).sum(axis=-1, keepdims=True, dtype=jnp.uint32)
    fits = narrow.all(axis=-1, keepdims=True) & (high + (low >> jnp.uint32(16)) < 1 << 16)
    return square.sum(axis=-1, keepdims=True, dtype=jnp.uint32), fits
