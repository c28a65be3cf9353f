"""What a cell found."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How many comparisons were made, how many failed, the first failure, and a digest of what was compared."""

    compared: int
    mismatches: int
    first: str
    digest: str


@dataclass(slots=True)
class Tally:
    """Adds comparisons up to an `Outcome`."""

    compared: int = 0
    mismatches: int = 0
    first: str = ""
    _hash: Any = field(default_factory=hashlib.sha256)

    def equal(self, expected: NDArray[Any], got: NDArray[Any], inputs: NDArray[Any], label: str) -> None:
        """Compare every element; arrays of unequal shape are a mismatch throughout."""
        self._hash.update(np.ascontiguousarray(expected).tobytes())
        self.compared += expected.size
        if got.shape != expected.shape or got.dtype != expected.dtype:
            self.mismatches += expected.size
            self.first = self.first or f"{label}: {got.dtype}{got.shape} instead of {expected.dtype}{expected.shape}"
            return
        if np.array_equal(expected, got):
            return
        bad = np.flatnonzero(expected != got)
        self.mismatches += bad.size
        if not self.first:
            i = int(bad[0])
            self.first = f"{label}: input {inputs.flat[i]!r}: {expected.flat[i]!r} expected, {got.flat[i]!r} found"

    def outcome(self) -> Outcome:
        """The sum."""
        return Outcome(
            compared=self.compared, mismatches=self.mismatches, first=self.first, digest=self._hash.hexdigest()
        )
