"""The integers of a plain integer format: their type, and the range that a result is clamped to."""

from __future__ import annotations

from typing import Any

import numpy as np

from formats import Format, IntSpec, get


def plain_integers(fmt: str | Format) -> IntSpec:
    """The record of a plain integer format; ``TypeError`` for a format of another kind.

    >>> plain_integers("uint4").maximum
    15
    """
    spec = get(fmt)
    if not isinstance(spec, IntSpec):
        raise TypeError(f"fmt={spec.name!r} is a float format; requantisation is into integer formats")
    if spec.fraction_bits or not spec.has_zero:
        raise TypeError(f"fmt={spec.name!r} is scaled or lacks zero; requantisation is into plain integers")
    return spec


def integer_dtype(fmt: IntSpec) -> np.dtype[np.integer[Any]]:
    """The type that holds a format's integers: the narrowest of 8, 16 or 32 bits.

    >>> integer_dtype(plain_integers("uint4"))
    dtype('uint8')
    """
    width = next(width for width in (8, 16, 32) if fmt.bits <= width)
    return np.dtype(f"{'int' if fmt.signed else 'uint'}{width}")


def clamped_range(fmt: IntSpec, zero_point: int, clamp: tuple[int, int] | None) -> tuple[int, int]:
    """The least and greatest integer of a result; ``ValueError`` for a zero point or a clamp out of the format.

    >>> clamped_range(plain_integers("int8"), 3, (3, 127))
    (3, 127)
    """
    if not fmt.minimum <= zero_point <= fmt.maximum:
        raise ValueError(f"zero_point={zero_point} is no integer of {fmt.name}, {fmt.minimum} to {fmt.maximum}")
    low, high = (fmt.minimum, fmt.maximum) if clamp is None else clamp
    if not fmt.minimum <= low <= high <= fmt.maximum:
        raise ValueError(f"clamp={clamp} must be low <= high within {fmt.name}, {fmt.minimum} to {fmt.maximum}")
    return low, high
