"""The sums of a scaled product before its epilogue: chains, folded; parts of K, added."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats.products import ScaledProduct
from reference.array.dot.epilogue import joined
from reference.matmul import matmul
from reference.products.arguments import Size
from reference.products.fold import fold, times

Codes = NDArray[Any]
#: the codes of a sum, from what was summed before: of run ``i`` of K
Run = Callable[[int, Codes], Codes]

_OUTPUTS = 1 << 22  #: sums of chains at work at one time


def sums(a: Codes, v: Codes, scale: Codes | None, product: ScaledProduct, of: Size) -> Codes:
    """Codes (int64) of the sums (M, N), in the accumulator's output.

    ``a`` (M, K) and ``v`` (N, K) hold codes and K is filled up; ``scale``: float32 codes (groups, M or 1, N) or None.
    """
    result = np.zeros((of.m, of.n), np.int64)
    columns = max(1, _OUTPUTS * (product.chain or of.filled_k) // max(1, of.m * of.filled_k))
    for start in range(0, of.n, columns):
        some = slice(start, start + columns)
        own = None if scale is None else scale[..., some]
        result[:, some] = _of_columns(a, v[some], own, product, of, some)
    return result


def _of_columns(a: Codes, v: Codes, scale: Codes | None, product: ScaledProduct, of: Size, some: slice) -> Codes:
    if product.chain is None:
        bounds, starts = _uncut(of)
        rule, start = product.rule, [slice(*pair) for pair in bounds]

        def run(i: int, y: Codes) -> Codes:
            return matmul(a[:, start[i]], v[:, start[i]].T, y, accumulator=rule).astype(np.int64)

        return _joined(run, starts[:, some], (of.m, len(v)), product)
    partial = chains(a, v, product)

    def folded(i: int, y: Codes) -> Codes:
        of_group = None if scale is None else scale[i * (product.chain or 1) // (product.group or 1)]
        return fold(y, partial[i], of_group, product.rule.summation)

    return _joined(folded, of.starts(product.chain)[:, some], (of.m, len(v)), product)


def chains(a: Codes, v: Codes, product: ScaledProduct) -> Codes:
    """Codes (K / chain, M, N) of the sum of every chain; short ones are filled up to a step with zeros."""
    assert product.chain is not None
    short = -product.chain % product.rule.k
    count = a.shape[1] // product.chain
    x, y = (np.pad(z.reshape(len(z), count, product.chain), ((0, 0), (0, 0), (0, short))) for z in (a, v))
    found = matmul(x.transpose(1, 0, 2), y.transpose(1, 2, 0), accumulator=product.rule)
    return times(found, np.asarray(2.0**product.lowered, np.float32).view(np.uint32)) if product.lowered else found


def _uncut(of: Size) -> tuple[list[tuple[int, int]], NDArray[np.bool_]]:
    """Runs of K that no column cuts, and for which columns a part begins with each."""
    step = of.filled_k if of.split is None else of.split.depth
    starts = of.starts(step)
    inner = np.flatnonzero(starts.any(axis=1)) * step
    edges = [0, *inner.tolist(), of.filled_k]
    return list(pairwise(edges)), starts[[edge // step for edge in edges[:-1]]]


def _joined(run: Run, starts: NDArray[np.bool_], shape: tuple[int, int], product: ScaledProduct) -> Codes:
    """The parts of K added in order, each the result of its runs from +0."""
    total, y = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    has_total = np.zeros(shape[1], np.bool_)
    rule = product.rule.summation
    for i, start in enumerate(starts):
        if start.any():
            ended = np.where(has_total, joined(total, y, rule, np), y)
            total, y = np.where(start, ended, total), np.where(start, 0, y)
            has_total = has_total | start
        y = run(i, y)
    return np.where(has_total, joined(total, y, rule, np), y)
