"""The exact sum in a window of digits wide enough for every term: a Kulisch accumulator, by `formats.ExactSum`.

Operands are cut into digits of 21 bits, counted from the least place of their format. Digit times digit is a matrix
product whose partial sums are integers below 2^53, exact in float64 in any order. They are added as int64 in the limb
of their weight, and carries are passed up after each stretch of K.
"""

from __future__ import annotations

from formats import ExactSum, Format, IntSpec, Rounding
from reference.array.carrier import Array, Namespace
from reference.array.dot import special
from reference.array.dot.operand import Operand, unpack
from reference.array.dot.rounded import ieee, round_sum

_DIGIT = 21
_STRETCH = 1 << (53 - 2 * _DIGIT - 1)
_MASK = (1 << _DIGIT) - 1
_HEADROOM = 64  # bits for the growth of sums


def exact(a: Operand, b: Operand, c: Array, rule: ExactSum, pair: tuple[Format, Format], xp: Namespace) -> Array:
    """Codes of ``c + a b`` rounded once; ``a`` (..., M, K), ``b`` (..., K, N) of the formats ``pair``."""
    term, target = unpack(c, rule.output, xp), ieee(rule.output, rule.rounding)
    limbs, bottom = _limbs(a, b, term, pair, rule, xp)
    negative = limbs[-1] < 0
    limbs = _carried([xp.where(negative, -limb, limb) for limb in limbs])
    n, place = _leading(limbs, bottom, xp)
    negative = xp.where(n == 0, _sign_of_zero(a, b, term, rule, xp), negative)
    found = special.meet(special.properties_of_a(a, xp), special.properties_of_b(b, xp), xp).joined(term)
    return found.over(round_sum(negative, n, place, target, xp), target, xp)


def extent(spec: Format) -> tuple[int, int]:
    """The place of the last bit of any value, and one above that of the first."""
    if isinstance(spec, IntSpec):
        return -spec.fraction_bits, spec.bits - spec.fraction_bits
    return spec.emin - spec.fraction_bits, spec.emax + 1


def _limbs(
    a: Operand, b: Operand, c: Operand, pair: tuple[Format, Format], rule: ExactSum, xp: Namespace
) -> tuple[list[Array], int]:
    """The exact sum as limbs in [0, 2^21), the last one signed, and the place of the first."""
    (low_a, high_a), (low_b, high_b), (low_c, high_c) = extent(pair[0]), extent(pair[1]), extent(rule.output)
    below = max(0, -(-(low_a + low_b - low_c) // _DIGIT))  # limbs that only c reaches
    bottom = low_a + low_b - below * _DIGIT
    count = (max(high_a + high_b, high_c) + _HEADROOM - bottom) // _DIGIT
    limbs = [_digit(c, bottom, i, xp) for i in range(count)]
    digits = [range(-(-(high - low) // _DIGIT)) for low, high in (extent(spec) for spec in pair)]
    for start in range(0, a.negative.shape[-1], _STRETCH):
        columns = (..., slice(start, start + _STRETCH))
        left, right = a[columns], b[(*columns, slice(None))]
        rights = [_digit(right, low_b, j, xp).astype(xp.float64) for j in digits[1]]
        for i in digits[0]:
            plane = _digit(left, low_a, i, xp).astype(xp.float64)
            for j in digits[1]:
                limbs[below + i + j] = limbs[below + i + j] + xp.matmul(plane, rights[j]).astype(xp.int64)
        limbs = _carried(limbs)
    return limbs, bottom


def _digit(x: Operand, bottom: int, i: int, xp: Namespace) -> Array:
    """Digit ``i`` of ``|x| / 2^bottom``, with the sign of ``x``."""
    up = x.place - (bottom + i * _DIGIT)
    digit = ((x.significand << xp.clip(up, 0, _DIGIT)) >> xp.clip(-up, 0, 62)) & _MASK
    return xp.where(x.negative, -digit, digit)


def _carried(limbs: list[Array]) -> list[Array]:
    """The same number with every limb but the last in [0, 2^21)."""
    carry, done = limbs[0] & 0, list[Array]()
    for limb in limbs[:-1]:
        limb = limb + carry
        carry = limb >> _DIGIT
        done.append(limb & _MASK)
    return [*done, limbs[-1] + carry]


def _leading(limbs: list[Array], bottom: int, xp: Namespace) -> tuple[Array, Array]:
    """The leading bits of a positive number below 2^60, at least 39 where bits are left out, and their place.

    The last bit also says whether anything below is set.
    """
    n = limbs[-1]
    place = xp.full_like(n, bottom + _DIGIT * (len(limbs) - 1))
    for limb in limbs[-2::-1]:
        room = n < 1 << (60 - _DIGIT)
        n = xp.where(room, (n << _DIGIT) | limb, n | (limb != 0))
        place = place - xp.where(room, _DIGIT, 0)
    return n, place


def _sign_of_zero(a: Operand, b: Operand, c: Operand, rule: ExactSum, xp: Namespace) -> Array:
    """The sign of a sum that is zero: that of its terms if all are zeros of one sign (IEEE 754-2019, 6.3)."""
    plus = _meets((~a.negative, a.negative, ~a.zero), (~b.negative, b.negative, ~b.zero), xp) | ~c.negative | ~c.zero
    if rule.rounding is not Rounding.TOWARD_NEGATIVE:
        return ~plus
    minus = _meets((~a.negative, a.negative, ~a.zero), (b.negative, ~b.negative, ~b.zero), xp) | c.negative | ~c.zero
    return minus


def _meets(a: tuple[Array, ...], b: tuple[Array, ...], xp: Namespace) -> Array:
    """Whether a property of ``a`` meets its partner in ``b`` anywhere along K."""
    return (xp.matmul(xp.stack(a).astype(xp.float32), xp.stack(b).astype(xp.float32)) > 0).any(axis=0)
