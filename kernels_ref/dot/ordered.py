"""Sums in which every operation is rounded: sequential, fused multiply-add, pairwise."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from formats import FloatSpec, Format
from formats.summation import PairwiseSum, SequentialSum
from kernels_ref.dot.numbers import WIDEST_PRODUCT, Number, number, product, rounded, total
from kernels_ref.dot.parts import Parts, unpack
from kernels_ref.dot.rounding import Draw
from kernels_ref.dot.rows import by_rows

Formats = tuple[Format, Format]


def sequential(c: Array, a: Array, b: Array, rule: SequentialSum, formats: Formats, random_bits: Array | None) -> Array:
    """Codes of ``c + a @ b``: (..., M, N), (..., M, K), (..., K, N) -> (..., M, N); random bits (K, ..., M, N)."""

    def body(c: Array, x: tuple[Array, Array, Array | None]) -> tuple[Array, None]:
        p = _products(x[0], x[1], formats)
        if not rule.fused:
            p = number(unpack(rounded(p, rule.output, rule.rounding), rule.output))
        draw = None if x[2] is None else Draw(x[2], rule.random_bit_count or 0)
        s = total(number(unpack(c, rule.output)), p, rule.rounding)
        return rounded(s, rule.output, rule.rounding, draw=draw), None

    return lax.scan(body, c, (jnp.moveaxis(a, -1, 0), jnp.moveaxis(b, -2, 0), random_bits))[0]


def pairwise(c: Array, a: Array, b: Array, rule: PairwiseSum, formats: Formats) -> Array:
    """Codes of ``c + a @ b`` by a tree; shapes as in `sequential`. All products of some rows are there at once."""

    def some(c: Array, a: Array) -> Array:
        p = _products(jnp.moveaxis(a, -1, 0), jnp.moveaxis(b, -2, 0), formats)
        level = rounded(p, rule.output, rule.rounding)
        while level.shape[0] > 1:
            pairs = level.shape[0] // 2
            sums = _sum(level[: 2 * pairs : 2], level[1 : 2 * pairs : 2], rule)
            level = jnp.concatenate([sums, level[2 * pairs :]])
        return _sum(level[0], c, rule)

    return by_rows(some, c, a, a.shape[-1])


def _sum(x: Array, y: Array, rule: PairwiseSum) -> Array:
    s = total(number(unpack(x, rule.output)), number(unpack(y, rule.output)), rule.rounding)
    return rounded(s, rule.output, rule.rounding)


def _products(a: Array, b: Array, formats: Formats) -> Number:
    """Exact products of codes (..., M) and (..., N)."""
    x, y = unpack(a, formats[0]), unpack(b, formats[1])
    left, right = Parts(*(part[..., :, None] for part in x)), Parts(*(part[..., None, :] for part in y))
    bits = sum(significand_bits(spec) for spec in formats)
    if bits > WIDEST_PRODUCT:
        names = " and ".join(spec.name for spec in formats)
        raise ValueError(
            f"products of {names} have {bits} bits; JAX takes at most {WIDEST_PRODUCT}; reference.matmul takes more"
        )
    return product(left, right, bits)


def significand_bits(spec: Format) -> int:
    """The most bits that a significand of the format has."""
    return spec.precision if isinstance(spec, FloatSpec) else max(spec.maximum, -spec.minimum).bit_length()
