"""The rounding modes on integers."""

from __future__ import annotations

from formats import Rounding
from reference.array.carrier import Array, Namespace


def jam(significand: Array, shift: Array, xp: Namespace) -> Array:
    """``significand >> shift`` folded to odd: the last bit also says whether anything but zeros was shifted out.

    Rounding ``significand / 2^(shift + 2)`` in any deterministic mode needs no more than this: the last two bits
    are the guard bit and the sticky bit. Shifts beyond the word count as its width less one.
    """
    word = significand.dtype.type
    shift = xp.minimum(shift, word(8 * significand.dtype.itemsize - 1))
    kept = significand >> shift
    return kept | ((kept << shift) != significand).astype(significand.dtype)


def round_jammed(jammed: Array, rounding: Rounding, xp: Namespace, *, negative: Array, parity: int = 0) -> Array:
    """A jammed significand (guard and sticky bits last) rounded to an integer.

    ``parity`` is 1 where the code of an even integer is odd. Every mode is an increment below the cut.
    """
    match rounding:
        case Rounding.NEAREST_TIES_TO_EVEN:
            return (jammed + 1 + (((jammed >> 2) + parity) & 1)) >> 2
        case Rounding.NEAREST_TIES_TO_AWAY:
            return (jammed + 2) >> 2
        case Rounding.TOWARD_ZERO:
            return jammed >> 2
        case Rounding.TOWARD_POSITIVE:
            return (jammed + xp.where(negative, jammed.dtype.type(0), jammed.dtype.type(3))) >> 2
        case Rounding.TOWARD_NEGATIVE:
            return (jammed + xp.where(negative, jammed.dtype.type(3), jammed.dtype.type(0))) >> 2
        case Rounding.TO_ODD:
            even = ((jammed >> 2) + (1 - parity)) & 1
            return (jammed + 3 * even) >> 2
        case _:
            raise AssertionError(f"{rounding} is stochastic")


def round_stochastic(
    significand: Array, shift: Array, rounding: Rounding, xp: Namespace, *, random_bits: Array, random_bit_count: int
) -> Array:
    """``significand / 2^shift`` rounded to an integer with ``n = random_bit_count`` random bits ``r``.

    The bits are added at the place of the tick: with ``R = r * 2^(shift - n)``, ``floor(nu * 2^n) + r >= 2^n`` if
    and only if ``rest + R >= 2^shift``. B is A with ``n + 1`` bits and ``2r + 1``; C first rounds the significand
    to whole ticks, ties to even. Shifts lie in [1, 2^20]; the significand leaves two bits of the word free.
    """
    word = significand.dtype.type
    one, zero = word(1), word(0)
    r, n = random_bits.astype(significand.dtype), random_bit_count
    top = word(8 * significand.dtype.itemsize - 2)
    if rounding is Rounding.STOCHASTIC_B:
        r, n = (r << one) + one, n + 1
    if rounding is Rounding.STOCHASTIC_C:
        tick = xp.minimum(xp.maximum(shift, word(n)) - word(n), top)
        half = (one << tick) >> one
        odd = (significand >> tick) & one
        significand = ((significand + xp.where(tick == zero, zero, half - one + odd)) >> tick) << tick
    significand = significand >> xp.minimum(xp.maximum(shift, top) - top, top)  # what is dropped lies below a tick
    shift = xp.minimum(shift, top)
    left = xp.maximum(shift, word(n)) - word(n)
    right = word(n) - xp.minimum(shift, word(n))
    return (significand + ((r << left) >> right)) >> shift
