"""What sums of products are, exactly, and how far results are from that."""

from __future__ import annotations

from math import fsum

import numpy as np

from analysis.accumulation.ball import Floats
from analysis.accumulation.operands import Factors, Operands


def exact_sums(operands: Operands) -> tuple[Floats, Floats]:
    """``high + low``, (M, N) each: the sums themselves where ``low`` is 0, else within ``2^-105`` of them, relative.

    All products are multiples of some ``2^q``. Where the sum of their magnitudes stays below ``2^(q + 53)``, float64
    holds every partial sum, in whatever order, so that one matrix product is exact: so it is for E4M3 up to
    K = 171,000. Otherwise ``high`` is the exact sum rounded to float64 and ``low`` the rest, rounded likewise
    (`math.fsum`).

    >>> exact_sums(Operands.of([[1.0, 2.0**-60]], [[1.0], [1.0]], "bfloat16", "bfloat16"))
    (array([[1.]]), array([[8.67361738e-19]]))
    """
    whole = Factors(operands).dot(np.arange(operands.k))
    if not whole.radius.any():
        return whole.value, np.zeros_like(whole.value)
    high, low = np.empty_like(whole.value), np.empty_like(whole.value)
    for i, row in enumerate(operands.a_values):
        for j, column in enumerate(operands.b_values.T):
            terms = (row * column).tolist()
            high[i, j] = fsum(terms)
            low[i, j] = fsum([*terms, -high[i, j]])
    return high, low


def errors(results: Floats, sums: tuple[Floats, Floats]) -> Floats:
    """``result - exact``, relatively right to about ``2^-51``; infinite or NaN where the result is.

    >>> errors(np.array([1.0]), (np.array([1.0]), np.array([2.0**-60])))
    array([-8.67361738e-19])
    """
    high, low = sums
    return (results - high) - low
