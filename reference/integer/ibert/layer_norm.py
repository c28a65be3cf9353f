"""I-BERT's integer LayerNorm on NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.integer_only.ibert import LayerNormRule
from formats.integer_only.ibert_rules import layer_norm_rule
from reference.integer.ibert.sqrt import isqrt
from reference.integer.ibert.words import Wide, as_rows, bit_length, wrapped


def layer_norm(
    q: ArrayLike,
    *,
    rule: str | LayerNormRule,
    shift: int | None = None,
    gamma: Sequence[float] | None = None,
    beta: Sequence[float] | None = None,
    wrap: int | None = None,
) -> NDArray[np.int32]:
    """Rows along the last axis, normalised: int32 integers in units of ``sqrt(N) / 2^30``, times ``gamma``.

    Definition: `formats.integer_only.ibert.LayerNormRule` (I-BERT's code; its paper leaves the arithmetic open). The
    scale of ``q`` has no part in it.

    Arguments:
        q: int8, int16 or int32 within ``-2^30..2^30 - 1``, one axis or more.
        rule: ``code``, ``safe`` or a record.
        shift: ``k`` of 0..31, where the rule chooses none; see `layer_norm_shift`.
        gamma, beta: one number for each channel, or neither.
        wrap: every step modulo ``2^wrap``, as words of so many bits compute it.

    Raises ``ZeroDivisionError`` (a row whose ``sd`` is 0, as a constant one; a ``gamma`` of 0), ``OverflowError``
    (``v`` of 2^32 or more; a result that is no int32), ``TypeError``, ``ValueError``, ``KeyError``.

    >>> layer_norm([12, -7, 100, 3, -50, 8, 0, 30], rule="code", shift=0).tolist()
    [0, -183793641, 851254756, -87060146, -599747669, -38693398, -116080194, 174120291]
    >>> layer_norm([5, 5, 5], rule="safe")
    Traceback (most recent call last):
    ZeroDivisionError: row 0 has sd=0: it is constant, or shifted to 0, and LayerNorm has no epsilon
    """
    record, rows = layer_norm_rule(rule), as_rows(q)
    length = rows.shape[-1]
    added = biases(record, gamma, beta, length)
    y = rows - rounded_mean(rows, wrap=wrap)
    k = row_shift(y, record, shift)
    narrow = y >> k
    variance = wrapped((wrapped(narrow * narrow, wrap)).sum(axis=-1, keepdims=True), wrap)
    sd = isqrt(_checked_variance(variance, wrap)) << k
    if (sd == 0).any():
        row = int(np.argwhere(sd.reshape(-1) == 0)[0, 0])
        raise ZeroDivisionError(f"row {row} has sd=0: it is constant, or shifted to 0, and LayerNorm has no epsilon")
    factor = wrapped(np.int64(1 << 31) // sd, wrap)
    out = wrapped((wrapped(y * factor, wrap) >> 1) + added, wrap)
    outside = (out < -(1 << 31)) | (out >= 1 << 31)
    if outside.any():
        raise OverflowError(f"a result is {out[outside].flat[0]}, no int32")
    return out.astype(np.int32)


def layer_norm_shift(q: ArrayLike) -> int:
    """The least ``k`` for which every row's ``v`` is below ``2^32``: a calibration of ``k``.

    The code takes ``ceil(log2(sqrt(v / 2^32)))`` of the unshifted ``v``, in floats. That can be one less: where ``v``
    is ``4^k 2^32``, as here, and where floors of negative numbers make the shifted sum larger.

    >>> layer_norm_shift([[1 << 20, -(1 << 20)] * 8])
    7
    """
    rows = as_rows(q)
    y = rows - rounded_mean(rows)
    return next(k for k in range(32) if (((y >> k) ** 2).sum(axis=-1) < 1 << 32).all())


def rounded_mean(rows: Wide, *, wrap: int | None = None) -> Wide:
    """The mean of each row, to the nearest integer, ties to even; the sum is what may wrap."""
    length, total = rows.shape[-1], wrapped(rows.sum(axis=-1, keepdims=True), wrap)
    down = total // length
    twice = 2 * (total - down * length)
    return down + ((twice > length) | ((twice == length) & (down & 1 == 1)))


def row_shift(y: Wide, rule: LayerNormRule, shift: int | None) -> Wide:
    """``k`` of each row: what is given, or what the rule chooses."""
    check_shift(rule, shift)
    if shift is not None:
        return np.full((*y.shape[:-1], 1), shift, np.int64)
    width = (y.shape[-1] - 1).bit_length()
    return np.maximum((2 * bit_length(np.abs(y).max(axis=-1, keepdims=True)) + width - 30) >> 1, 0)


def check_shift(rule: LayerNormRule, shift: int | None) -> None:
    """``TypeError`` for a shift too much or missing, ``ValueError`` for one outside 0..31."""
    if rule.row_shifts != (shift is None):
        need = "chooses its shift by row" if rule.row_shifts else "needs shift, a calibrated number"
        raise TypeError(f"shift={shift}: LayerNorm {rule.name!r} {need}")
    if shift is not None and not 0 <= shift <= 31:
        raise ValueError(f"shift={shift} must lie in 0..31")


def biases(
    rule: LayerNormRule, gamma: Sequence[float] | None, beta: Sequence[float] | None, length: int
) -> NDArray[np.int64]:
    """What is added to each channel."""
    if gamma is None and beta is None:
        return np.zeros(length, np.int64)
    if gamma is None or beta is None or (len(gamma), len(beta)) != (length, length):
        found = [None if given is None else len(given) for given in (gamma, beta)]
        raise ValueError(
            f"gamma and beta have {found[0]} and {found[1]} numbers; rows of {length} need as many of each"
        )
    numbers = [rule.bias(float(g), float(b), length) for g, b in zip(gamma, beta, strict=True)]
    for channel, number in enumerate(numbers):
        if not -(1 << 31) <= number < 1 << 31:
            raise OverflowError(f"channel {channel}: beta / gamma is {number} in units of the result, no int32")
    return np.array(numbers, np.int64)


def _checked_variance(variance: Wide, wrap: int | None) -> Wide:
    if wrap is not None:  # what is negative has no root; the word is taken unsigned, as the code's limit of 2^32 is
        return variance & np.int64((1 << wrap) - 1)
    if (variance >= 1 << 32).any():
        raise OverflowError(
            f"v={int(variance.max())} needs more than 32 bits; give a larger shift, or take the safe form"
        )
    return variance
