"""Requantisation on NumPy arrays: integer accumulators to narrow integers, by dyadic numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats import Dyadic, Format, Rounding, Saturation
from reference.array import requantise as array_requantise
from reference.array.requantise import ACCUMULATOR_DTYPES, requantisation
from reference.codec import Codes

Words = NDArray[np.uint32]


def requantise(
    x: ArrayLike,
    dyadic: Dyadic | Sequence[Dyadic],
    fmt: str | Format,
    *,
    rounding: Rounding | str,
    saturation: Saturation | str,
) -> Codes:
    """Codes of ``y = saturate(round(x * b / 2^c))``: one rounding of the exact product, no zero point.

    For the definitions see `formats.Rounding` and `formats.Saturation`; nothing has a default. HAWQ-V3's published
    model rounds half to even, TVM's TONEAREST half away from zero (arXiv 2011.10680 and its official code).

    Arguments:
        x: an array of int8, int16, int32, uint8 or uint16, any shape.
        dyadic: ``b / 2^c``, or one for each channel along the last axis.
        fmt: an integer format (unscaled, with a zero) or its name.
        rounding: any deterministic mode.

    Returns uint8 codes, uint16 or uint32 for formats above 8 or 16 bits, in the shape of ``x``: ``y mod 2^bits``,
    as `encode` gives.

    Raises ``KeyError`` (unknown format), ``TypeError`` (dtype of ``x``, no dyadic number, a float format, missing
    policy) or ``ValueError`` (unknown or stochastic rounding, saturation, number of channels).

    >>> x = np.array([-6, -5, 5, 300], np.int32)
    >>> half = Dyadic(multiplier=1, shift=1)
    >>> requantise(x, half, "int8", rounding="nearest_ties_to_away", saturation="sat_finite").view(np.int8)
    array([ -3,  -3,   3, 127], dtype=int8)
    """
    request = requantisation(fmt, rounding=rounding, saturation=saturation)
    array = np.asarray(x)
    check_accumulator(array.dtype)
    multiplier, shift = multipliers(dyadic, array.shape)
    codes = array_requantise.requantise(np.atleast_1d(array), multiplier, shift, request, np)
    return codes.reshape(array.shape)


def check_accumulator(dtype: np.dtype[Any]) -> None:
    """``TypeError`` for a dtype that int32 does not hold."""
    if dtype.name not in ACCUMULATOR_DTYPES:
        accepted = ", ".join(ACCUMULATOR_DTYPES)
        raise TypeError(f"x has dtype {dtype.name}; accepted: {accepted}; convert it where int32 holds every element")


def multipliers(dyadic: Dyadic | Sequence[Dyadic], shape: tuple[int, ...]) -> tuple[Words, Words]:
    """Multipliers and shifts as uint32 arrays that broadcast to ``shape``: without axes, or one of channels."""
    if isinstance(dyadic, Dyadic):
        return np.array(dyadic.multiplier, np.uint32), np.array(dyadic.shift, np.uint32)
    channels = list(dyadic)
    for number in channels:
        if not isinstance(number, Dyadic):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"dyadic must hold formats.Dyadic numbers, not {type(number).__name__}")
    if shape[-1:] != (len(channels),):
        raise ValueError(
            f"{len(channels)} dyadic numbers for x of shape {shape}; give one, or one for each channel of the last axis"
        )
    b, c = [number.multiplier for number in channels], [number.shift for number in channels]
    return np.array(b, np.uint32), np.array(c, np.uint32)
