"""Results against results, every bit: what was compared, what differed, and where first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np


@dataclass
class Tally:
    """Of many comparisons."""

    outputs: int = 0
    mismatches: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, got: Any, want: Any) -> None:
        """Compare two arrays or trees of them; those of other shapes or dtypes differ everywhere."""
        for x, y in zip(leaves(got), leaves(want), strict=True):
            size = int(np.prod(y.shape))
            self.outputs += size
            if x.shape != y.shape or x.dtype.itemsize != y.dtype.itemsize:
                wrong, first = size, f"{x.dtype.name}{list(x.shape)} where {y.dtype.name}{list(y.shape)} is due"
            else:
                wrong, first = difference(x, y)
            if wrong:
                self.mismatches += wrong
                self.failures[what] = f"{wrong:,} of {size:,}; {first}"

    def to_json(self) -> dict[str, Any]:
        return {"outputs": self.outputs, "mismatches": self.mismatches, "failures": self.failures}


def leaves(tree: Any) -> list[Any]:
    """The arrays of a result; of a `BlockTensor` those that it has."""
    fields = ("codes", "scales", "second", "shifts", "shift_second")
    if hasattr(tree, "codes") and hasattr(tree, "scales"):
        return [getattr(tree, name) for name in fields if getattr(tree, name) is not None]
    return [x if hasattr(x, "dtype") else np.asarray(x) for x in jax.tree.leaves(tree)]


def difference(x: Any, y: Any) -> tuple[int, str]:
    """How many elements differ in a bit, and the first of them; on the device, if both lie there."""
    if isinstance(x, jax.Array) and isinstance(y, jax.Array):
        wrong = int(_count(x, y))
        if not wrong:
            return 0, ""
    x, y = words(np.asarray(x)), words(np.asarray(y))
    unlike = x != y
    wrong = int(unlike.sum())
    if not wrong:
        return 0, ""
    at = tuple(int(i) for i in np.argwhere(unlike)[0])
    return wrong, f"first at {list(at)}: {int(x[at]):#x} where {int(y[at]):#x} is due"


def words(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Bit patterns."""
    if x.dtype.name in ("int4", "uint4"):
        return x.astype(np.uint8) & 15
    return x.view(f"u{x.dtype.itemsize}")


@jax.jit
def _count(x: jax.Array, y: jax.Array) -> jax.Array:
    return (_bits(x) != _bits(y)).sum()


def _bits(x: jax.Array) -> jax.Array:
    if x.dtype.name in ("int4", "uint4"):
        return x.astype("uint8") & 15
    return jax.lax.bitcast_convert_type(x, f"uint{8 * x.dtype.itemsize}")
