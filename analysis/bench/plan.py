"""What a benchmark is going to measure: kernels, shapes, and what each cannot do without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.bench.cost import bfloat16_bytes, moved, operations
from kernels_ref.contracts import Operation, Shape, contract, contracts, matching

#: rows and columns of the planes that element and block kernels work on
PLANE = Shape(m=8192, k=16384)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kernel at one shape."""

    name: str  #: of the contract
    way: str  #: dotted name of the kernel
    shape: Shape

    @property
    def bytes(self) -> float:
        """That have to move."""
        return moved(contract(self.name), self.shape)

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return operations(contract(self.name), self.shape)

    @property
    def fewer_bytes(self) -> float | None:
        """How many times more bytes the product in bfloat16 moves; None for what is no product."""
        return bfloat16_bytes(self.shape) / self.bytes if self.operations else None


def plan(pattern: str, shapes: Sequence[Shape], *, plane: Shape = PLANE) -> list[Case]:
    """Kernels for the GPU of every contract whose name matches, products at each of the shapes, others on a plane.

    XLA's compilation of the golden model of a product is no kernel, and is left out; that of an element or block
    kernel is its rival, and is not.

    Raises ``ValueError`` where nothing matches.

    >>> [(case.shape.m, round(case.fewer_bytes, 2)) for case in plan("w4a16_g128", [Shape(m=16, n=4096, k=4096)])]
    [(16, 3.79)]
    """
    names = matching(pattern)
    if not names:
        raise ValueError(f"no kernel matches {pattern!r}; there are {', '.join(contracts())}")
    return [case for name in names for case in _cases(name, shapes, plane)]


def _cases(name: str, shapes: Sequence[Shape], plane: Shape) -> list[Case]:
    claim = contract(name)
    if claim.operation is Operation.SCALED_PRODUCT:
        return [Case(name=name, way=way, shape=shape) for way in claim.kernels[1:] for shape in shapes]
    whole = Shape(m=plane.m, k=plane.k - plane.k % 5) if "base3" in name else plane
    return [Case(name=name, way=way, shape=whole) for way in claim.kernels]
