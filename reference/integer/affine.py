"""Numbers to integers at a network's entry, and integers to numbers at its exit."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.integer.network import Affine
from reference.integer.ranges import integer_dtype

Integers = NDArray[np.integer[Any]]
Numbers = NDArray[np.float64]

_ACCEPTED = ("float16", "float32", "float64", "int8", "int16", "int32", "uint8", "uint16", "uint32")


def quantise_input(x: ArrayLike, affine: Affine) -> Integers:
    """``saturate(round(x / S) + z)``: the exact quotient rounded once, half to even, then the zero point added.

    ``x``: finite numbers, taken exactly; floats, or integers of up to 32 bits. Returns integers in the format's type.
    Source: ONNX QuantizeLinear, which adds its zero point after rounding too; it divides in binary32, this exactly.

    Raises ``TypeError`` for another type, ``ValueError`` for a number that is not finite.

    >>> import formats
    >>> quantise_input([0.5, 1.5, 2.5, -0.5, 300.0], Affine(format=formats.get("int8"), scale=1.0, zero_point=1))
    array([  1,   3,   3,   1, 127], dtype=int8)
    """
    array = np.asarray(x)
    if not isinstance(x, np.ndarray) and array.dtype.kind in "iuf":
        array = array.astype(np.float64)
    if array.dtype.name not in _ACCEPTED:
        raise TypeError(f"x has dtype {array.dtype}; accepted: {', '.join(_ACCEPTED)}")
    numbers = np.atleast_1d(array).astype(np.float64)
    if not np.isfinite(numbers).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(numbers))[0])
        raise ValueError(f"x is {numbers[place]} at {list(place)}; finite numbers are accepted")
    low, high = affine.format.minimum - affine.zero_point, affine.format.maximum - affine.zero_point
    rounded = np.clip(_rounded_quotient(numbers, affine.scale, low, high), low, high)
    return (rounded.astype(np.int64) + affine.zero_point).astype(integer_dtype(affine.format)).reshape(array.shape)


def _rounded_quotient(x: Numbers, scale: float, low: int, high: int) -> Numbers:
    """``x / scale`` to the nearest integer, where that lies in ``low..high``.

    Division is monotone and every tie is a binary64 number, so only a quotient that was rounded to a tie may be off
    it: these are decided in rationals, each different number once.
    """
    with np.errstate(over="ignore", under="ignore"):
        quotient = np.clip(x / scale, low - 1, high + 1)
    rounded: Numbers = np.rint(quotient)
    at = np.nonzero(np.abs(quotient - np.trunc(quotient)) == 0.5)
    numbers, back = np.unique(x[at], return_inverse=True)
    decided = [round(Fraction(number) / Fraction(scale)) for number in numbers.tolist()]
    rounded[at] = np.array(decided, np.float64)[back]
    return rounded


def dequantise(q: ArrayLike, affine: Affine) -> Numbers:
    """The numbers ``S * (q - z)`` of integers, in binary64: exact but for one rounding of the product.

    Raises ``TypeError`` where ``q`` holds no integers, ``ValueError`` for an integer that the format lacks.

    >>> import formats
    >>> dequantise([-3, 7], Affine(format=formats.get("int8"), scale=0.5, zero_point=-3))
    array([0., 5.])
    """
    difference = check_integers(q, affine, "q").astype(np.int64) - affine.zero_point
    return difference.astype(np.float64) * np.float64(affine.scale)


def check_integers(x: ArrayLike, affine: Affine, name: str) -> Integers:
    """``x`` as an array of integers of the format: ``TypeError`` or ``ValueError`` with the first that is none."""
    array = np.asarray(x)
    spec = affine.format
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {array.dtype}; integers of {spec.name} are accepted")
    if array.size and not spec.minimum <= int(array.min()) <= int(array.max()) <= spec.maximum:
        place = tuple(int(i) for i in np.argwhere((array < spec.minimum) | (array > spec.maximum))[0])
        raise ValueError(f"{name} is {array[place]} at {list(place)}; {spec.name} has {spec.minimum} to {spec.maximum}")
    return array
