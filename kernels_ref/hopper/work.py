"""Which unit of which tile a thread block works on at which step: stream-K as a kernel computes it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from formats.products import StreamK
from kernels_ref.hopper.traced import jnp, lax

#: of a Hopper GPU; and clusters of two thread blocks that it runs at once
MULTIPROCESSORS = 132
PAIRS = MULTIPROCESSORS // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The list of units of an (N, K) matrix of weights, tile by tile, and its deal to thread blocks."""

    split: StreamK
    n: int
    k: int
    #: two thread blocks share what the split gives two: half the rows of each tile for each of them, so that warpgroups
    #: have more registers. Only where the split cuts no K: it would be cut elsewhere.
    paired: bool = False

    @property
    def cluster(self) -> int:
        """Thread blocks that share a tile's rows, and load activations together."""
        return 2 if self.paired or (self.split.rows > 192 and self.split.blocks <= PAIRS) else 1

    @property
    def rows(self) -> int:
        """Of a tile, that a thread block has."""
        return self.split.rows // self.cluster

    @property
    def tiles(self) -> int:
        """Tiles of rows."""
        return math.ceil(self.n / self.split.rows)

    @property
    def steps(self) -> int:
        """Units of a tile."""
        return math.ceil(self.k / self.split.depth)

    @property
    def units(self) -> int:
        """Units of the matrix."""
        return self.tiles * self.steps

    @property
    def run(self) -> int:
        """Units of a thread block, or of a cluster of them."""
        return self.split.run(self.n, self.k) << self.paired

    @property
    def blocks(self) -> int:
        """Thread blocks, or clusters of them, that have work."""
        return math.ceil(self.units / self.run)

    @property
    def planes(self) -> int:
        """The most parts that a tile has."""
        return max(len(cuts) - 1 for cuts in self.split.cuts(self.n, self.k))

    @property
    def even_parts(self) -> int:
        """The parts of each tile, where every thread block has one, and all are as long."""
        return 1 if self.steps % self.run else self.steps // self.run

    def parts(self) -> list[int]:
        """For each tile its parts."""
        return [len(cuts) - 1 for cuts in self.split.cuts(self.n, self.k)]

    def place(self, block: Any, step: Any) -> tuple[Any, Any]:
        """Tile and unit in the tile; past the end of the list its last unit again, whose result is not kept."""
        unit = jnp.minimum(block * self.run + step, self.units - 1)
        return lax.div(unit, self.steps), lax.rem(unit, self.steps)

    def ends(self, block: Any, step: Any) -> Any:
        """Whether the unit ends a part: of its tile, or of the block's run."""
        unit = block * self.run + step
        last = jnp.logical_or(lax.rem(unit, self.steps) == self.steps - 1, step == self.run - 1)
        return jnp.logical_and(last, unit < self.units)

    def part(self, block: Any, tile: Any) -> Any:
        """Which part of the tile a block has."""
        return block - lax.div(tile * self.steps, self.run)

    def parts_after(self, block: Any, tile: Any) -> Any:
        """How many parts of the tile follow the block's."""
        return lax.div(tile * self.steps + self.steps - 1, self.run) - block
