"""Residual addition by the rules of published systems, on NumPy arrays of integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.integer_only.additions import AdditionForm, AdditionRule, addition_rule
from formats.results import INT32
from reference.integer.network import Affine
from reference.integer.ranges import clamped_range, integer_dtype
from reference.integer.requantise import requantise

Integers = NDArray[np.integer[Any]]
Wide = NDArray[np.int64]


def add(
    a: ArrayLike,
    a_affine: Affine,
    b: ArrayLike,
    b_affine: Affine,
    out_affine: Affine,
    *,
    rule: str | AdditionRule,
    clamp: tuple[int, int] | None = None,
) -> Integers:
    """The integers of ``a + b`` in the quantisation ``out_affine``: see `formats.integer_only.AdditionForm`.

    ``a`` and ``b`` hold integers of their formats and broadcast to one shape. The result is clamped to the format of
    the output, or to ``clamp``. ``OverflowError`` where a step or a sum leaves its width; ``TypeError`` for arrays
    that are not of integers; ``ValueError`` for integers that their formats lack, or a clamp out of the output's.

    >>> import formats
    >>> half, one = (Affine(format=formats.get("int8"), scale=scale) for scale in (0.5, 1.0))
    >>> add([3, -7, 120], half, [1, 1, 100], one, one, rule="tflite")
    array([  3,  -3, 127], dtype=int8)
    """
    record = addition_rule(rule)
    low, high = clamped_range(out_affine.format, out_affine.zero_point, clamp)
    first, second = (centred(x, affine, name) for x, affine, name in ((a, a_affine, "a"), (b, b_affine, "b")))
    scales = a_affine.scale, b_affine.scale, out_affine.scale
    if record.form is AdditionForm.BINARY32:
        total = _in_floats(first, second, record.scales(*scales))
    else:
        bits = max(a_affine.format.bits, b_affine.format.bits)
        total = _in_integers(first, second, record, record.ratios(*scales, bits=bits), record.shift(bits))
    return np.clip(total + out_affine.zero_point, low, high).astype(integer_dtype(out_affine.format))


def centred(x: ArrayLike, affine: Affine, name: str) -> Wide:
    """``x - z`` in int64, checked to be integers of the format, and the difference one of int32."""
    array = np.asarray(x)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {array.dtype}; integers of {affine.format.name} are accepted")
    spec = affine.format
    if array.size and not spec.minimum <= int(array.min()) <= int(array.max()) <= spec.maximum:
        raise ValueError(
            f"{name} has integers from {array.min()} to {array.max()}; {spec.name} has {spec.minimum} to {spec.maximum}"
        )
    return check_int32(array.astype(np.int64) - affine.zero_point, f"{name} less its zero point")


def check_int32(x: Wide, what: str) -> Wide:
    """``x``; ``OverflowError`` with the first number that int32 does not hold."""
    outside = (x < INT32.minimum) | (x > INT32.maximum)
    if outside.any():
        place = tuple(int(i) for i in np.argwhere(outside)[0])
        raise OverflowError(f"{what} is {int(x[place])} at {list(place)}, which int32 does not hold")
    return x


def _in_integers(a: Wide, b: Wide, rule: AdditionRule, ratios: tuple[float, float, float], left: int) -> Wide:
    assert rule.requantiser is not None
    terms = [
        requantise(
            check_int32(x << left, "a term shifted left").astype(np.int32), ratio, rule=rule.requantiser, fmt=INT32
        ).astype(np.int64)
        for x, ratio in ((a, ratios[0]), (b, ratios[1]))
    ]
    total = check_int32(terms[0] + terms[1], "the sum")
    if rule.form is AdditionForm.SEPARATE:
        return total
    return requantise(total.astype(np.int32), ratios[2], rule=rule.requantiser, fmt=INT32).astype(np.int64)


def _in_floats(a: Wide, b: Wide, scales: tuple[float, float, float]) -> Wide:
    first, second, out = (np.float32(scale) for scale in scales)
    quotient = (first * a.astype(np.float32) + second * b.astype(np.float32)) / out
    return np.clip(np.rint(quotient).astype(np.float64), -(2.0**33), 2.0**33).astype(np.int64)
