"""The rounding modes on unsigned integers: ``significand / 2^shift`` to an integer.

Every mode adds an increment below the cut and drops what is below it. ``1 <= shift``; beyond the word's width less
one it counts as that, where everything rounds as if nearer: callers' significands leave the word's top bits free.
"""

from __future__ import annotations

from formats import Rounding
from reference.array.carrier import Array, Namespace


def round_shift(
    significand: Array, shift: Array, rounding: Rounding, xp: Namespace, *, negative: Array, parity: int = 0
) -> Array:
    """``significand / 2^shift`` rounded in a deterministic mode.

    ``negative`` is the sign of the number whose magnitude this is; ``parity`` is 1 where an even integer has an odd
    code. Where ``shift >= width``, ``significand < 2^(width - 2)``; all sums fit the word.
    """
    word, width = significand.dtype.type, 8 * significand.dtype.itemsize
    shift = xp.minimum(shift, word(width - 1))
    if rounding is Rounding.TOWARD_ZERO:
        return significand >> shift
    below_one = word((1 << width) - 1) >> (word(width) - shift)
    match rounding:
        case Rounding.NEAREST_TIES_TO_EVEN:
            increment = (below_one >> word(1)) + _odd(significand >> shift, parity)
        case Rounding.NEAREST_TIES_TO_AWAY:
            increment = (below_one >> word(1)) + word(1)
        case Rounding.TOWARD_POSITIVE:
            increment = xp.where(negative, word(0), below_one)
        case Rounding.TOWARD_NEGATIVE:
            increment = xp.where(negative, below_one, word(0))
        case Rounding.TO_ODD:
            increment = xp.where(_odd(significand >> shift, parity) == word(0), below_one, word(0))
        case _:
            raise AssertionError(f"{rounding} is stochastic")
    return (significand + increment) >> shift


def _odd(integer: Array, parity: int) -> Array:
    """The last bit of the integer's code."""
    one = integer.dtype.type(1)
    return ((integer + one) if parity else integer) & one


def round_stochastic(
    significand: Array, shift: Array, rounding: Rounding, xp: Namespace, *, random_bits: Array, random_bit_count: int
) -> Array:
    """``significand / 2^shift`` rounded with ``n = random_bit_count`` random bits ``r``.

    The bits are added at the place of the tick: with ``R = r * 2^(shift - n)``, ``floor(nu * 2^n) + r >= 2^n`` if
    and only if ``rest + R >= 2^shift``. B is A with ``n + 1`` bits and ``2r + 1``; C first rounds the significand
    to whole ticks, ties to even. The significand leaves the word's top bit free.
    """
    word = significand.dtype.type
    r, n = random_bits.astype(significand.dtype), random_bit_count
    top = word(8 * significand.dtype.itemsize - 2)
    if rounding is Rounding.STOCHASTIC_B:
        r, n = (r << word(1)) + word(1), n + 1
    if rounding is Rounding.STOCHASTIC_C:
        significand = _to_ticks(significand, xp.minimum(xp.maximum(shift, word(n)) - word(n), top), xp)
    beyond = xp.maximum(shift, top) - top  # so far, what is dropped at once lies below a tick
    significand, shift = significand >> xp.minimum(beyond, top), shift - beyond
    return (significand + ((r << (top - word(n))) >> (top - shift))) >> shift


def _to_ticks(significand: Array, tick: Array, xp: Namespace) -> Array:
    """``significand`` rounded to a multiple of ``2^tick``, ties to even."""
    one = significand.dtype.type(1)
    below_half = ((one << tick) - one) >> one
    odd = (significand >> tick) & xp.minimum(tick, one)  # nothing is added where ticks are finer than the significand
    return ((significand + below_half + odd) >> tick) << tick
