"""What each way into a block format costs on tensors: signal-to-noise ratio, and blocks on which two ways differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from analysis.agreement.ways import Chosen, Way
from analysis.metrics import snr_db
from analysis.progress import Progress, silent
from analysis.tensors import Tensor
from reference.quantize.granularity import channels

#: numbers that are quantised at a time
_PIECE = 1 << 20


def measure(
    tensors: Sequence[Tensor], ways: Sequence[Way], progress: Progress = silent
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tables over all tensors as one: a row for each way, and a row for each pair of ways.

    Tensors are matrices of channels, ``[out, in]``, cut into blocks along ``in``, which must hold whole ones: see
    `whole_blocks`. First table: ``way, expected, blocks, snr_db``; ``expected`` is the rule that a peer should equal,
    else empty. Second: ``first, second, blocks, same_scale, same_values``, parts of the blocks; values are compared,
    bit by bit, for a peer and its expected rule only, and are NaN for other pairs.

    Raises ``ValueError`` for a tensor that holds NaN or infinity, or for none at all.

    >>> from analysis.agreement.ways import ways
    >>> x = np.random.default_rng(0).standard_normal((8, 64)).astype(np.float32)
    >>> rows, pairs = measure([Tensor(name="w", values=x, source="drawn")], ways("mxfp4")[:2])
    >>> rows["way"].tolist(), int(rows["blocks"][0]), float(pairs["same_scale"].min()) < 1
    (['floor', 'ceil'], 16, True)
    """
    if not tensors:
        raise ValueError("there is no tensor to quantise")
    counts = _Counts(ways)
    total = sum(tensor.values.size for tensor in tensors)
    done = 0
    for name, piece, size in _pieces(tensors, ways[0]):
        progress(done, total, name)
        counts.add(piece, [each.quantise(piece) for each in ways], size)
        done += size
    progress(done, total, "")
    return counts.rows(), counts.pairs()


def _pieces(tensors: Sequence[Tensor], example: Way) -> Iterator[tuple[str, NDArray[np.float32], int]]:
    """A name, blocks, and how many of their numbers count: tensor by tensor where each has a number of its own.

    Else all blocks, in pieces of one shape, so that each way is compiled once; zeros that fill the last piece do not
    count.
    """
    size = example.spec.size
    if example.spec.scale.second is not None:
        yield from ((each.name, _numbers(each).reshape(-1, size), each.values.size) for each in tensors)
        return
    every = np.concatenate([_numbers(tensor) for tensor in tensors])
    length = min(_PIECE, every.size)
    for start in range(0, every.size, length):
        piece = every[start : start + length]
        filled = np.pad(piece, (0, length - piece.size)).reshape(-1, size)
        yield f"{start + piece.size:,} numbers", filled, piece.size


def whole_blocks(tensors: Sequence[Tensor], size: int) -> tuple[list[Tensor], list[str]]:
    """The tensors whose channels are whole blocks of ``size``, and the names of the others, empty ones too.

    >>> tensors = [Tensor(name=f"w{n}", values=np.zeros((2, n), np.float32), source="made here") for n in (64, 80)]
    >>> found, left_out = whole_blocks(tensors, 32)
    >>> [tensor.name for tensor in found], left_out
    (['w64'], ['w80'])
    """
    fits = [tensor.values.size > 0 and channels(tensor.values.shape)[1] % size == 0 for tensor in tensors]
    found = [tensor for tensor, fit in zip(tensors, fits, strict=True) if fit]
    return found, [tensor.name for tensor, fit in zip(tensors, fits, strict=True) if not fit]


def _numbers(tensor: Tensor) -> NDArray[np.float32]:
    if not np.isfinite(tensor.values).all():
        raise ValueError(f"tensor {tensor.name!r} holds NaN or infinity; replace them, or choose others by name")
    return tensor.values.reshape(-1).astype(np.float32)


class _Counts:
    """Sums over tensors."""

    def __init__(self, ways: Sequence[Way]) -> None:
        self.ways = ways
        self.blocks = 0
        self.signal = 0.0
        self.noise = np.zeros(len(ways))
        self.same: dict[tuple[int, int], NDArray[np.int64]] = {
            pair: np.zeros(2, np.int64) for pair in combinations(range(len(ways)), 2)
        }

    def add(self, x: NDArray[np.float32], chosen: Sequence[Chosen], counted: int) -> None:
        """Count the first ``counted`` numbers of a matrix and of what the ways made of it."""
        size = self.ways[0].spec.size
        blocks = counted // size
        numbers = x.reshape(-1)[:counted].astype(np.float64)
        scales = [each.scales.reshape(-1)[:blocks] for each in chosen]
        values = [each.values.reshape(-1)[:counted] for each in chosen]
        self.blocks += blocks
        self.signal += _squares(numbers)
        for i, value in enumerate(values):
            self.noise[i] += _squares(numbers - value)
        for (i, j), same in self.same.items():
            same[0] += int((scales[i] == scales[j]).sum())
            if self._is_due(i, j):
                differs = values[i].view(np.uint32) != values[j].view(np.uint32)
                same[1] += int((~differs.reshape(-1, size).any(-1)).sum())

    def _is_due(self, i: int, j: int) -> bool:
        return self.ways[j].expected == self.ways[i].name

    def rows(self) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {
                    "way": each.name,
                    "expected": each.expected,
                    "blocks": self.blocks,
                    "snr_db": snr_db(self.signal, float(self.noise[i])),
                }
                for i, each in enumerate(self.ways)
            ]
        )

    def pairs(self) -> pd.DataFrame:
        return pd.DataFrame(list(self._pairs()))

    def _pairs(self) -> Iterator[dict[str, Any]]:
        for (i, j), same in self.same.items():
            yield {
                "first": self.ways[i].name,
                "second": self.ways[j].name,
                "blocks": self.blocks,
                "same_scale": int(same[0]) / self.blocks,
                "same_values": int(same[1]) / self.blocks if self._is_due(i, j) else float("nan"),
            }


def _squares(x: NDArray[np.floating[Any]]) -> float:
    return float(np.dot(x, x))
