"""One rounding of a 64-bit magnitude to any format, in 32-bit words.

A magnitude is ``(high * 2^32 + low) * 2^(exponent - 63)``. Whoever drops bits below ``low`` sets its last bit (a
sticky bit): the rounding modes look at 25 fraction bits below at most 24 kept ones and at whether more follow.
Shifts by the word's width or more give 0, as XLA defines them.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from formats import FloatSpec, Overflow, Rounding


class Magnitude(NamedTuple):
    """``(high * 2^32 + low) * 2^(exponent - 63)``; ``low=None`` stands for 0."""

    high: Array
    low: Array | None
    exponent: Array


def low_word(m: Magnitude) -> Array:
    """``low``, with zeros in the place of None."""
    return m.high & 0 if m.low is None else m.low


class Draw(NamedTuple):
    """Random bits of a stochastic rounding, uint32, and how many there are in each."""

    bits: Array
    bit_count: int


def normalise(m: Magnitude) -> Magnitude:
    """The same number with the leading one in the top bit; zero stays zero."""
    high, low, exponent = m
    n = lax.clz(high)
    if low is None:
        return Magnitude(high << n, None, exponent - n.astype(jnp.int32))
    n = jnp.where(high == 0, 32 + lax.clz(low), n)
    moved = (high << n) | (low >> (32 - n)) | (low << (n - 32))
    return Magnitude(moved, low << n, exponent - n.astype(jnp.int32))


def round_magnitude(
    m: Magnitude, negative: Array, spec: FloatSpec, rounding: Rounding, *, kept_bits: int, draw: Draw | None = None
) -> Array:
    """Magnitude codes (uint32) of a normalised number, rounded in unbounded range to ``kept_bits`` fraction bits."""
    below = jnp.clip(spec.emin - m.exponent, 0, 64).astype(jnp.uint32)
    shift = jnp.minimum(below + (31 - kept_bits), 64)
    whole = m.high >> shift
    if rounding is not Rounding.TOWARD_ZERO:
        rest = _rest(m.high, m.low, shift)
        whole = whole + _goes_up(whole, rest, negative, rounding, draw).astype(jnp.uint32)
    binade = jnp.clip(m.exponent - spec.emin, 0, spec.emax + 1 - spec.emin).astype(jnp.uint32)
    code = (whole << (spec.fraction_bits - kept_bits)) + (binade << spec.fraction_bits)
    return jnp.where(m.high == 0, 0, code)


def _rest(high: Array, low: Array | None, shift: Array) -> Array:
    """What lies below the cut as a fraction of ``2^32``; the last bit is set if bits below that are."""
    rest = (high << (32 - shift)) | (high >> (shift - 32))
    lost = high << (64 - shift)
    lost = jnp.where(shift > 32, lost, 0)
    if low is not None:
        rest = rest | (low >> shift)
        lost = lost | (low << (32 - shift)) | jnp.where(shift > 32, low, 0)
    return rest | (lost != 0).astype(jnp.uint32)


def _goes_up(whole: Array, rest: Array, negative: Array, rounding: Rounding, draw: Draw | None) -> Array:
    """`formats.Rounding` with ``i = whole`` and ``nu = rest / 2^32``."""
    half, odd = jnp.uint32(1 << 31), (whole & 1) != 0
    match rounding:
        case Rounding.NEAREST_TIES_TO_EVEN:
            return (rest > half) | ((rest == half) & odd)
        case Rounding.NEAREST_TIES_TO_AWAY:
            return rest >= half
        case Rounding.TOWARD_POSITIVE:
            return (rest != 0) & ~negative
        case Rounding.TOWARD_NEGATIVE:
            return (rest != 0) & negative
        case Rounding.TO_ODD:
            return (rest != 0) & ~odd
        case _:
            assert draw is not None
            return _draws_up(rest, rounding, draw)


def _draws_up(rest: Array, rounding: Rounding, draw: Draw) -> Array:
    r, n = draw.bits.astype(jnp.uint32), draw.bit_count
    if rounding is Rounding.STOCHASTIC_B:
        r, n = 2 * r + 1, n + 1
    ticks = rest >> (32 - n)
    if rounding is Rounding.STOCHASTIC_C:
        below = rest << n
        half = jnp.uint32(1 << 31)
        ticks = ticks + ((below > half) | ((below == half) & ((ticks & 1) != 0))).astype(jnp.uint32)
    return ticks + r >= 1 << n


def finish(
    code: Array,
    negative: Array,
    spec: FloatSpec,
    rounding: Rounding,
    *,
    nan: Array,
    infinite: Array,
    nan_code: int | None,
) -> Array:
    """Codes of rounded magnitude codes under `formats.Saturation.SAT_NONE`; a zero keeps its sign where it has one.

    ``nan_code=None`` stands for that of the format.
    """
    over = infinite | ((code > spec.max_code) & ~_stays(negative, spec, rounding))
    code = jnp.minimum(code, spec.max_code)
    match spec.overflow:
        case Overflow.INFINITY:
            code = jnp.where(over, spec.max_code + 1, code)
        case Overflow.NAN:
            nan = nan | over
        case Overflow.MAXIMUM:
            code = jnp.where(over, spec.max_code, code)
    signed = negative if spec.has_negative_zero else negative & (code != 0)
    code = code | (signed.astype(jnp.uint32) << (spec.bits - 1))
    nan_code = spec.nan_code if nan_code is None else nan_code
    return jnp.where(nan, jnp.uint32(nan_code or 0), code)


def _stays(negative: Array, spec: FloatSpec, rounding: Rounding) -> Array:
    """Whether the mode never moves past the largest finite value."""
    match rounding:
        case Rounding.TOWARD_ZERO:
            return lax.full(negative.shape, True)
        case Rounding.TOWARD_POSITIVE:
            return negative
        case Rounding.TOWARD_NEGATIVE:
            return ~negative
        case Rounding.TO_ODD:
            return lax.full(negative.shape, spec.max_code % 2 == 1)
        case _:
            return lax.full(negative.shape, False)
