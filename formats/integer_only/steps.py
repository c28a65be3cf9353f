"""The steps of a requantiser, as data: shifts, a product, roundings, and the width that each result must fit."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class ShiftRounding(enum.Enum):
    """How ``x / 2^n`` becomes an integer.

    =========  ==========================================================================
    HALF_UP    ``floor(x / 2^n + 1/2)``: ties toward plus infinity
    HALF_AWAY  the nearest integer, ties away from zero
    HALF_EVEN  the nearest integer, ties to the even one
    FLOOR      ``floor(x / 2^n)``: an arithmetic shift and nothing else
    =========  ==========================================================================
    """

    HALF_UP = "half_up"
    HALF_AWAY = "half_away"
    HALF_EVEN = "half_even"
    FLOOR = "floor"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOffset:
    """The zero point, in units of the accumulator, is added: ``round(z / ratio)``."""

    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Significant:
    """Rounded to so many significant bits, half to even, as a conversion to or a product in a binary float is."""

    bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftLeft:
    """Times ``2^max(n - c, 0)``, for a multiplier ``b / 2^c`` of ``n`` bits."""

    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiply:
    """Times the multiplier's ``b``; the width is None where the product is a float's."""

    width: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftRight:
    """Divided by ``2^bits``, by what is left of ``c`` where ``bits`` is None, and rounded.

    ``sum_width``: the width in which the half is added to the dividend, where it is added to it. ``width``: that of
    the result; None where it is clamped before it gets a width.
    """

    bits: int | None
    rounding: ShiftRounding
    sum_width: int | None = None
    width: int | None


Step = AddOffset | Significant | ShiftLeft | Multiply | ShiftRight
