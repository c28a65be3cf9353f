"""Requantisation by the rules of published systems in JAX, bit for bit the model's.

An accumulator is first clamped to a window outside of which the result is at an end anyway: the rest then fits words
of 32 bits, but for one product of 64. A tie is seen in the accumulator itself: ``x * b`` is an odd multiple of
``2^(c-1)`` exactly if ``x`` is one of ``2^(c-1-t)``, where ``b`` ends with ``t`` zero bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike

from formats import Format, IntSpec
from formats.integer_only.requantiser import Requantiser
from formats.integer_only.requantisers import requantiser
from formats.integer_only.steps import ShiftRounding
from formats.integer_only.widths import accumulators
from kernels_ref.integer.product import half_up, high_word, is_half, power, shifted, to_53_bits
from kernels_ref.integer.rescale_plan import NARROW_BITS, Constant, Form, Plan, plan, zeros_below
from reference.integer.ranges import clamped_range, integer_dtype, plain_integers
from reference.integer.requantise import NARROW, Integers, channel_ratios, check_widths


def requantise(
    x: ArrayLike,
    ratio: float | Sequence[float],
    *,
    rule: str | Requantiser,
    fmt: str | Format,
    zero_point: int = 0,
    clamp: tuple[int, int] | None = None,
) -> Array:
    """`reference.integer.requantise` in JAX: same arguments, same integers and errors, bit for bit; jit, vmap.

    Everything but ``x`` is known when the code is compiled, and is part of it. ``x`` is int32, or what int32 holds,
    for every rule. Under a transformation no element can be looked at: that accumulators make no step leave its width
    (`formats.integer_only.accumulators` says which) is then the caller's to keep. 64-bit types may be on or off.

    >>> requantise(jnp.array([-138, -1, 1, 138]), 0.25, rule="tflite_double_rounding", fmt="int8")
    Array([-35,   0,   1,  35], dtype=int8)
    """
    record, spec = requantiser(rule), plain_integers(fmt)
    low, high = clamped_range(spec, zero_point, clamp)
    values = x if isinstance(x, Array) else np.asarray(x)
    if values.dtype.name not in NARROW:
        raise TypeError(f"x has dtype {values.dtype.name}; {record.name} accepts in JAX: {', '.join(NARROW)}")
    ratios = channel_ratios(ratio, values.shape)
    _check(values, record, ratios, zero_point)
    run = _compiled(record, spec, ratios, zero_point, (low, high))
    return run(jnp.asarray(values))  # pyright: ignore[reportUnknownMemberType]


def _check(x: Array | Integers, rule: Requantiser, ratios: tuple[float, ...], zero_point: int) -> None:
    if isinstance(x, Tracer):
        return
    bounds = [accumulators(rule, ratio, zero_point) for ratio in ratios]
    if any(low > -(1 << 31) or high < (1 << 31) - 1 for low, high in bounds):
        check_widths(np.asarray(x), rule, ratios, zero_point)


@lru_cache(maxsize=512)
def _compiled(
    rule: Requantiser, fmt: IntSpec, ratios: tuple[float, ...], zero_point: int, clamp: tuple[int, int]
) -> Callable[[Array], Array]:
    made, dtype = plan(rule, fmt, ratios, zero_point, clamp), integer_dtype(fmt)

    def run(x: Array) -> Array:
        x = x.astype(jnp.int32)
        return _clamped(_rounded(x, made), x, made).astype(dtype)

    return jax.jit(run)  # pyright: ignore[reportUnknownMemberType]


def _rounded(x: Array, made: Plan) -> Array:
    """``rule(x) + z`` for accumulators in the window, of those outside something at its end."""
    z = np.int32(made.zero_point)
    if made.form is Form.BINARY32:
        return _by_floats(x, made)
    if made.clamps_accumulators:
        x = jnp.clip(x, made.low, made.high)
    match made.form:
        case Form.SINGLE:
            return _single_narrow(x, made) if made.narrow else _single(x, made) + z
        case Form.DOUBLE:
            near = made.narrow and made.reach < 1 << 27 and bool((made.c >= 31).all())
            return _double_near(x, made) if near else _double(x, made) + z
        case Form.BINARY64:
            return _by_53_bits(x, made) + z
        case Form.OFFSET:
            return ((x + made.offset) * made.b + power(np.where(made.c > 0, made.c - 1, 32))) >> made.c


def _clamped(y: Array, x: Array, made: Plan) -> Array:
    low, high = made.clamp
    if not made.narrow and made.form is not Form.BINARY32 and made.clamps_accumulators:
        y = jnp.where(x < made.low, low, jnp.where(x > made.high, high, y))
    clamped = high - low == (1 << 32) - 1 or (made.narrow and made.form is Form.BINARY32)
    return y if clamped else jnp.clip(y, low, high)


def _single_narrow(x: Array, made: Plan) -> Array:
    """For results below ``2^17``: the low word has no part in them, once the accumulator is moved up."""
    c = np.maximum(made.c, 30 - NARROW_BITS)  # below that only 0 does not saturate
    scaled = x << np.maximum(33 - c, 0) if (c < 33).any() else x
    bits = np.maximum(c, 33) - 32
    half = power(bits - 1) if made.rounding is not ShiftRounding.FLOOR else np.zeros_like(bits)
    return _settled(_moved(high_word(scaled, made.b), half, bits, made.zero_point), x, made, made.zero_point)


def _moved(y: Array, half: Constant, bits: Constant, zero_point: int) -> Array:
    """``((y + half) >> bits) + z``, in one sum where that does not leave int32: ``|y + half| < 2^31 - 2^28``."""
    moved = np.asarray(zero_point, np.int64) << bits
    if (np.abs(moved) < 1 << 28).all():
        return (y + (half + moved).astype(np.int32)) >> bits
    return ((y + half) >> bits) + np.int32(zero_point)


def _single(x: Array, made: Plan) -> Array:
    high, low = high_word(x, made.b), x * made.b
    floor = made.rounding is ShiftRounding.FLOOR
    return _settled(shifted(high, low, made.c) if floor else half_up(high, low, made.c), x, made, 0)


def _settled(y: Array, x: Array, made: Plan, zero_point: int) -> Array:
    """``y + z`` with the ties, which went up, as the rounding has them."""
    if made.rounding in (ShiftRounding.FLOOR, ShiftRounding.HALF_UP):
        return y
    period = made.c - zeros_below(made.b)
    furthest = np.maximum(-made.low.astype(np.int64), made.high)
    possible = (period >= 1) & (period <= 32) & (made.b != 0)
    possible &= np.int64(1) << np.clip(period - 1, 0, 62).astype(np.int64) <= furthest  # the least tie
    if not possible.any():
        return y
    mask = np.where(possible, power(np.maximum(period, 0)) - np.int32(1), 0).astype(np.int32)
    half = np.where(possible, power(np.maximum(period - 1, 0)), 1).astype(np.int32)
    odd = y if zero_point % 2 == 0 else ~y
    down = -(x >> 31) if made.rounding is ShiftRounding.HALF_AWAY else odd & 1
    return y - jnp.where((x & mask) == half, down, 0)


def _double_near(x: Array, made: Plan) -> Array:
    """Both roundings in one shift, for ``|x| < 2^27`` and ratios below one.

    With ``h = floor(4 x b / 2^32)`` the first gives ``(h + 1) >> 1``, and shifts of sums of integers may be joined.
    Away from zero is one less for negative numbers; those of ``x`` do: where the first gives 0, so does the second.
    """
    right = np.minimum(made.c - 31, 28)  # the result is 0 from there on
    half = np.where(right > 0, power(right), 0).astype(np.int32) + np.int32(1)
    high = high_word(x << 2, made.b)
    if made.rounding is ShiftRounding.HALF_AWAY and (right > 0).any():
        high = high + ((x >> 31) & np.where(right > 0, -2, 0).astype(np.int32))
    return _moved(high, half, right + 1, made.zero_point)


def _double(x: Array, made: Plan) -> Array:
    left, right = np.maximum(31 - made.c, 0), np.maximum(made.c - 31, 0)
    if made.narrow:
        left = np.minimum(left, NARROW_BITS + 1)  # beyond that only 0 does not saturate
    x = x << left if left.any() else x
    y = half_up(high_word(x, made.b), x * made.b, np.int32(31) + np.zeros_like(made.c))
    return _shifted_again(y, right, made.rounding)


def _shifted_again(y: Array, bits: Constant, rounding: ShiftRounding) -> Array:
    """``y / 2^bits`` for ``0 <= bits <= 31``, with what is below compared, not added to: nothing overflows."""
    if not bits.any():
        return y
    mask = power(bits) - np.int32(1)
    threshold = mask >> 1
    limit = threshold + (y < 0) if rounding is ShiftRounding.HALF_AWAY else threshold
    return (y >> bits) + ((y & mask) > limit).astype(jnp.int32)


def _by_53_bits(x: Array, made: Plan) -> Array:
    """Half to even of the product in binary64, on magnitudes."""
    negative = x < 0
    magnitude = jnp.where(negative, -x, x)
    high, low = to_53_bits(*_unsigned_product(magnitude, made.b))
    y = half_up(high, low, made.c)
    y = y - (is_half(high, low, made.c) & ((y & 1) != 0)).astype(jnp.int32)
    return jnp.where(negative, -y, y)


def _unsigned_product(x: Array, b: Constant) -> tuple[Array, Array]:
    """Both words, for a magnitude of up to ``2^31``, which int32 holds as a negative number."""
    high = high_word(x, b)
    return jnp.where(x < 0, high + b, high), x * b


#: the greatest binary32 number that int32 holds
_BELOW_INT32 = 2.0**31 - 128


#: added to a float below 2^22 in magnitude, leaves in the last bits its nearest integer, half to even
_TO_INTEGER = np.float32(3 << 22)


def _by_floats(x: Array, made: Plan) -> Array:
    """A conversion, a product, and half to even in binary32; then as int32, what is beyond it at its ends."""
    product = x.astype(jnp.float32) * made.factor
    if made.narrow:
        low, high = made.clamp
        near = jnp.clip(product, low - made.zero_point, high - made.zero_point) + _TO_INTEGER
        return lax.bitcast_convert_type(near, jnp.int32) - np.int32(int(_TO_INTEGER.view(np.int32)) - made.zero_point)
    product = lax.round(product, lax.RoundingMethod.TO_NEAREST_EVEN)
    whole = jnp.clip(product, -(2.0**31), _BELOW_INT32).astype(jnp.int32)
    return jnp.where(product >= 2.0**31, (1 << 31) - 1, whole)
