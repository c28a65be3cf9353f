"""A product in blocks: what is at work at one time stays in a core's cache, and memory bounded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from formats import ExactSum, FusedSteps, HalvedSteps, IntegerSum, PairwiseSum, PromotedSum, Summation
from formats.matrix_cores import JoinedSteps
from reference.array.carrier import Array

_OPERANDS = 1 << 18  # elements of a and of b in a block: some 100 bytes for each are at work


@dataclass(frozen=True, slots=True)
class Block:
    """Some products of a batch, or some rows and columns of one."""

    batch: tuple[NDArray[np.intp], ...]
    rows: slice
    columns: slice

    def of_a(self, a: Array) -> Array:
        """Its rows of (..., M, K)."""
        return self._of(a, (self.rows, slice(None)))

    def of_b(self, b: Array) -> Array:
        """Its columns of (..., K, N)."""
        return self._of(b, (slice(None), self.columns))

    def of_result(self, c: Array) -> Array:
        """Its part of (..., M, N)."""
        return self._of(c, (self.rows, self.columns)).astype(np.int64)

    def write(self, result: Array, values: Array) -> None:
        """Put its part into the result."""
        result[(*self.batch, self.rows, self.columns)] = values

    def _of(self, array: Array, part: tuple[slice, slice]) -> Array:
        """As many batch axes for all, since operands meet along new first axes."""
        axes = array.ndim - 2
        if axes == 0 and self.batch:
            return array[(None, *part)]
        batch = self.batch[len(self.batch) - axes :]
        index = (np.minimum(i, size - 1) for i, size in zip(batch, array.shape, strict=False))
        return array[(*index, *part)]


def blocks(rule: Summation, shape: tuple[int, ...], length: int) -> Iterator[Block]:
    """Blocks that cover a result of shape (..., M, N) and sums over ``length`` elements.

    >>> import formats
    >>> [block.rows for block in blocks(formats.accumulator("int32.wrap").summation, (400, 200), 64)]
    [slice(0, 327, None), slice(327, 654, None)]
    """
    *outer, m, n = shape
    outputs, most = _outputs(rule, length), max(1, _OPERANDS // length)
    columns = max(1, min(n, max(64, math.isqrt(outputs)), most))  # long rows, and few operands for what they give
    rows = max(1, min(m, outputs // columns, most))
    whole = rows >= m and columns >= n
    products = max(1, min(outputs // (rows * columns), most // (rows + columns))) if whole else 1
    count = int(np.prod(outer))
    for first in range(0, count, products):
        batch = np.unravel_index(np.arange(first, min(first + products, count)), outer) if outer else ()
        for i in range(0, m, rows):
            for j in range(0, n, columns):
                yield Block(batch, slice(i, i + rows), slice(j, j + columns))


def _outputs(rule: Summation, length: int) -> int:
    """How many outputs a block has, by what each of them keeps at work."""
    match rule:
        case PromotedSum():
            return _outputs(rule.inner, min(length, rule.every))
        case FusedSteps() | JoinedSteps():
            return max(1, (1 << 15) // rule.products)
        case HalvedSteps():
            return max(1, (1 << 15) // rule.step.products)
        case PairwiseSum():
            return max(1, (1 << 20) // length)
        case ExactSum() | IntegerSum():
            return 1 << 16
        case _:
            return 1 << 13
