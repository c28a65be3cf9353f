"""Code-books fitted to data by least squares: Lloyd's algorithm, which needs no random start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.code_books.book import CodebookSpec, codebook_of


@dataclass(frozen=True, slots=True, kw_only=True)
class LloydMaxFit:
    """A fitted book, and how the fit ended: ``settled`` if the last round moved no number to another cell."""

    book: CodebookSpec
    rounds: int
    settled: bool


def lloyd_max(values: ArrayLike, *, initial: ArrayLike, rounds: int, name: str) -> LloydMaxFit:
    """The code-book that Lloyd's algorithm makes of ``values``, from ``initial`` levels, in at most ``rounds`` rounds.

    One round: each number goes to the nearest level (a tie to the lower), then each level becomes the mean of its
    numbers; a level without numbers stays. It stops when no number changes its level: then every level is the mean of
    its cell and every threshold a midpoint, the conditions of Max for a least mean squared error (a local one). All in
    binary64 on sorted numbers, so their order does not matter; the levels are rounded once to binary32 at the end.

    ``values``: finite numbers, any shape, taken as float64; ``initial``: 2 to 256 growing levels, such as those of
    `quantile_levels`. Raises ``ValueError`` for anything else.

    >>> fit = lloyd_max([0, 1, 2, 10, 11, 12], initial=[0, 1], rounds=10, name="two")
    >>> [str(fit.book.fraction(code)) for code in range(2)], fit.rounds, fit.settled
    (['1', '11'], 2, True)

    Source: S. P. Lloyd, Least squares quantization in PCM, IEEE Trans. Information Theory 28(2), 1982; J. Max,
    Quantizing for minimum distortion, IRE Trans. Information Theory 6(1), 1960.
    """
    numbers, levels = _sorted(values), np.asarray(initial, np.float64)
    if not 2 <= levels.size <= 256 or levels.ndim != 1 or not (np.diff(levels) > 0).all():
        raise ValueError(f"initial must be 2 to 256 growing levels, not {levels.tolist()}")
    if rounds < 1:
        raise ValueError(f"rounds={rounds} must be 1 or more")
    sums = np.concatenate([[0.0], np.cumsum(numbers)])
    edges, done, settled = _edges(numbers, levels), 0, False
    while done < rounds and not settled:
        levels = _means(sums, edges, levels)
        moved = _edges(numbers, levels)
        settled, edges, done = bool((moved == edges).all()), moved, done + 1
    book = codebook_of(name, tuple(levels.astype(np.float32).tolist()), source="fitted to data by Lloyd's algorithm")
    return LloydMaxFit(book=book, rounds=done, settled=settled)


def quantile_levels(values: ArrayLike, *, bits: int) -> NDArray[np.float64]:
    """Starting levels for `lloyd_max`: the quantiles at ``(i + 1/2) / 2^bits``, interpolated linearly.

    >>> quantile_levels([0, 1, 2, 3, 4], bits=1).tolist()
    [1.0, 3.0]
    """
    if not 1 <= bits <= 8:
        raise ValueError(f"bits={bits} must lie in 1..8")
    return np.quantile(_sorted(values), (np.arange(1 << bits) + 0.5) / (1 << bits))


def _sorted(values: ArrayLike) -> NDArray[np.float64]:
    numbers = np.sort(np.asarray(values, np.float64), axis=None)
    if not numbers.size or not np.isfinite(numbers).all():
        raise ValueError("values must be one or more finite numbers")
    return numbers


def _edges(numbers: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.intp]:
    """Where each cell begins among the sorted numbers, and where the last ends."""
    inner = np.searchsorted(numbers, (levels[1:] + levels[:-1]) / 2, side="right")
    return np.concatenate([[0], inner, [numbers.size]])


def _means(sums: NDArray[np.float64], edges: NDArray[np.intp], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = np.diff(edges)
    return np.where(counts > 0, np.diff(sums[edges]) / np.maximum(counts, 1), levels)
