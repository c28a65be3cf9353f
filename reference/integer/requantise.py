"""Requantisation by the rules of published systems, on NumPy arrays: accumulators to integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats import Format
from formats.integer_only.requantiser import Requantiser
from formats.integer_only.requantisers import requantiser
from formats.integer_only.steps import AddOffset, Multiply, ShiftLeft, ShiftRight, ShiftRounding, Significant, Step
from formats.integer_only.widths import accumulators, intermediates, terms
from reference.integer.ranges import clamped_range, integer_dtype, plain_integers

Integers = NDArray[np.integer[Any]]
Wide = NDArray[np.int64]

#: what an accumulator may be, for a rule of 32 bits
NARROW = ("int8", "int16", "int32", "uint8", "uint16")


def requantise(
    x: ArrayLike,
    ratio: float | Sequence[float],
    *,
    rule: str | Requantiser,
    fmt: str | Format,
    zero_point: int = 0,
    clamp: tuple[int, int] | None = None,
) -> Integers:
    """``clamp(rule(x) + zero_point)`` for accumulators ``x``, by the steps of `formats.integer_only.Requantiser`.

    Arguments:
        x: int32, or what int32 holds, any shape; int64 too for a rule whose accumulators have 48 bits.
        ratio: what ``x`` is multiplied by: one number, or one for each channel of the last axis.
        rule: a name of `formats.integer_only.requantisers`, or a record.
        fmt: a plain integer format; the result has its integers, in the narrowest type of 8, 16 or 32 bits.
        clamp: the least and greatest integer of the result; those of the format where None.

    Raises ``OverflowError`` where an accumulator makes a step leave its width, ``KeyError`` (unknown rule or format),
    ``TypeError`` (type of ``x``, a format that is no plain integer), ``ValueError`` (ratio, number of channels, zero
    point, clamp).

    >>> requantise([-138, -1, 1, 138], 0.25, rule="tflite_double_rounding", fmt="int8")
    array([-35,   0,   1,  35], dtype=int8)
    >>> requantise([1 << 30], 2.0, rule="tflite_double_rounding", fmt="int8")
    Traceback (most recent call last):
    OverflowError: x=1073741824 at [0]: left shift in tflite_double_rounding needs 34 bits; it has 32
    """
    record, spec = requantiser(rule), plain_integers(fmt)
    low, high = clamped_range(spec, zero_point, clamp)
    array = as_accumulators(x, record)
    ratios = channel_ratios(ratio, array.shape)
    check_widths(array, record, ratios, zero_point)
    return _requantise(array, record, ratios, zero_point, low, high).astype(integer_dtype(spec))


def as_accumulators(x: ArrayLike, rule: Requantiser) -> Integers:
    """``x`` as an array of a type that the rule takes; a list of Python integers is taken as int32 or int64."""
    array = np.asarray(x)
    accepted = (*NARROW, "int64", "uint32") if rule.accumulator_bits > 32 else NARROW
    if array.dtype.name not in accepted and not isinstance(x, np.ndarray | np.generic):
        array = _listed(array)
    if array.dtype.name not in accepted:
        raise TypeError(f"x has dtype {array.dtype.name}; {rule.name} accepts: {', '.join(accepted)}")
    return array


def _listed(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind != "i" or (array.size and not -(1 << 31) <= array.min() <= array.max() < 1 << 31):
        return array
    return array.astype(np.int32)


def channel_ratios(ratio: float | Sequence[float], shape: tuple[int, ...]) -> tuple[float, ...]:
    """One ratio, or one for each channel of the last axis."""
    ratios = tuple(float(r) for r in np.ravel(np.asarray(ratio, np.float64)))
    if np.ndim(ratio) > 1 or (np.ndim(ratio) == 1 and shape[-1:] != (len(ratios),)):
        raise ValueError(
            f"ratios of shape {np.shape(ratio)} for x of shape {shape}; "
            "give one, or one for each channel of the last axis"
        )
    return ratios


def check_widths(x: Integers, rule: Requantiser, ratios: tuple[float, ...], zero_point: int) -> None:
    """``OverflowError`` naming the first accumulator that makes a step leave its width, and the step."""
    bounds = np.array([accumulators(rule, ratio, zero_point) for ratio in ratios], np.int64)
    if not x.size:
        return
    low, high = bounds[:, 0], bounds[:, 1]
    if low.max() <= int(x.min()) and int(x.max()) <= high.min():
        return
    outside = np.broadcast_to((x < low) | (x > high), np.broadcast_shapes(x.shape, low.shape)).reshape(x.shape)
    if not outside.any():
        return
    place = tuple(int(i) for i in np.argwhere(outside)[0])
    number = int(x[place])
    ratio = ratios[place[-1] if len(ratios) > 1 else 0]
    failed = next((f for f in intermediates(rule, ratio, number, zero_point=zero_point) if not f.fits), None)
    where = f"x={number} at {list(place)}"
    if failed is None:
        raise OverflowError(f"{where}: {rule.name} takes accumulators of {rule.accumulator_bits} bits")
    raise OverflowError(f"{where}: {failed.what} in {rule.name} needs {failed.bits} bits; it has {failed.width}")


def _requantise(
    x: Integers, rule: Requantiser, ratios: tuple[float, ...], zero_point: int, low: int, high: int
) -> Wide:
    multipliers = [rule.multiplier(ratio) for ratio in ratios]
    if rule.is_float:
        return _by_floats(x, np.array(multipliers, np.float32), zero_point, low, high)
    pairs = [terms(multiplier) for multiplier in multipliers]
    b = np.array([pair[0] for pair in pairs], np.int64)
    offset = np.array([rule.offset(*pair, zero_point) for pair in pairs], np.int64)
    amounts = np.array([rule.amounts(pair[1]) for pair in pairs], np.int64).T
    wide = x.astype(np.int64)
    for step, amount in zip(rule.steps, amounts, strict=True):
        wide = _apply(step, wide, b, amount, offset)
    return np.clip(wide + (0 if rule.adds_offset else zero_point), low, high).reshape(x.shape)


def _by_floats(x: Integers, multiplier: NDArray[np.float32], zero_point: int, low: int, high: int) -> Wide:
    """int32 to binary32, a product there, half to even: what the processor's conversion and product are."""
    rounded = np.rint(x.astype(np.float32) * multiplier).astype(np.float64)
    return (np.clip(rounded, low - zero_point, high - zero_point).astype(np.int64) + zero_point).reshape(x.shape)


def _apply(step: Step, x: Wide, b: Wide, amount: Wide, offset: Wide) -> Wide:
    match step:
        case AddOffset():
            return x + offset
        case Significant():
            return x.astype(np.float64).astype(np.int64)  # only binary64 is among the steps of integer rules
        case ShiftLeft():
            return x << amount
        case Multiply():
            return x * b
        case ShiftRight():
            return _shift_right(x, amount, step.rounding)


def _shift_right(x: Wide, amount: Wide, rounding: ShiftRounding) -> Wide:
    half = np.where(amount > 0, np.int64(1) << np.maximum(amount - 1, 0), 0)
    match rounding:
        case ShiftRounding.FLOOR:
            return x >> amount
        case ShiftRounding.HALF_UP:
            return (x + half) >> amount
        case ShiftRounding.HALF_AWAY:
            return (x + half - ((x < 0) & (amount > 0))) >> amount
        case ShiftRounding.HALF_EVEN:
            up = (x + half) >> amount
            tie = (x & ((np.int64(1) << amount) - 1)) == half
            return up - (tie & (amount > 0) & (up & 1 == 1))
