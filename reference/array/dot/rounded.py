"""The one rounding of a sum: an integer times a power of two becomes a code."""

from __future__ import annotations

from dataclasses import dataclass

from formats import FloatSpec, Nan, Overflow, Rounding
from reference.array.carrier import Array, Namespace
from reference.array.rounding import round_shift, round_stochastic

_LEADING = 61  #: place of the leading bit before it is rounded: `round_shift` wants numbers below 2^62


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """How sums become codes: format and rounding; ``kept_bits`` of the fraction are kept, zeros stored below.

    ``always_infinite``: what rounds beyond the range is infinite, even where the rounding would stop at the maximum.
    """

    spec: FloatSpec
    rounding: Rounding
    kept_bits: int
    nan_code: int
    always_infinite: bool = False
    random_bit_count: int = 0


def ieee(spec: FloatSpec, rounding: Rounding, random_bit_count: int = 0) -> Target:
    """Overflow under SAT_NONE, the format's own NaN."""
    assert spec.nan_code is not None
    return Target(
        spec=spec,
        rounding=rounding,
        kept_bits=spec.fraction_bits,
        nan_code=spec.nan_code,
        random_bit_count=random_bit_count,
    )


def bit_length(n: Array, xp: Namespace) -> Array:
    """Bits of ``n >= 0`` (int64); 0 for 0.

    Without the bits that follow another, ``n`` cannot round up to the next power of two when it becomes a float64,
    whose exponent field then tells.
    """
    exponent = (n & ~(n >> 1)).astype(xp.float64).view(xp.int64) >> 52
    return xp.maximum(exponent - 1022, 0)


def normalise(n: Array, place: Array, leading: int, xp: Namespace) -> tuple[Array, Array]:
    """``n * 2^place`` with the leading bit of ``n`` at ``2^leading``."""
    left = leading + 1 - bit_length(n, xp)
    return n << left, place - left


def round_sum(
    negative: Array, n: Array, place: Array, target: Target, xp: Namespace, random_bits: Array | None = None
) -> Array:
    """Codes (int64) of ``(-1)^negative * n * 2^place``, ``0 <= n < 2^62``; zeros keep the sign that is given.

    From ``2^emin`` on magnitude codes are consecutive, the fraction carrying into the exponent.
    """
    spec = target.spec
    n, place = normalise(n, place, _LEADING, xp)
    above = xp.maximum(place + _LEADING - spec.emin, 0)  # binades above the first
    cut = spec.emin + above - target.kept_bits - place
    integer = _rounded(n, xp.where(n == 0, 1, cut), negative, target, xp, random_bits)
    magnitude = ((xp.where(n == 0, 0, above) << target.kept_bits) + integer) << (spec.fraction_bits - target.kept_bits)
    return _saturated(negative, magnitude, target, xp)


def _rounded(n: Array, cut: Array, negative: Array, target: Target, xp: Namespace, random_bits: Array | None) -> Array:
    word, shift = n.astype(xp.uint64), cut.astype(xp.uint64)
    if random_bits is None:
        return round_shift(word, shift, target.rounding, xp, negative=negative).astype(xp.int64)
    drawn = {"random_bits": random_bits, "random_bit_count": target.random_bit_count}
    return round_stochastic(word, shift, target.rounding, xp, **drawn).astype(xp.int64)


def _saturated(negative: Array, magnitude: Array, target: Target, xp: Namespace) -> Array:
    """Signed codes; beyond the range as the format says, unless the rounding stays at the maximum."""
    spec = target.spec
    beyond = magnitude > spec.max_code
    code = _signed(negative, xp.where(beyond, spec.max_code, magnitude), spec, xp)
    return xp.where(beyond & _leaves(negative, target), overflow_code(negative, spec, xp), code)


def _leaves(negative: Array, target: Target) -> Array:
    """Where the rounding moves past the maximum."""
    never = negative & False
    match target.rounding:
        case _ if target.always_infinite:
            return ~never
        case Rounding.TOWARD_ZERO:
            return never
        case Rounding.TOWARD_POSITIVE:
            return ~negative
        case Rounding.TOWARD_NEGATIVE:
            return negative
        case Rounding.TO_ODD if target.spec.max_code % 2:
            return never
        case _:
            return ~never


def overflow_code(negative: Array, spec: FloatSpec, xp: Namespace) -> Array:
    """What becomes of infinities and of what leaves the range, under SAT_NONE."""
    match spec.overflow:
        case Overflow.INFINITY:
            return _signed(negative, xp.full_like(negative, spec.max_code + 1, dtype=xp.int64), spec, xp)
        case Overflow.NAN:
            return xp.full_like(negative, spec.nan_code, dtype=xp.int64)
        case Overflow.MAXIMUM:
            return _signed(negative, xp.full_like(negative, spec.max_code, dtype=xp.int64), spec, xp)


def _signed(negative: Array, code: Array, spec: FloatSpec, xp: Namespace) -> Array:
    if spec.nan is Nan.NEGATIVE_ZERO:
        negative = negative & (code != 0)
    return code | xp.where(negative, spec.sign_code, 0)
