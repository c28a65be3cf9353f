"""TFLite's int8 softmax on NumPy arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats import parse_enum
from formats.integer_only.softmax_tflite import SoftmaxForm, difference
from reference.array.integer import fixed_point

_F = np.float32


def softmax(q: ArrayLike, scale: float, *, form: SoftmaxForm | str, beta: float = 1.0) -> NDArray[np.int8]:
    """``softmax(beta S q)`` along the last axis: int8 with the scale ``2^-8`` and the zero point -128.

    Definition: `formats.integer_only.softmax_tflite.SoftmaxForm`; there is no zero point of ``q``, which would cancel.

    Arguments:
        q: int8, at least one axis, rows along the last.
        form: ``fixed_point`` or ``binary32``.

    Raises ``TypeError`` (type of ``q``), ``ValueError`` (no rows, scale, form), ``OverflowError`` (rows above 4096:
    sums are only bounded up to there).

    >>> softmax(np.array([40, 20, -5, 0], np.int8), 0.05, form="fixed_point")
    array([  31,  -69, -111, -106], dtype=int8)
    """
    chosen, rows = parse_enum(SoftmaxForm, form, "form"), checked(q)
    made = difference(scale, beta)
    d = rows.astype(np.int64) - rows.max(axis=-1, keepdims=True)
    if chosen is SoftmaxForm.BINARY32:
        return _by_floats(-d, scale, beta)
    counted = d >= made.least
    x = high(np.where(counted, d, 0) << made.shift, made.multiplier)
    e = np.where(counted, fixed_point.exp_negative(x, high, np), 0)
    total = fixed_point.divide_by_power(e, 12).sum(axis=-1, keepdims=True)
    zeros = leading_zeros(total)
    inverse = fixed_point.reciprocal((total << zeros) - (1 << 31), high, np)
    out = fixed_point.divide_by_power(high(np.broadcast_to(inverse, e.shape), e), 35 - zeros)
    return np.where(counted, np.minimum(out, 255) - 128, -128).astype(np.int8)


def checked(q: ArrayLike) -> NDArray[np.int8]:
    """Rows of int8."""
    rows = np.asarray(q)
    if rows.dtype != np.int8:
        raise TypeError(f"q has dtype {rows.dtype.name}; this softmax takes int8")
    if not rows.ndim or not rows.shape[-1]:
        raise ValueError(f"q of shape {rows.shape} has no rows; give at least one axis, whose last is not empty")
    if rows.shape[-1] > 4096:
        raise OverflowError(f"rows of {rows.shape[-1]}; the sum of 4096 exponentials is what 32 bits hold")
    return rows


def high(a: NDArray[Any], b: NDArray[Any] | int) -> NDArray[np.int64]:
    """``floor(a b / 2^31 + 1/2)``; ``-2^31`` squared does not occur."""
    return (np.asarray(a, np.int64) * b + (1 << 30)) >> 31


def leading_zeros(x: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of a positive integer in a word of 32 bits."""
    return 32 - np.searchsorted(np.int64(1) << np.arange(33), x, side="right")


def exp_table(scale: float, beta: float) -> NDArray[np.float32]:
    """``RN(exp(RN(-RN(S beta) k)))`` for ``k = 0..255``."""
    step = -(_F(scale) * _F(beta))
    return np.array([math.exp(step * _F(k)) for k in range(256)]).astype(_F)


def _by_floats(distance: NDArray[np.int64], scale: float, beta: float) -> NDArray[np.int8]:
    terms = exp_table(scale, beta)[distance]
    total = np.add.accumulate(terms, axis=-1, dtype=_F)[..., -1:]  # from left to right
    inverse = _F(1) / (total * _F(2.0**-8))
    return (np.minimum((terms * inverse + _F(0.5)).astype(np.int32), 255) - 128).astype(np.int8)
