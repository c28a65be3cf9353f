"""I-BERT's i-GELU in JAX: 32-bit words and no others."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from formats.integer_only.ibert import GeluConstants, GeluRule
from formats.integer_only.ibert_rules import gelu_rule
from kernels_ref.integer.ibert.words import Wide, as_int32, check_int32, concrete, half_up, multiply
from reference.integer.ibert.gelu import check_magnitude


def gelu(q: ArrayLike, scale: float, *, rule: str | GeluRule, magnitude: int | None = None) -> Array | Wide:
    """`reference.integer.ibert.gelu` in JAX: same integers and errors, bit for bit, without ``wrap``.

    int32 for ``safe``, and `Wide`, two words of it, for the others. One ``OverflowError`` more: where ``q_c`` needs
    more than 31 bits, or ``one`` more than 30.

    >>> gelu([2048, -2048, 0, 1], 2**-11, rule="code").int64().tolist()
    [-6080512, 1183744, 0, -1944]
    >>> gelu([2048, -2048, 0, 1], 2**-11, rule="safe", magnitude=1 << 15).tolist()
    [-6080512, 1183744, 0, -1944]
    """
    record, x = gelu_rule(rule), as_int32(q)
    made = record.constants(scale, magnitude)
    found = concrete(x)
    if found is not None:
        check_magnitude(found[0].astype("int64"), magnitude)
    check_int32("q_c", made.c)
    check_int32("one", made.one, 30)
    return _gelu(x, record, made)


def _gelu_words(q: Array, rule: GeluRule, made: GeluConstants) -> Array | Wide:
    x = half_up(q, made.input_shift)
    magnitude = jnp.where(x < 0, -x, x).astype(jnp.uint32)  # 2^31 too
    moved = jnp.minimum(magnitude, jnp.uint32(-made.b)).astype(jnp.int32) + made.b
    erf = (jnp.sign(x) * (moved * moved + made.c)) >> rule.shift
    factor = erf + made.one
    return multiply(x, factor) if rule.word_bits is None else x * factor


_gelu: Callable[..., Array | Wide] = jax.jit(  # pyright: ignore[reportUnknownMemberType]
    _gelu_words, static_argnums=(1, 2)
)
