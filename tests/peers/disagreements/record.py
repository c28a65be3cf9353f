"""The record of one known disagreement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from packaging.specifiers import SpecifierSet
from peers.adapters.peer import Codes, Policy
from peers.case import Case, Mask
from peers.processor import features


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One input, what the judge makes of it and what the peer makes of it."""

    fmt: str
    source: str
    value: float
    judge: int
    peer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """Inputs on which peers differ from the judge, and what they say there.

    ``where(case)`` marks the inputs, ``says(case)`` gives the peers' codes there; both are checked for every peer,
    format and source dtype listed. ``about_nan`` entries are about which NaN code is produced, others take all NaNs
    as equal. ``jax`` is a version specifier for what has changed between releases; ``lacking`` names a feature of
    processors with which peers agree with the judge; ``draws`` picks among the random bits of a stochastic rounding.
    """

    peers: tuple[str, ...]
    formats: tuple[str, ...]
    sources: tuple[str, ...]
    inputs: str
    judge: str
    peer: str
    where: Callable[[Case], Mask]
    says: Callable[[Case], Codes]
    why: str
    example: Example
    link: str = ""
    about_nan: bool = False
    jax: str = ""
    lacking: str = ""
    draws: Callable[[Policy], bool] = lambda policy: True

    @property
    def about(self) -> str:
        """What JAX and which processors the entry is about, if not all."""
        jax, processors = f"JAX {self.jax}", f"processors without {self.lacking}"
        return ", ".join([jax] * bool(self.jax) + [processors] * bool(self.lacking))

    @property
    def applies(self) -> bool:
        """Whether the installed JAX, and this processor, are such."""
        return self.lacking not in features() and (not self.jax or version("jax") in SpecifierSet(self.jax))
