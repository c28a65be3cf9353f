"""Nodes that name their inputs, in an order in which each comes after them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    """What a node has."""

    @property
    def name(self) -> str:
        """Its own name."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the nodes that it takes."""
        ...


N = TypeVar("N", bound=Named)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graph(Generic[N]):
    """Nodes in an order in which each comes after its inputs; the last is the output.

    Raises ``ValueError`` for names that occur twice or come too late.
    """

    name: str
    nodes: tuple[N, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for node in self.nodes:
            if node.name in seen:
                raise ValueError(f"network {self.name!r}: two nodes are called {node.name!r}")
            missing = [name for name in node.inputs if name not in seen]
            if missing:
                raise ValueError(f"network {self.name!r}: {node.name!r} takes {missing[0]!r}, which is not before it")
            seen.add(node.name)

    def __getitem__(self, name: str) -> N:
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes)
        raise KeyError(f"unknown node {name!r} of network {self.name!r}; known: {known}")

    def __iter__(self) -> Iterator[N]:
        return iter(self.nodes)

    @property
    def output(self) -> N:
        """The node whose values are the network's."""
        return self.nodes[-1]
