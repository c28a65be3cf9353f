"""The rounding modes on integers: every mode is ``(significand + increment) >> shift``."""

from __future__ import annotations

from formats import Rounding
from reference.array.carrier import Array, Namespace


def round_shift(
    significand: Array,
    shift: Array,
    rounding: Rounding,
    xp: Namespace,
    *,
    negative: Array,
    parity: int = 0,
    random_bits: Array | None = None,
    random_bit_count: int = 0,
) -> Array:
    """``significand / 2^shift`` rounded to an integer, element by element.

    ``parity`` is 1 where the code of an even integer is odd. Shifts lie in [1, word - 2] for deterministic modes.
    A stochastic mode adds its random bits at the place of the tick: with ``R = r << (shift - n)``,
    ``floor(nu * 2^n) + r >= 2^n`` if and only if ``rest + R >= 2^shift``; B is A with ``n + 1`` bits and
    ``2r + 1``; C first rounds the significand to whole ticks, ties to even.
    """
    word = significand.dtype.type
    one = word(1)
    match rounding:
        case Rounding.NEAREST_TIES_TO_EVEN:
            odd = ((significand >> shift) + word(parity)) & one
            return (significand + ((one << (shift - one)) - one) + odd) >> shift
        case Rounding.NEAREST_TIES_TO_AWAY:
            return (significand + (one << (shift - one))) >> shift
        case Rounding.TOWARD_ZERO:
            return significand >> shift
        case Rounding.TOWARD_POSITIVE | Rounding.TOWARD_NEGATIVE:
            ceiling = (one << shift) - one
            away = negative if rounding is Rounding.TOWARD_NEGATIVE else ~negative
            return (significand + xp.where(away, ceiling, word(0))) >> shift
        case Rounding.TO_ODD:
            even = ((significand >> shift) + word(1 - parity)) & one
            return (significand + ((even << shift) - even)) >> shift
        case _:
            assert random_bits is not None
            return _stochastic(
                significand, shift, rounding, xp, random_bits.astype(significand.dtype), random_bit_count
            )


def _stochastic(significand: Array, shift: Array, rounding: Rounding, xp: Namespace, r: Array, n: int) -> Array:
    word = significand.dtype.type
    one, zero = word(1), word(0)
    top = word(significand.dtype.itemsize * 8 - 2)
    if rounding is Rounding.STOCHASTIC_B:
        r, n = (r << one) + one, n + 1
    beyond = xp.maximum(shift, top) - top  # places above the word: far below one tick
    if rounding is Rounding.STOCHASTIC_C:
        tick = xp.minimum(xp.maximum(shift, word(n)) - word(n), top)
        half = (one << tick) >> one
        odd = (significand >> tick) & one
        below = xp.where(tick == zero, zero, half - one + odd)
        significand = ((significand + below) >> tick) << tick
    significand = significand >> xp.minimum(beyond, top)
    shift = xp.minimum(shift, top)
    left = xp.maximum(shift, word(n)) - word(n)
    right = word(n) - xp.minimum(shift, word(n))
    return (significand + ((r << left) >> right)) >> shift
