"""Requantisation by dyadic numbers in 32-bit words, once for NumPy and jax.numpy.

The product of an int32 and a multiplier has 62 bits. It is held as a high and a low uint32, so that JAX computes it
without its 64-bit types.
"""

from __future__ import annotations

from formats import Format, IntSpec, Rounding, Saturation, parse_enum
from reference.array.carrier import Array, Namespace
from reference.array.codec import code_dtype
from reference.array.conversion import Conversion, conversion

#: what an accumulator may be: int32, and what it holds
ACCUMULATOR_DTYPES = ("int8", "int16", "int32", "uint8", "uint16")

_DETERMINISTIC = ", ".join(mode.value for mode in Rounding if not mode.is_stochastic)


def requantisation(
    fmt: str | Format, *, rounding: Rounding | str, saturation: Saturation | str
) -> tuple[IntSpec, Conversion]:
    """The checked target and policy; every complaint about them comes from here.

    >>> requantisation("int4", rounding="to_odd", saturation="wrap")[0].maximum
    7
    """
    mode = parse_enum(Rounding, rounding, "rounding")
    if mode.is_stochastic:
        raise ValueError(f"rounding={mode.value!r} is stochastic; requantisation accepts: {_DETERMINISTIC}")
    request = conversion(fmt, rounding=mode, saturation=saturation)
    spec = request.spec
    if not isinstance(spec, IntSpec):
        raise TypeError(f"fmt={spec.name!r} is a float format; requantisation is into integer formats")
    if spec.fraction_bits or not spec.has_zero:
        raise ValueError(f"fmt={spec.name!r} is scaled or lacks zero; requantisation is into plain integers")
    return spec, request


def requantise(x: Array, multiplier: Array, shift: Array, request: tuple[IntSpec, Conversion], xp: Namespace) -> Array:
    """Codes of ``x * multiplier / 2^shift``, rounded once.

    ``x``: a dtype of `ACCUMULATOR_DTYPES`; ``multiplier < 2^31`` and ``shift <= 62``: uint32, broadcasting to ``x``.
    See `reference.requantise` for the meaning; arguments are taken as checked.
    """
    spec, policy = request
    negative = x < 0
    wide = x.astype(xp.int32).astype(xp.uint32)
    magnitude = xp.where(negative, ~wide + wide.dtype.type(1), wide)
    high, low = _shift_right(*_product(magnitude, multiplier), shift, xp, rounding=policy.rounding, negative=negative)
    if policy.saturation is Saturation.SAT_FINITE:
        word = low.dtype.type
        limit = xp.where(negative, word(-spec.minimum), word(spec.maximum))
        low = xp.where((high != 0) | (low > limit), limit, low)
    mask = low.dtype.type((1 << spec.bits) - 1)
    return (xp.where(negative, ~low + low.dtype.type(1), low) & mask).astype(code_dtype(spec, xp))


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    """High and low word of ``a * b`` for ``a <= 2^31`` and ``b < 2^31``, from 16-bit halves."""
    half, rest = a.dtype.type(16), a.dtype.type(0xFFFF)
    a1, a0, b1, b0 = a >> half, a & rest, b >> half, b & rest
    bottom = a0 * b0
    middle = a1 * b0 + a0 * b1 + (bottom >> half)  # < 2^32, since a1 <= 2^15 and b1 < 2^15
    return a1 * b1 + (middle >> half), (middle << half) | (bottom & rest)


def _shift_right(
    high: Array, low: Array, shift: Array, xp: Namespace, *, rounding: Rounding, negative: Array
) -> tuple[Array, Array]:
    """High and low word of ``(high * 2^32 + low) / 2^shift`` rounded to an integer; the dividend is below 2^62."""
    word = low.dtype.type
    zero, one, two, last = word(0), word(1), word(2), word(31)
    high, low = (high << two) | (low >> word(30)), low << two  # room for the half bit and one below it
    whole_word, shift = shift > last, shift & last
    dropped = xp.where(whole_word, low, zero)
    high, low = xp.where(whole_word, zero, high), xp.where(whole_word, high, low)
    dropped = dropped | (low & ((one << shift) - one))
    low, high = (low >> shift) | ((high << one) << (last - shift)), high >> shift
    half, below = (low >> one) & one, (low & one) | (dropped != zero).astype(low.dtype)
    low, high = (low >> two) | (high << word(30)), high >> two
    rounded = low + _increment(low & one, half, below, rounding, xp, negative=negative)
    return high + (rounded < low).astype(low.dtype), rounded


def _increment(last: Array, half: Array, below: Array, rounding: Rounding, xp: Namespace, *, negative: Array) -> Array:
    """Whether a magnitude goes up, 0 or 1: from its last bit, the bit of one half, and whether anything is below."""
    inexact, never = half | below, half & 0
    match rounding:
        case Rounding.NEAREST_TIES_TO_EVEN:
            return half & (below | last)
        case Rounding.NEAREST_TIES_TO_AWAY:
            return half
        case Rounding.TOWARD_ZERO:
            return never
        case Rounding.TOWARD_POSITIVE:
            return xp.where(negative, never, inexact)
        case Rounding.TOWARD_NEGATIVE:
            return xp.where(negative, inexact, never)
        case Rounding.TO_ODD:
            return inexact & ~last
        case _:
            raise AssertionError(f"{rounding} is stochastic")
