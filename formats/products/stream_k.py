"""How a kernel deals its work to thread blocks, as data: it decides where K is split."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamK:
    """Units of ``rows`` weight rows times ``depth`` elements of K, dealt to ``blocks`` thread blocks in runs.

    Units are numbered row tile by row tile, K inside; with ``t`` tiles and ``s`` steps of K each block takes a run of
    ``ceil(t s / blocks)`` units. Where a run ends inside a tile, its K is split there.

    Source: M. Osama et al., Stream-K (arXiv 2301.03598).

    >>> StreamK(rows=128, depth=256, blocks=2).cuts(384, 1024)
    ((0, 1024), (0, 512, 1024), (0, 1024))
    """

    rows: int = 128
    depth: int = 256
    blocks: int = 132

    def __post_init__(self) -> None:
        for name, number in (("rows", self.rows), ("depth", self.depth), ("blocks", self.blocks)):
            if number < 1:
                raise ValueError(f"StreamK: {name}={number} must be at least 1")

    def run(self, n: int, k: int) -> int:
        """Units of each thread block; the last ones may have fewer."""
        return math.ceil(math.ceil(n / self.rows) * math.ceil(k / self.depth) / self.blocks)

    def cuts(self, n: int, k: int) -> tuple[tuple[int, ...], ...]:
        """For each tile of rows, where its parts of K begin and end; K counts in whole units."""
        steps, run = math.ceil(k / self.depth), self.run(n, k)
        return tuple(self._cuts(tile * steps, steps, run) for tile in range(math.ceil(n / self.rows)))

    def _cuts(self, first: int, steps: int, run: int) -> tuple[int, ...]:
        inner = [unit - first for unit in range(first + 1, first + steps) if unit % run == 0]
        return tuple(step * self.depth for step in (0, *inner, steps))
