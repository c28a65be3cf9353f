"""The rounding modes on exact numbers."""

from __future__ import annotations

from fractions import Fraction

from formats import Rounding

_HALF = Fraction(1, 2)


def round_to_integer(
    scaled: Fraction,
    rounding: Rounding,
    *,
    negative: bool,
    code_offset: int = 0,
    random_bits: int = 0,
    random_bit_count: int = 0,
) -> int:
    """``scaled >= 0``, a magnitude in units of its quantum, rounded to one of its two neighbouring integers.

    ``negative`` is the sign of the number whose magnitude this is; integer ``i`` has the code ``i + code_offset``,
    whose parity decides ties. For the modes see `formats.Rounding`, whose table this transcribes.

    >>> round_to_integer(Fraction(5, 2), Rounding.NEAREST_TIES_TO_EVEN, negative=False)
    2
    """
    down = scaled.numerator // scaled.denominator
    rest = scaled - down
    if rest == 0:
        return down
    odd = (down + code_offset) % 2 == 1
    r, n = random_bits, random_bit_count
    match rounding:
        case Rounding.NEAREST_TIES_TO_EVEN:
            up = rest > _HALF or (rest == _HALF and odd)
        case Rounding.NEAREST_TIES_TO_AWAY:
            up = rest >= _HALF
        case Rounding.TOWARD_ZERO:
            up = False
        case Rounding.TOWARD_POSITIVE:
            up = not negative
        case Rounding.TOWARD_NEGATIVE:
            up = negative
        case Rounding.TO_ODD:
            up = not odd
        case Rounding.STOCHASTIC_A:
            up = _floor(rest * 2**n) + r >= 2**n
        case Rounding.STOCHASTIC_B:
            up = _floor(rest * 2 ** (n + 1)) + 2 * r + 1 >= 2 ** (n + 1)
        case Rounding.STOCHASTIC_C:
            up = _half_even(rest * 2**n) + r >= 2**n
    return down + up


def _floor(x: Fraction) -> int:
    return x.numerator // x.denominator


def _half_even(x: Fraction) -> int:
    floor = _floor(x)
    rest = x - floor
    return floor + (rest > _HALF or (rest == _HALF and floor % 2 == 1))
