"""Exact sums and products of two numbers, rounded once: 64-bit significands in pairs of 32-bit words.

The smaller term of a sum is shifted right until it fits below the larger one; what falls off is remembered in its
last bit. Products have at most 48 bits, so that this happens only 14 bits or more below the last bit of either.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from formats import FloatSpec, Rounding
from kernels_ref.dot.flow import pick
from kernels_ref.dot.parts import NOTHING, Parts, unpack
from kernels_ref.dot.rounding import Draw, Magnitude, finish, low_word, normalise, round_magnitude

#: bits of both significands of a product together
WIDEST_PRODUCT = 48


class Number(NamedTuple):
    """A number, infinity or NaN; the magnitude is normalised, that of zero has the exponent `NOTHING`."""

    negative: Array
    magnitude: Magnitude
    nan: Array
    infinite: Array


def number(p: Parts) -> Number:
    """The number that parts stand for."""
    magnitude = Magnitude(p.significand, p.significand & 0, p.exponent + 31)
    return Number(p.negative, _placed(magnitude), p.nan, p.infinite)


def _placed(m: Magnitude) -> Magnitude:
    """``m`` normalised, zero below everything."""
    high, low, exponent = normalise(m)
    return Magnitude(high, low, jnp.where(high == 0, NOTHING, exponent))


def product(a: Parts, b: Parts, bits: int) -> Number:
    """The exact products, element by element; ``bits``: those of both significands together, at most 48."""
    if bits > 32:
        magnitude = Magnitude(*_multiply(a.significand, b.significand), a.exponent + b.exponent + 63)
    else:
        high = a.significand * b.significand
        magnitude = Magnitude(high, high & 0, a.exponent + b.exponent + 31)
    nan = a.nan | b.nan | (a.infinite & b.zero) | (a.zero & b.infinite)
    return Number(a.negative ^ b.negative, _placed(magnitude), nan, a.infinite | b.infinite)


def _multiply(a: Array, b: Array) -> tuple[Array, Array]:
    """The 64-bit product of 32-bit words, high and low."""
    a1, a0, b1, b0 = a >> 16, a & 0xFFFF, b >> 16, b & 0xFFFF
    low = a0 * b0
    middle = a0 * b1 + (low >> 16)
    other = a1 * b0 + (middle & 0xFFFF)
    return a1 * b1 + (middle >> 16) + (other >> 16), (other << 16) | (low & 0xFFFF)


def total(x: Number, y: Number, rounding: Rounding) -> Number:
    """``x + y``, with the signs of zeros that IEEE 754-2019, 6.3, gives them in a rounding mode."""
    larger, smaller = _by_size(x, y)
    first, second = _halved(larger.magnitude), _shifted(smaller.magnitude, larger.magnitude.exponent)
    same = x.negative == y.negative
    high, low = _combined(first, second, same)
    zero = (high == 0) & (low == 0)
    negative = jnp.where(zero & ~same, rounding is Rounding.TOWARD_NEGATIVE, larger.negative)
    nan = x.nan | y.nan | (x.infinite & y.infinite & ~same)
    negative = jnp.where(x.infinite, x.negative, jnp.where(y.infinite, y.negative, negative))
    magnitude = normalise(Magnitude(high, low, larger.magnitude.exponent + 1))
    return Number(negative, magnitude, nan, x.infinite | y.infinite)


def _by_size(x: Number, y: Number) -> tuple[Number, Number]:
    m, n = x.magnitude, y.magnitude
    above = (n.high > m.high) | ((n.high == m.high) & (low_word(n) > low_word(m)))
    swap = (n.exponent > m.exponent) | ((n.exponent == m.exponent) & above)
    return pick(swap, y, x), pick(swap, x, y)


Pair = tuple[Array, Array]


def _halved(m: Magnitude) -> Pair:
    """The significand one place lower, so that a sum of two fits; the last bit is free."""
    return m.high >> 1, (low_word(m) >> 1) | (m.high << 31)


def _shifted(m: Magnitude, exponent: Array) -> Pair:
    """`_halved` in units of a number of the given exponent, not below its own; the last bit is sticky."""
    high, low = _halved(m)
    d = jnp.minimum(exponent - m.exponent, 64).astype(jnp.uint32)
    lost = (low << (32 - d)) | jnp.where(d > 32, low | (high << (64 - d)), 0)
    kept = (low >> d) | (high << (32 - d)) | (high >> (d - 32))
    return high >> d, kept | (lost != 0).astype(jnp.uint32)


def _combined(x: Pair, y: Pair, same: Array) -> Pair:
    """``x + y`` where the signs are the same, else ``x - y``, which is not negative."""
    low = jnp.where(same, x[1] + y[1], x[1] - y[1])
    carry = jnp.where(same, low < x[1], x[1] < y[1]).astype(jnp.uint32)
    return jnp.where(same, x[0] + y[0] + carry, x[0] - y[0] - carry), low


def rounded(
    x: Number, spec: FloatSpec, rounding: Rounding, *, draw: Draw | None = None, nan_code: int | None = None
) -> Array:
    """Codes (uint32) of numbers rounded under `formats.Saturation.SAT_NONE`."""
    code = round_magnitude(x.magnitude, x.negative, spec, rounding, kept_bits=spec.fraction_bits, draw=draw)
    return finish(code, x.negative, spec, rounding, nan=x.nan, infinite=x.infinite, nan_code=nan_code)


def add(x: Array, y: Array, spec: FloatSpec, nan_code: int | None) -> Array:
    """Codes of the sums of codes, to nearest even."""
    mode = Rounding.NEAREST_TIES_TO_EVEN
    return rounded(total(number(unpack(x, spec)), number(unpack(y, spec)), mode), spec, mode, nan_code=nan_code)
