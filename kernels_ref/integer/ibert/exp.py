"""I-BERT's i-exp in JAX: 32-bit words and no others, under jit; 64-bit types may be on or off."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from formats.integer_only.ibert import ExpConstants, ExpRule
from formats.integer_only.ibert_rules import exp_rule
from kernels_ref.integer.ibert.words import Wide, as_int32, check_int32, concrete, half_up
from reference.integer.ibert.exp import nonpositive


def exp(q: ArrayLike, scale: float, *, rule: str | ExpRule) -> Array | Wide:
    """`reference.integer.ibert.exp` in JAX: same integers and errors, bit for bit, without ``wrap``.

    int32 for ``paper`` and ``safe``; for a rule with ``octaves``, such as ``code``, whose results are wider, `Wide`.
    One ``OverflowError`` more: where the polynomial at 0 needs more than 31 bits. Under a transformation, a positive
    ``q`` is taken as a number nobody defines.

    >>> exp([0, -1, -13, -14, -100], 0.05, rule="paper").tolist()
    [1112, 1059, 556, 529, 5]
    >>> exp([0, -14, -500], 0.05, rule="code").int64().tolist()
    [1198295875584, 599147937792, 1116]
    """
    record, x = exp_rule(rule), as_int32(q)
    found = concrete(x)
    if found is not None:
        nonpositive(found[0])
    made = checked(record, scale)
    return _exp(x, record, made)


def checked(rule: ExpRule, scale: float) -> ExpConstants:
    """The constants, which fit the words."""
    made = rule.constants(scale)
    check_int32("the polynomial at 0", made.greatest)
    return made


def _exp_words(x: Array, rule: ExpRule, made: ExpConstants) -> Array | Wide:
    value, z = octave(x, rule, made)
    if rule.octaves is None:
        return value >> z
    left = rule.octaves - z
    return Wide(value >> jnp.minimum(32 - left, 31), value << left)


_exp: Callable[..., Array | Wide] = jax.jit(  # pyright: ignore[reportUnknownMemberType]
    _exp_words, static_argnums=(1, 2)
)


def octave(x: Array, rule: ExpRule, made: ExpConstants) -> tuple[Array, Array]:
    """The polynomial's value of each ``x <= 0``, and ``z``, at most 31: 31 bits have no more octaves."""
    x = half_up(x, made.input_shift)
    if rule.octaves is not None:
        x = jnp.maximum(x, -rule.octaves * made.ln2)
    magnitude, ln2 = (-x).astype(jnp.uint32), jnp.uint32(made.ln2)
    z = jnp.minimum(lax.div(magnitude, ln2), 31).astype(jnp.int32)
    p = -lax.rem(magnitude, ln2).astype(jnp.int32)
    moved = p + made.b
    return moved * (p if rule.polynomial.expanded else moved) + made.c, z
