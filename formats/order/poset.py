"""Posets on few points, their up-sets, and the sixteen on four points that poset filters are made of."""

from __future__ import annotations

import functools
from dataclasses import dataclass

LARGEST = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Poset:
    """A partial order on the points ``0 .. size - 1``, by pairs ``(i, j)`` with ``i < j`` in the order.

    ``below``: any relations that generate the order; it is their transitive closure. At most 16 points. Raises
    ``ValueError`` for a point that does not exist and for a cycle.

    >>> chain = Poset(name="chain", size=3, below=((0, 1), (1, 2)))
    >>> chain.up_sets
    ((), (2,), (1, 2), (0, 1, 2))
    """

    name: str
    size: int
    below: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.size <= LARGEST:
            raise ValueError(f"poset {self.name!r}: size={self.size} must lie in 1..{LARGEST}")
        for pair in self.below:
            if not all(0 <= point < self.size for point in pair):
                raise ValueError(f"poset {self.name!r}: {pair} names a point that is none of 0..{self.size - 1}")
        for i, j in self.relations:
            if i == j or (j, i) in self.relations:
                raise ValueError(f"poset {self.name!r}: {i} < {j} < {i} is a cycle")

    @property
    def relations(self) -> frozenset[tuple[int, int]]:
        """Every pair ``i < j``."""
        return _closure(self.below)

    @property
    def up_sets(self) -> tuple[tuple[int, ...], ...]:
        """The sets that hold with each point all above it, the smaller first, then in the order of their points.

        Their indicator vectors are the vertices of the order polytope (Stanley, Two poset polytopes, 1986).
        """
        return _up_sets(self)

    @property
    def opposite(self) -> Poset:
        """The same points in the other direction."""
        return Poset(name=f"{self.name}_opposite", size=self.size, below=tuple((j, i) for i, j in self.below))

    def union(self, other: Poset) -> Poset:
        """Both side by side; the points of ``other`` are counted on."""
        return Poset(name=f"{self.name}+{other.name}", size=self.size + other.size, below=self._joined(other))

    def ordinal_sum(self, other: Poset) -> Poset:
        """Both, with every point of ``other`` above every point of this one."""
        between = tuple((i, self.size + j) for i in range(self.size) for j in range(other.size))
        size = self.size + other.size
        return Poset(name=f"{self.name}<{other.name}", size=size, below=(*self._joined(other), *between))

    def _joined(self, other: Poset) -> tuple[tuple[int, int], ...]:
        return (*self.below, *((self.size + i, self.size + j) for i, j in other.below))


@functools.cache
def _closure(below: tuple[tuple[int, int], ...]) -> frozenset[tuple[int, int]]:
    pairs = set(below)
    while True:
        longer = {(i, k) for i, j in pairs for m, k in below if j == m} - pairs
        if not longer:
            return frozenset(pairs)
        pairs |= longer


@functools.cache
def _up_sets(poset: Poset) -> tuple[tuple[int, ...], ...]:
    sets = [tuple(i for i in range(poset.size) if mask >> i & 1) for mask in range(1 << poset.size)]
    closed = [s for s in sets if all(j in s for i, j in poset.relations if i in s)]
    return tuple(sorted(closed, key=lambda s: (len(s), s)))


#: the cover relations of the sixteen, in the numbering of mendozacortesgroup/Poset-filters
_FOUR_POINTS = (
    ((0, 3), (1, 3), (2, 3)),
    (),
    ((0, 1),),
    ((0, 2), (1, 2), (2, 3)),
    ((0, 2), (1, 2)),
    ((0, 1), (0, 2)),
    ((0, 1), (2, 3)),
    ((0, 1), (1, 2), (1, 3)),
    ((0, 1), (1, 2)),
    ((0, 1), (0, 2), (0, 3)),
    ((0, 1), (0, 2), (2, 3)),
    ((0, 2), (0, 3), (1, 2), (1, 3)),
    ((0, 1), (2, 1), (2, 3)),
    ((0, 1), (1, 2), (2, 3)),
    ((0, 1), (1, 3), (0, 2), (2, 3)),
    ((0, 2), (2, 3), (1, 3)),
)
_POSETS = tuple(Poset(name=f"poset{i}", size=4, below=below) for i, below in enumerate(_FOUR_POINTS))


def four_point_posets() -> tuple[Poset, ...]:
    """The sixteen posets on four points, up to isomorphism, in the numbering of Poset-filters.

    Source: Dolores-Cuenca et al., arXiv 2412.06097, and its code mendozacortesgroup/Poset-filters, poset_utils.py.

    >>> [len(p.up_sets) for p in four_point_posets()]
    [9, 16, 12, 6, 10, 10, 9, 6, 8, 9, 7, 7, 8, 5, 6, 7]
    """
    return _POSETS


def four_point_poset(index: int) -> Poset:
    """One of the sixteen. Raises ``KeyError`` for another number.

    >>> four_point_poset(13).below
    ((0, 1), (1, 2), (2, 3))
    """
    if index not in range(len(_POSETS)):
        raise KeyError(f"poset {index!r} is none of the four-point posets, which have the numbers 0..15")
    return _POSETS[index]
