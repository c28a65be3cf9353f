"""How a dense kernel is laid out: tiles, stages, and in which order thread blocks take tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from kernels_ref.hopper.traced import lax
from kernels_ref.pallas import pallas

#: rows of a tensor-core instruction, which is one warpgroup's
ROWS = 64
#: results go to memory in squares of this many rows and columns
SQUARE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseVariant:
    """How a dense kernel is laid out; results do not depend on it.

    A tile of ``rows`` by ``columns`` results is one thread block's work at a time; its rows are shared out among
    ``warpgroups``. Operands come through shared memory in ``stages`` of ``depth`` elements of K. ``cluster`` thread
    blocks, one above the other, share the operand that the columns belong to: each loads a part of it for all.

    Raises ``ValueError`` that names the field which the tensor core or the registers do not allow.

    >>> DenseVariant(rows=128, columns=256).registers
    128
    """

    rows: int = 128
    columns: int = 256
    depth: int = 128
    stages: int = 4
    warpgroups: int = 2
    cluster: int = 2
    #: clusters walk over the tiles in bands of this many clusters' rows, so that what they share stays in the L2
    band: int = 8
    #: thread blocks on the device
    blocks: int = 132

    def __post_init__(self) -> None:
        for name, accepted in (("warpgroups", (1, 2)), ("cluster", (1, 2, 4)), ("stages", range(2, 17))):
            if getattr(self, name) not in accepted:
                raise ValueError(f"{name}={getattr(self, name)} must be one of {list(accepted)}")
        for name, unit, top in (
            ("rows", ROWS * self.warpgroups, 256),
            ("columns", SQUARE, 256),
            ("depth", 64, 256),
            ("blocks", self.cluster, 1 << 16),
        ):
            value = getattr(self, name)
            if value % unit or not 0 < value <= top:
                raise ValueError(f"{name}={value} must be a multiple of {unit} in [{unit}, {top}]")
        if self.band < 1:
            raise ValueError(f"band={self.band} must be at least 1")
        if self.registers > 128:
            raise ValueError(f"{self.rows} x {self.columns} results need {self.registers} registers a thread of 128")

    @property
    def registers(self) -> int:
        """Registers of each thread that hold results."""
        return self.rows * self.columns // (128 * self.warpgroups)

    @property
    def own_rows(self) -> int:
        """Rows of one warpgroup."""
        return self.rows // self.warpgroups


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The tiles of a product and who computes them: clusters, each a band's next tile at a time."""

    rows: int  #: rows of tiles, counted in clusters
    columns: int
    steps: int  #: stages that K fills
    variant: DenseVariant

    @staticmethod
    def over(rows: int, columns: int, k: int, variant: DenseVariant) -> Walk:
        """The walk over ``rows`` x ``columns`` results."""
        return Walk(
            rows=math.ceil(rows / (variant.rows * variant.cluster)),
            columns=math.ceil(columns / variant.columns),
            steps=math.ceil(k / variant.depth),
            variant=variant,
        )

    @property
    def tiles(self) -> int:
        """Of clusters."""
        return self.rows * self.columns

    @property
    def clusters(self) -> int:
        """How many run at once."""
        return min(self.variant.blocks // self.variant.cluster, self.tiles)

    @property
    def filled_rows(self) -> int:
        """Rows with those that only fill up the last tiles."""
        return self.rows * self.variant.rows * self.variant.cluster

    @property
    def filled_columns(self) -> int:
        """Columns with those that only fill up the last tiles."""
        return self.columns * self.variant.columns

    def count(self, cluster: Any) -> Any:
        """Tiles of one cluster."""
        return lax.div(self.tiles - 1 - cluster, self.clusters) + 1

    def origin(self, cluster: Any, place: Any, index: Any) -> tuple[Any, Any]:
        """First row and column of the ``index``-th tile of a thread block, the ``place``-th of its cluster."""
        plgpu, _ = pallas()
        grid, band = (self.rows, self.columns), self.variant.band
        row, column = plgpu.planar_snake(index * self.clusters + cluster, grid, 0, band)
        return (row * self.variant.cluster + place) * self.variant.rows, column * self.variant.columns
