"""How the gguf package quantises into blocks of GGUF: the steps, all in binary32, as data."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Anchor(enum.Enum):
    """The number of a block that its scale is made from."""

    EXTREME = "extreme"  #: the element of the largest magnitude, with its sign; of several the first
    MAGNITUDE = "magnitude"  #: the largest magnitude
    RANGE = "range"  #: the largest element less the smallest


class ToInteger(enum.Enum):
    """How a quotient becomes an integer."""

    TRUNCATE = "truncate"  #: toward zero, after the addition of ``added``
    NEAREST_AWAY = "nearest_away"  #: to the nearest, ties away from zero


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledRule:
    """The steps of the types with a float16 scale. Each operation is rounded to binary32, to nearest even::

        d = anchor / divisor            r = 1 / d, or 0 where d = 0
        n = (x - low) * r               low is the smallest element under `Anchor.RANGE`, else nothing is subtracted
        i = min(truncate(n + added), greatest), or n to the nearest integer

    ``i`` is stored as it is (so under an offset binary field it is the integer plus half the range), ``d`` and, if the
    type has a minimum, ``low`` as float16, rounded to nearest even, infinite beyond its range. The elements are
    divided by ``d``, not by what is stored of it.

    >>> GGUF_RULES["Q4_0"].divisor
    -8
    """

    anchor: Anchor
    divisor: int
    to_integer: ToInteger
    added: float = 0.0
    greatest: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastErrorRule:
    """The steps of MXFP4, with ``a`` the largest magnitude. Each operation is rounded to binary32, to nearest even.

    The scale code is ``floor(log2(a)) + added``, or 0 where ``a = 0``; rounding the logarithm carries the largest
    numbers below a power of two over it. An element gets the first code ``c`` of those for which ``|s * v_c - x|`` is
    least, with ``s`` the scale and ``v_c`` the value of the code.

    >>> GGUF_RULES["MXFP4"].added
    125
    """

    added: int
    source: str


_SOURCE = "gguf 0.19.0 quants.py, {}.quantize_blocks"


def _scaled(name: str, anchor: Anchor, divisor: int, added: float, greatest: int) -> ScaledRule:
    rounding = ToInteger.TRUNCATE if added else ToInteger.NEAREST_AWAY
    return ScaledRule(
        anchor=anchor, divisor=divisor, to_integer=rounding, added=added, greatest=greatest, source=_SOURCE.format(name)
    )


#: how each type that the package quantises to is quantised to
GGUF_RULES: dict[str, ScaledRule | LeastErrorRule] = {
    "Q4_0": _scaled("Q4_0", Anchor.EXTREME, -8, 8.5, 15),
    "Q4_1": _scaled("Q4_1", Anchor.RANGE, 15, 0.5, 15),
    "Q5_0": _scaled("Q5_0", Anchor.EXTREME, -16, 16.5, 31),
    "Q5_1": _scaled("Q5_1", Anchor.RANGE, 31, 0.5, 31),
    "Q8_0": _scaled("Q8_0", Anchor.MAGNITUDE, 127, 0, 127),
    "MXFP4": LeastErrorRule(added=125, source=_SOURCE.format("MXFP4")),
}


def gguf_rule(name: str) -> ScaledRule | LeastErrorRule:
    """The rule of the type called ``name``. Raises ``KeyError`` listing the types that have one.

    >>> gguf_rule("Q8_0").to_integer
    <ToInteger.NEAREST_AWAY: 'nearest_away'>
    """
    try:
        return GGUF_RULES[name]
    except KeyError:
        raise KeyError(f"no rule quantises to {name!r}; types with a rule: {', '.join(GGUF_RULES)}") from None
