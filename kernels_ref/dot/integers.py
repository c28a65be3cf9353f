"""Integer sums (`formats.IntegerSum`): int32 arithmetic, which wraps, and clamping between steps."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from formats import Format, IntegerSum, IntSpec, Rounding, Saturation
from formats.dot import output
from kernels_ref.dot.exact import exact_sum
from kernels_ref.dot.numbers import Number
from kernels_ref.dot.ordered import Formats
from kernels_ref.dot.parts import integers
from kernels_ref.dot.steps import split


def integer(c: Array, a: Array, b: Array, rule: IntegerSum, formats: Formats) -> Array:
    """Codes of ``c + a @ b``: (..., M, N), (..., M, K), (..., K, N) -> (..., M, N), uint32."""
    x, y = (_narrowest(codes, spec) for codes, spec in zip((a, b), formats, strict=True))
    if rule.saturation is Saturation.WRAP:
        return _codes(c.astype(jnp.int32) + dot(x, y), rule)
    step = rule.products or a.shape[-1]
    if step * _largest(formats) >= 1 << 31:
        return _wide(c, a, b, rule, formats)

    def body(c: Array, x: tuple[Array, Array]) -> tuple[Array, None]:
        return clamped_sum(c, dot(jnp.moveaxis(x[0], 0, -1), jnp.moveaxis(x[1], 0, -2)), rule), None

    start = integers(c, _spec(rule))
    if step >= a.shape[-1]:
        return _codes(clamped_sum(start, dot(x, y), rule), rule)
    return _codes(lax.scan(body, start, (split(x, -1, step), split(y, -2, step)))[0], rule)


def dot(a: Array, b: Array) -> Array:
    """The product of matrices of integers modulo ``2^32``, int32."""
    return jnp.matmul(a, b, preferred_element_type=jnp.int32)  # pyright: ignore[reportUnknownMemberType]


def joined(x: Array, y: Array, rule: IntegerSum) -> Array:
    """Codes of the sums of codes."""
    if rule.saturation is Saturation.WRAP:
        return _codes(x.astype(jnp.int32) + y.astype(jnp.int32), rule)
    return _codes(clamped_sum(integers(x, _spec(rule)), integers(y, _spec(rule)), rule), rule)


def clamped_sum(x: Array, y: Array, rule: IntegerSum) -> Array:
    """``x + y`` of int32, clamped to the width of the sum."""
    total = x + y
    end = jnp.where(x < 0, jnp.int32(-(1 << 31)), jnp.int32((1 << 31) - 1))
    total = jnp.where(((x ^ total) & (y ^ total)) < 0, end, total)
    return jnp.clip(total, *(jnp.int32(bound) for bound in _bounds(rule)))


def _wide(c: Array, a: Array, b: Array, rule: IntegerSum, formats: Formats) -> Array:
    """One step whose products may add up to more than int32 holds, by the long accumulator."""
    low, high = _bounds(rule)
    step = rule.products or a.shape[-1]

    def convert(x: Number) -> Array:
        shift = 31 - jnp.minimum(x.magnitude.exponent, 31)
        magnitude = x.magnitude.high >> shift.astype(jnp.uint32)
        bound = jnp.where(x.negative, jnp.uint32(-low), jnp.uint32(high))
        beyond = (x.magnitude.exponent > 31) | (magnitude > bound)
        magnitude = jnp.where(beyond, bound, magnitude).astype(jnp.int32)
        return _codes(jnp.where(x.negative, -magnitude, magnitude), rule)

    for start in range(0, a.shape[-1], step):
        stop = start + step
        c = exact_sum(
            c, a[..., start:stop], b[..., start:stop, :], output(rule), formats, Rounding.TOWARD_ZERO, convert
        )
    return c


def _narrowest(codes: Array, spec: Format) -> Array:
    """The integers as int8 where they fit, else as int32."""
    assert isinstance(spec, IntSpec)
    n = integers(codes, spec)
    return n.astype(jnp.int8) if spec.minimum >= -128 and spec.maximum <= 127 else n


def _largest(formats: Formats) -> int:
    """The largest magnitude of a product; reserved codes count too."""
    a, b = (1 << (spec.bits - (isinstance(spec, IntSpec) and spec.signed)) for spec in formats)
    return a * b


def _spec(rule: IntegerSum) -> IntSpec:
    spec = output(rule)
    assert isinstance(spec, IntSpec)
    return spec


def _bounds(rule: IntegerSum) -> tuple[int, int]:
    top = 1 << (rule.bits - 1)
    return -top, top - 1


def _codes(n: Array, rule: IntegerSum) -> Array:
    """Two's complement of the sum's width."""
    return n.astype(jnp.uint32) & jnp.uint32((1 << rule.bits) - 1)
