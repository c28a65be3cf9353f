"""Ratios rounded to binary32, in integers."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fractions import Fraction


def to_binary32(numerator: int, denominator: int) -> tuple[int, int]:
    """The ratio rounded once to the nearest binary32 number, ties to even; its denominator is a power of two.

    Subnormal results are kept. Raises ``OverflowError`` where the result would be infinite and ``ValueError`` for a
    denominator below 1. Source: IEEE 754-2019, section 4.3.1.

    >>> to_binary32(1, 10)
    (13421773, 134217728)
    """
    if denominator < 1:
        raise ValueError(f"denominator={denominator} must be positive")
    a = abs(numerator)
    exponent = a.bit_length() - denominator.bit_length()
    if a << max(0, -exponent) < denominator << max(0, exponent):
        exponent -= 1  # now 2^exponent <= a / denominator < 2^(exponent + 1)
    quantum = max(exponent, -126) - 23
    top, bottom = a << max(0, -quantum), denominator << max(0, quantum)
    integer, rest = divmod(top, bottom)
    integer += 2 * rest > bottom or (2 * rest == bottom and integer % 2 == 1)
    if integer << max(0, quantum) >= 1 << 128:
        raise OverflowError(f"{numerator}/{denominator} lies beyond binary32")
    if numerator < 0:
        integer = -integer
    return integer << max(0, quantum), 1 << max(0, -quantum)


def single(number: float | Fraction) -> float:
    """The nearest binary32 number, half to even.

    ``ValueError`` where it is infinite, or so near to 0 that precision is lost.

    >>> single(0.1)
    0.10000000149011612
    """
    try:
        top, bottom = to_binary32(*number.as_integer_ratio())
    except (OverflowError, ValueError):  # infinite, or NaN
        top, bottom = 0, 1
    if not abs(top) << 126 >= bottom:
        raise ValueError(f"{float(number)} is no normal number in binary32")
    return top / bottom
