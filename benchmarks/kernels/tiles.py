"""Some tiles of a product whose K is split: the golden model's work cut to what a CPU does in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from formats.products import StreamK
from kernels_ref.contracts import KernelContract, Shape, resolve


@dataclass(frozen=True, slots=True)
class Tiles:
    """The split of a product of which only some tiles of rows are there; what `StreamK` is for all of them."""

    whole: StreamK
    n: int
    tiles: tuple[int, ...]

    @property
    def rows(self) -> int:
        return self.whole.rows

    @property
    def depth(self) -> int:
        return self.whole.depth

    def cuts(self, n: int, k: int) -> tuple[tuple[int, ...], ...]:
        every = self.whole.cuts(self.n, k)
        return tuple(every[tile] for tile in self.tiles[: -(-n // self.rows)])


def some_tiles(n: int, k: int, split: StreamK, count: int) -> tuple[int, ...]:
    """Tiles whose K is cut in different places, the first and the last among them."""
    cuts = split.cuts(n, k)
    unlike = list({cut: tile for tile, cut in reversed(list(enumerate(cuts)))}.values())
    picked = dict.fromkeys([0, len(cuts) - 1, *sorted(unlike)])
    return tuple(sorted(list(picked)[:count]))


def columns(n: int, split: StreamK, tiles: Sequence[int]) -> np.ndarray[Any, Any]:
    """The rows of weights, which are columns of the result, of some tiles."""
    return np.concatenate([np.arange(tile * split.rows, min(n, (tile + 1) * split.rows)) for tile in tiles])


def golden(
    claim: KernelContract,
    drawn: dict[str, Any],
    shape: Shape,
    split: StreamK | None,
    *,
    tiles: Sequence[int] | None = None,
    rows: Any = slice(None),
) -> np.ndarray[Any, Any]:
    """The NumPy golden model on some tiles (all of them by default) and some rows of activations."""
    function = resolve(claim.golden)
    cut: Any = split
    chosen: Any = slice(None)
    if tiles is not None:
        chosen = columns(shape.n, StreamK() if split is None else split, tiles)
        cut = None if split is None else Tiles(split, shape.n, tuple(tiles))
    picked = {each.name: _picked(drawn[each.name], each.shape, rows, chosen, shape.n) for each in claim.operands}
    return function(**picked, **claim.keywords, split=cut)


def _picked(value: Any, sizes: tuple[str, ...], rows: Any, chosen: Any, n: int) -> Any:
    if sizes and sizes[0] == "m":
        return value[rows]
    if not sizes or isinstance(chosen, slice):
        return value
    shared = n // len(value)  # rows of N that share an entry: tiles are whole multiples of it
    return value[chosen] if shared == 1 else value[chosen[::shared] // shared]
