"""NaN and infinite products, counted: which outputs of a product of matrices they decide."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from kernels_ref.dot.parts import Parts


class Specials(NamedTuple):
    """For each output: whether a product is NaN, +infinity, -infinity."""

    nan: Array
    positive: Array
    negative: Array


def specials(a: Parts, b: Parts) -> Specials:
    """The special products of (K, ..., M) with (K, ..., N): (..., M, N)."""
    every_a, every_b = lax.full(a.nan.shape, True), lax.full(b.nan.shape, True)
    (up_a, down_a), (up_b, down_b) = _signs(a), _signs(b)
    plus_a, minus_a, plus_b, minus_b = up_a & a.infinite, down_a & a.infinite, up_b & b.infinite, down_b & b.infinite
    nan = count((a.nan, every_b), (every_a, b.nan), (a.infinite, b.zero), (a.zero, b.infinite))
    positive = count((plus_a, up_b), (minus_a, down_b), (up_a, plus_b), (down_a, minus_b))
    negative = count((plus_a, down_b), (minus_a, up_b), (up_a, minus_b), (down_a, plus_b))
    return Specials(nan > 0, positive > 0, negative > 0)


def no_specials(shape: tuple[int, ...]) -> Specials:
    """Nothing special anywhere."""
    never = lax.full(shape, False)
    return Specials(never, never, never)


def any_special(*operands: Parts) -> Array:
    """Whether there is any NaN or infinity, a scalar."""
    return jnp.stack([(p.nan | p.infinite).any() for p in operands]).any()


def count(*pairs: tuple[Array, Array]) -> Array:
    """How often both of a pair hold, over K and all pairs: (K, ..., M), (K, ..., N) -> float32 (..., M, N).

    Exact below 2^24 at any precision of the operands, which are 0 and 1.
    """
    left = jnp.concatenate([x for x, _ in pairs]).astype(jnp.float32)
    right = jnp.concatenate([y for _, y in pairs]).astype(jnp.float32)
    return jnp.einsum(  # pyright: ignore[reportUnknownMemberType]
        "k...m,k...n->...mn", left, right, precision=lax.Precision.HIGHEST
    )


def _signs(p: Parts) -> tuple[Array, Array]:
    """Where numbers and infinities lie above and below zero."""
    some = (p.significand != 0) | p.infinite
    return some & ~p.negative, some & p.negative
