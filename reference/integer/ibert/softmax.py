"""I-BERT's i-softmax on NumPy arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.integer_only.ibert import SoftmaxRule
from formats.integer_only.ibert_rules import softmax_rule
from reference.integer.ibert.exp import exp, octave
from reference.integer.ibert.words import Wide, as_rows, check_bits, half_even, significant, wrapped


def softmax(
    q: ArrayLike, scale: float, *, rule: str | SoftmaxRule, maximum: float | None = None, wrap: int | None = None
) -> NDArray[np.int32]:
    """``softmax(S q)`` along the last axis as int32 integers of 0..256, in units of ``2^-8``.

    Definition: `formats.integer_only.ibert.SoftmaxRule` (I-BERT, arXiv 2101.01321, algorithm 3, and its code). A row's
    results sum to at most 256; one of 256 (a row of one integer) is not clamped to 8 bits.

    Arguments:
        q: int8, int16 or int32 within ``-2^30..2^30 - 1``, one axis or more, rows along the last.
        rule: ``paper``, ``code``, ``safe`` or a record.
        maximum: the calibrated maximum of all exponentials; for a rule that requantises them, and only there.
        wrap: every step modulo ``2^wrap``, as words of so many bits compute it; at most 32 where exponentials are
            requantised, which is itself exact.

    Raises ``ValueError`` (empty rows, scale, maximum, a sum that is not positive), ``TypeError`` (type of ``q``, a
    maximum too much or missing), ``KeyError`` (rule), ``OverflowError`` (range of ``q``; constants too wide).

    >>> softmax([40, 20, -5, 0], 0.05, rule="code", maximum=1.0).tolist()
    [158, 58, 17, 21]
    >>> softmax([[40, 20, -5, 0], [3, 3, 3, 3]], 0.05, rule="paper").tolist()
    [[163, 57, 15, 19], [64, 64, 64, 64]]
    """
    record, rows = softmax_rule(rule), as_rows(q)
    check_maximum(record, maximum)
    x = rows - rows.max(axis=-1, keepdims=True)
    if maximum is not None:
        e = _requantised(x, scale, record, maximum, wrap)
        total = _sum(e, wrap)
        factor = (np.int64(1) << np.int64(record.reciprocal_bits or 0)) // total
        out = wrapped(e * factor, wrap) >> ((record.reciprocal_bits or 0) - record.output_bits)
        return out.astype(np.int32)
    made = record.exp.constants(scale)
    check_bits("the sum, times 2^8", made.greatest * max(rows.shape[-1], 1 << record.output_bits), 62)
    e = exp(x.astype(np.int32), scale, rule=record.exp, wrap=wrap) >> record.sum_shift(scale, rows.shape[-1])
    return (wrapped(e << record.output_bits, wrap) // _sum(e, wrap)).astype(np.int32)


def check_maximum(rule: SoftmaxRule, maximum: float | None) -> None:
    """``TypeError`` where the rule needs a maximum and has none, or the other way round."""
    if (maximum is None) != (rule.requantised_bits is None):
        need = "needs" if maximum is None else "takes no"
        raise TypeError(f"i-softmax {rule.name!r} {need} maximum, the greatest of all exponentials")


def _requantised(x: Wide, scale: float, rule: SoftmaxRule, maximum: float, wrap: int | None) -> Wide:
    """``e`` of few bits: the polynomial's value has 31 bits, so its product with the multiplier 62."""
    made, bits = rule.exp.constants(scale), rule.requantised_bits or 0
    check_bits("the polynomial at 0", made.greatest, 31)
    pair, limit = rule.pair(scale, maximum), (1 << (bits - 1)) - 1
    if wrap is not None and wrap > 32:
        raise ValueError(f"wrap={wrap} must be at most 32 in i-softmax {rule.name!r}: wider words are not modelled")
    if wrap is None:
        value, z = octave(x, rule.exp, made)
        return np.minimum(half_even(significant(value * pair.multiplier, 53), pair.shift + z), limit)
    e = exp(x.astype(np.int32), scale, rule=rule.exp, wrap=wrap)
    sign = np.where(e < 0, -1, 1)
    rounded = half_even(significant(np.abs(e) * pair.multiplier, 53), pair.shift + (rule.exp.octaves or 0))
    return np.clip(sign * rounded, -limit - 1, limit)


def _sum(e: Wide, wrap: int | None) -> Wide:
    total = wrapped(e.sum(axis=-1, keepdims=True), wrap)
    if (total <= 0).any():
        raise ValueError(f"exponentials sum to {int(total.min())}; the quotient needs a positive sum")
    return total
