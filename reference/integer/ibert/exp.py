"""I-BERT's i-exp on NumPy arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from formats.integer_only.ibert import ExpConstants, ExpRule
from formats.integer_only.ibert_rules import exp_rule
from reference.integer.ibert.polynomial import evaluate
from reference.integer.ibert.words import Wide, as_words, check_bits, half_up, wrapped


def exp(q: ArrayLike, scale: float, *, rule: str | ExpRule, wrap: int | None = None) -> Wide:
    """``exp(S q)`` for ``q <= 0`` as int64 integers of the scale ``exp_rule(rule).constants(scale).out_scale``.

    Definition: `formats.integer_only.ibert.ExpRule` (I-BERT, arXiv 2101.01321, algorithm 3, and its code).

    Arguments:
        q: int8, int16 or int32, any shape.
        scale: above 0, at most ``ln 2``.
        rule: ``paper``, ``code``, ``safe`` or a record.
        wrap: every step modulo ``2^wrap``, as words of so many bits compute it.

    Raises ``ValueError`` (positive ``q``, scale), ``TypeError`` (type of ``q``), ``KeyError`` (rule), and
    ``OverflowError`` where the polynomial needs more than 62 bits, or, times ``2^octaves``, the result more than 63.

    >>> exp([0, -1, -13, -14, -100], 0.05, rule="paper").tolist()
    [1112, 1059, 556, 529, 5]
    >>> exp([0, -14, -500], 0.05, rule="code").tolist()
    [1198295875584, 599147937792, 1116]
    >>> exp([0, -14, -500], 0.05, rule="code", wrap=32).tolist()
    [0, -2147483648, 1116]
    """
    record = exp_rule(rule)
    x, made = nonpositive(as_words(q)), record.constants(scale)
    value, z = octave(x, record, made, wrap=wrap)
    if record.octaves is None:
        return value >> np.minimum(z, 63)
    check_bits("the result at 0", made.greatest << record.octaves, 63)
    return wrapped(value << (record.octaves - z), wrap)


def octave(x: Wide, rule: ExpRule, made: ExpConstants, *, wrap: int | None = None) -> tuple[Wide, Wide]:
    """The polynomial's value ``L`` of each ``x <= 0``, and ``z``, by which power of two it is divided."""
    check_bits("the polynomial at 0", made.greatest, 62)
    x = half_up(x, made.input_shift)
    if rule.octaves is not None:
        x = np.maximum(x, -rule.octaves * made.ln2)
    z = -x // made.ln2
    return evaluate(x + z * made.ln2, made.b, made.c, expanded=rule.polynomial.expanded, wrap=wrap), z


def nonpositive(x: Wide) -> Wide:
    """``x``; ``ValueError`` where an element is positive."""
    if x.size and int(x.max()) > 0:
        raise ValueError(f"q={int(x.max())} is positive; i-exp takes integers of at most 0")
    return x
