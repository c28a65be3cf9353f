"""The order in which K is taken and how it is split, as data."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from formats.policy import parse_enum


class KOrder(enum.Enum):
    """The order of the elements of K."""

    NATURAL = "natural"  #: 0, 1, 2 ...
    #: in each 32 first those with k mod 4 in {0, 1}, then those in {2, 3} (Triton and Pallas, FP8 widened to float16)
    PAIRS_OF_FOUR = "pairs_of_four"


class Combine(enum.Enum):
    """How the partial sums of S slices become one, each addition to nearest even in the output's format."""

    IN_ORDER = "in_order"  #: ((p0 + p1) + p2) + ... (cuBLAS)
    BY_HALVES = "by_halves"  #: i with i + S/2, then i with i + S/4, ... S a power of two (XLA's Triton fusions)
    #: four lanes take every fourth slice and add neighbours, (p0 + p4) + (p8 + p12); then the lanes, by halves; S a
    #: power of two of at least 4 (XLA's reduction after a Triton fusion of 16 slices, on an H200)
    FOUR_LANES = "four_lanes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """K is put in an order, then cut into tiles of ``tile`` elements, the last one as long as is left.

    Slices are runs of ``ceil(tiles / slices)`` tiles, as long as there are tiles; what is beyond them is empty. Each
    slice is summed from +0, the first from ``c``, and the sums are combined; an empty slice is +0. Strings stand for
    enum members.

    >>> Schedule(order="natural", slices=3, tile=128, combine="in_order").bounds(640)
    ((0, 256), (256, 512), (512, 640))
    """

    order: KOrder
    slices: int = 1
    #: elements of a tile; stated where there is more than one slice
    tile: int | None = None
    combine: Combine | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", parse_enum(KOrder, self.order, "order"))
        if self.slices < 1:
            raise ValueError(f"Schedule: slices={self.slices} must be at least 1")
        if (self.slices > 1) != (self.tile is not None) or (self.slices > 1) != (self.combine is not None):
            raise ValueError(f"Schedule: slices={self.slices}: tile and combine go with more than one slice")
        if self.tile is not None and self.tile < 1:
            raise ValueError(f"Schedule: tile={self.tile} must be at least 1")
        if self.combine is not None:
            object.__setattr__(self, "combine", parse_enum(Combine, self.combine, "combine"))
        if self.combine in (Combine.BY_HALVES, Combine.FOUR_LANES) and self.slices & (self.slices - 1):
            raise ValueError(
                f"Schedule: slices={self.slices} must be a power of two to be combined {self.combine.value}"
            )
        if self.combine is Combine.FOUR_LANES and self.slices < 4:
            raise ValueError(f"Schedule: slices={self.slices} do not fill four_lanes")

    def permutation(self, length: int) -> tuple[int, ...]:
        """The elements of K in the order they are taken; ``ValueError`` if ``length`` does not fit the order.

        >>> Schedule(order="pairs_of_four").permutation(32)[:10]
        (0, 1, 4, 5, 8, 9, 12, 13, 16, 17)
        """
        if self.order is KOrder.NATURAL:
            return tuple(range(length))
        if length % 32:
            raise ValueError(f"order={self.order.value!r} needs K a multiple of 32, not K={length}")
        return tuple(start + k for start in range(0, length, 32) for k in _PAIRS)

    def bounds(self, length: int) -> tuple[tuple[int, int], ...]:
        """Start and stop of each slice."""
        if self.tile is None:
            return ((0, length),)
        tiles = math.ceil(length / self.tile)
        run = math.ceil(tiles / self.slices) * self.tile
        return tuple((min(s * run, length), min((s + 1) * run, length)) for s in range(self.slices))


_PAIRS = (*(k for k in range(32) if k % 4 in (0, 1)), *(k for k in range(32) if k % 4 in (2, 3)))
