"""Codes taken apart: sign, integer significand, exponent, and what is no number."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from formats import FloatSpec, Format, IntSpec, Nan

#: the exponent of zero where exponents are compared: below every other, also when two are added
NOTHING = -(1 << 20)


class Parts(NamedTuple):
    """Values ``(-1)^negative * significand * 2^exponent``; NaN and infinity have the significand 0."""

    negative: Array
    #: uint32
    significand: Array
    #: int32
    exponent: Array
    nan: Array
    infinite: Array

    @property
    def zero(self) -> Array:
        """Where the value is zero of either sign."""
        return (self.significand == 0) & ~(self.nan | self.infinite)


def unpack(codes: Array, spec: Format) -> Parts:
    """The parts of codes of any unsigned dtype and shape; subnormals are not normalised."""
    c = codes.astype(jnp.uint32)
    return _unpack_int(c, spec) if isinstance(spec, IntSpec) else _unpack_float(c, spec)


def _unpack_float(c: Array, spec: FloatSpec) -> Parts:
    t = spec.fraction_bits
    magnitude = c & jnp.uint32((1 << spec.magnitude_bits) - 1)
    field = magnitude >> t
    implicit = jnp.minimum(field, 1) if spec.has_zero else jnp.uint32(1)
    significand = (magnitude & jnp.uint32((1 << t) - 1)) | (implicit << t)
    exponent = (jnp.maximum(field, 1) if spec.has_zero else field).astype(jnp.int32) - (spec.bias + t)
    negative = (c & jnp.uint32(spec.sign_code)) != 0
    infinite = (magnitude == spec.max_code + 1) if spec.has_infinity else lax.full(c.shape, False)
    match spec.nan:
        case Nan.ABOVE:
            nan = magnitude > spec.max_code + spec.has_infinity
        case Nan.NEGATIVE_ZERO:
            nan = c == spec.sign_code
        case Nan.NONE:
            nan = lax.full(c.shape, False)
    significand = jnp.where(nan | infinite, jnp.uint32(0), significand)
    return Parts(negative, significand, exponent, nan, infinite)


def _unpack_int(c: Array, spec: IntSpec) -> Parts:
    n = integers(c, spec)
    never = lax.full(c.shape, False)
    negative = (n < 0) if spec.signed else never
    magnitude = jnp.abs(n).astype(jnp.uint32)
    return Parts(negative, magnitude, lax.full(c.shape, -spec.fraction_bits, jnp.int32), never, never)


def integers(codes: Array, spec: IntSpec) -> Array:
    """Values times ``2^fraction_bits``, as int32 (modulo ``2^32``)."""
    c = codes.astype(jnp.uint32)
    if not spec.has_zero:
        return 1 - 2 * c.astype(jnp.int32)
    if not spec.signed:
        return c.astype(jnp.int32)
    half = jnp.uint32(1 << (spec.bits - 1))
    return ((c ^ half) - half).astype(jnp.int32)
