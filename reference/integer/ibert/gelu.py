"""I-BERT's i-GELU on NumPy arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from formats.integer_only.ibert import GeluConstants, GeluRule
from formats.integer_only.ibert_rules import gelu_rule
from reference.integer.ibert.words import Wide, as_words, check_bits, half_up, wrapped


def gelu(
    q: ArrayLike, scale: float, *, rule: str | GeluRule, magnitude: int | None = None, wrap: int | None = None
) -> Wide:
    """``GELU(S q)`` as int64 integers of the scale ``gelu_rule(rule).constants(scale, magnitude).out_scale``.

    That scale is negative. Definition: `formats.integer_only.ibert.GeluRule` (I-BERT, arXiv 2101.01321, algorithm 2,
    and its code).

    Arguments:
        q: int8, int16 or int32, any shape.
        scale: small enough; see ``least_one`` of the rule.
        rule: ``paper``, ``code``, ``safe`` or a record.
        magnitude: the greatest ``|q|`` that may come, by which ``safe`` chooses its shift; no other rule needs it.
        wrap: every step modulo ``2^wrap``, as words of so many bits compute it.

    Raises ``ValueError`` (scale, ``|q|`` above the magnitude), ``TypeError`` (type of ``q``, missing magnitude),
    ``KeyError`` (rule), ``OverflowError`` where a step may need more than 63 bits.

    >>> gelu([2048, -2048, 0, 1, 8192], 2**-11, rule="code").tolist()
    [-6080512, 1183744, 0, -1944, -29048832]
    >>> gelu([20], 0.05, rule="code")
    Traceback (most recent call last):
    ValueError: scale=0.05, input shift 0: one=-1 in i-GELU 'code', which needs |one| >= 16: too coarse for any input
    """
    record, x = gelu_rule(rule), as_words(q)
    made = record.constants(scale, magnitude)
    check_magnitude(x, magnitude)
    check_bits("q_c", made.c, 60)
    check_bits("the product at most", (1 << 31) * (2 * made.one - 2), 63)
    x = half_up(x, made.input_shift)
    return wrapped(x * wrapped(erf(x, record, made, wrap=wrap) + made.one, wrap), wrap)


def erf(x: Wide, rule: GeluRule, made: GeluConstants, *, wrap: int | None = None) -> Wide:
    """``E``: the error function of ``x / root`` in units of ``1 / one``."""
    moved = np.minimum(np.abs(x), -made.b) + made.b
    value = wrapped(wrapped(moved * moved, wrap) + made.c, wrap)
    return np.sign(x) * value >> rule.shift


def check_magnitude(x: Wide, magnitude: int | None) -> None:
    """``ValueError`` where ``|x|`` exceeds what was announced."""
    if magnitude is not None and x.size and int(np.abs(x).max()) > magnitude:
        raise ValueError(f"|q|={int(np.abs(x).max())} exceeds magnitude={magnitude}")
