"""Elements of blocks over or times what their block has, and from there to codes: a handful of instructions each.

Products
    of a magnitude and a factor are IEEE 754's own. An operation on the product's pattern follows, so that no compiler
    contracts it with a sum.

Exact quotients
    ``x / S``, where products of ``S`` with the numbers between which an element format decides have at most 24 bits.
    A product with a reciprocal is rounded to the bits that ``S`` leaves, ``q``; all deciding numbers are among these.
    Then ``q S`` and ``x - q S`` are exact, contracted or not, and ``q + (x - q S) / S``, in whatever way it is
    rounded, lies on the same side of every deciding number as ``x / S``, or on it if that does.

Quotients of IEEE 754
    A product with a reciprocal is the quotient but for a few units in the last place, and the remainder, in integers
    modulo 2^32, says how many. Where the divisor has few bits, the exact quotient above is the rounded one, too: it is
    closer to it than any quotient to a midpoint of binary32.

Processors here keep subnormal numbers, as Hopper GPUs and NumPy do.
"""

from __future__ import annotations

import jax.numpy as jnp

from kernels_ref import block_binary32 as binary32
from kernels_ref.block_binary32 import BIAS, FRACTION, FRACTION_BITS, IMPLICIT, INFINITY, ONE, bits_of, number_of
from reference.array.carrier import Array, Namespace

#: bits of a divisor by which `quotient` is that of IEEE 754
FEW_BITS = 8
#: units in the last place that a product with `reciprocal` is away at most
_OFF = 3
_TO_INTEGER = ONE - IMPLICIT
_INTEGER = 1.5 * 2.0**FRACTION_BITS
_GUESS = 0x7EF311C7  # less a pattern, an eighth of the reciprocal's pattern away at most
_STEPS = 3  # that double the bits of a reciprocal


def reciprocal(scale: Array, xp: Namespace) -> Array:
    """``1 / S`` of float32 numbers from 2^-60 to 2^60, to a unit or two in the last place, without a division."""
    near = (xp.int32(_GUESS) - scale.view(xp.int32)).view(xp.float32)
    for _ in range(_STEPS):
        near = near * (xp.float32(2) - scale * near)
    return near


def quotient(magnitude: Array, scale: Array, inverse: Array, bits: int, xp: Namespace) -> Array:
    """Numbers on the same side of every deciding number as ``magnitude / scale``, for scales of so many bits."""
    near = (magnitude * inverse).view(xp.int32)
    kept = ((near + (1 << bits >> 1)) & -(1 << bits)).view(xp.float32)
    return kept + (magnitude - kept * scale) * inverse


def divide_moderate(a: Array, b: Array, xp: Namespace) -> Array:
    """``a / b`` of IEEE 754, to nearest even, where all three are normal and above 0; 0 where ``a`` is.

    What would be less than normal is some number as small that is not 0. No quotient is a midpoint.
    """
    x, y = a.view(xp.int32), b.view(xp.int32)
    top, bottom = (x & FRACTION) | ONE, (y & FRACTION) | ONE
    less = (top < bottom).astype(xp.int32)
    inverse = reciprocal(bottom.view(xp.float32), xp)
    kept = (top.view(xp.float32) * inverse).view(xp.int32) - ((BIAS - 1 - less) << FRACTION_BITS)
    divisor = bottom - _TO_INTEGER
    rest = ((top - _TO_INTEGER) << (less + FRACTION_BITS)) - kept * divisor  # exact, although modulo 2^32
    units = rest.astype(xp.float32) * (inverse * xp.float32(2.0**-FRACTION_BITS)) + xp.float32(_INTEGER)
    off = units.view(xp.int32) - xp.float32(_INTEGER).view(xp.int32)
    rest = 2 * (rest - off * divisor)
    off = off + (rest > divisor).astype(xp.int32) - (rest < -divisor).astype(xp.int32)
    field = (x & INFINITY) - (y & INFINITY) + ((BIAS - 1 - less) << FRACTION_BITS)
    return xp.where(x == 0, 0, xp.maximum(kept + off + field, 1)).view(xp.float32)


def divide(a: Array, b: Array) -> Array:
    """``a / b`` of IEEE 754 in JAX, to nearest even, for ``a >= 0`` and ``b > 0``; infinite where ``a`` is."""
    x, y = binary32.wide(bits_of(a)), binary32.wide(bits_of(b))
    top, bottom = x.significand + _TO_INTEGER, y.significand + _TO_INTEGER
    less = (top < bottom).astype(jnp.int32)
    inverse = reciprocal(number_of(bottom), jnp)
    kept = bits_of(number_of(top) * inverse) - ((BIAS - 1 - less) << FRACTION_BITS) - _OFF
    rest = (x.significand << (FRACTION_BITS + less)) - kept * y.significand  # exact, although modulo 2^32
    off = sum((rest >= n * y.significand).astype(jnp.int32) for n in range(1, 2 * _OFF + 1))
    kept, rest = kept + off, 2 * (rest - off * y.significand)
    quarters = (rest > 0).astype(jnp.int32) + (rest >= y.significand) + (rest > y.significand)
    found = binary32.rounded((kept << binary32.ODD_BITS) + quarters, x.exponent - y.exponent + BIAS - less)
    return number_of(jnp.where(bits_of(a) == 0, 0, jnp.where(bits_of(a) == INFINITY, INFINITY, found)))
