"""I-BERT's i-softmax in JAX: 32-bit words and no others."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from formats.dyadic import DyadicPair
from formats.integer_only.ibert import ExpConstants, SoftmaxRule
from formats.integer_only.ibert_rules import softmax_rule
from kernels_ref.integer.ibert.exp import checked, octave
from kernels_ref.integer.ibert.words import Wide, as_int32, check_int32, concrete, half_even, multiply
from kernels_ref.integer.product import to_53_bits
from reference.integer.ibert.softmax import check_maximum
from reference.integer.ibert.words import as_rows


def softmax(q: ArrayLike, scale: float, *, rule: str | SoftmaxRule, maximum: float | None = None) -> Array:
    """`reference.integer.ibert.softmax` in JAX: same integers and errors, bit for bit, without ``wrap``.

    One ``OverflowError`` more: where the polynomial at 0, or for ``paper`` the sum, needs more than 31 bits. Under a
    transformation, what the golden model refuses by its elements is a number nobody defines.

    >>> softmax([40, 20, -5, 0], 0.05, rule="code", maximum=1.0).tolist()
    [158, 58, 17, 21]
    """
    record, x = softmax_rule(rule), as_int32(q)
    found = concrete(x)
    if found is not None:
        as_rows(found[0])
    check_maximum(record, maximum)
    made, length = checked(record.exp, scale), x.shape[-1]
    if maximum is None:
        shift = record.sum_shift(scale, length)
        check_int32("the sum, times 2^8", (made.greatest >> shift) * max(length, 1 << record.output_bits))
        return _divided(x, record, made, shift)
    check_int32("the sum", length << ((record.requantised_bits or 0) - 1))
    out, total = _by_reciprocal(x, record, made, record.pair(scale, maximum))
    sums = concrete(total)
    if sums is not None and (sums[0] <= 0).any():
        raise ValueError(f"exponentials sum to {int(sums[0].min())}; the quotient needs a positive sum")
    return out


def _divided_words(q: Array, rule: SoftmaxRule, made: ExpConstants, shift: int) -> Array:
    value, z = octave(q - q.max(axis=-1, keepdims=True), rule.exp, made)
    e = (value >> z) >> shift
    total = e.sum(axis=-1, keepdims=True, dtype=jnp.int32)
    return lax.div(e << rule.output_bits, jnp.broadcast_to(total, e.shape))


_divided: Callable[..., Array] = jax.jit(  # pyright: ignore[reportUnknownMemberType]
    _divided_words, static_argnums=(1, 2, 3)
)


def _by_reciprocal_words(q: Array, rule: SoftmaxRule, made: ExpConstants, pair: DyadicPair) -> tuple[Array, Array]:
    """The results, and the sums."""
    value, z = octave(q - q.max(axis=-1, keepdims=True), rule.exp, made)
    b, d = (pair.multiplier, pair.shift) if pair.multiplier < 1 << 31 else (1 << 30, pair.shift - 1)
    product = Wide(*to_53_bits(*multiply(value, jnp.int32(b))))
    e = half_even(product, jnp.minimum(z + d, 63), (1 << ((rule.requantised_bits or 0) - 1)) - 1)
    total = e.sum(axis=-1, keepdims=True, dtype=jnp.int32)
    divisor = jnp.broadcast_to(total, e.shape).astype(jnp.uint32)
    power = (divisor & (divisor - 1)) == 0  # then 2^32 is a multiple, and the reciprocal one more than of 2^32 - 1
    factor = lax.div(jnp.uint32(0xFFFFFFFF), divisor) + power.astype(jnp.uint32)
    scaled = (e.astype(jnp.uint32) * factor) >> ((rule.reciprocal_bits or 0) - rule.output_bits)
    whole = power & (e == total)  # 2^32 itself, which left the word
    return jnp.where(whole, 1 << rule.output_bits, scaled.astype(jnp.int32)), total


_by_reciprocal: Callable[..., tuple[Array, Array]] = jax.jit(  # pyright: ignore[reportUnknownMemberType]
    _by_reciprocal_words, static_argnums=(1, 2, 3)
)
