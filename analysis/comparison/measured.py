"""The tensors of a comparison, checked, and the rows of its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.comparison.block_cells import BlockCell
from analysis.comparison.grid import Cell
from analysis.metrics import snr_db
from analysis.tensors import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """Tensors without NaN or infinity, what is known of each, and the dtype that holds all of them exactly."""

    tensors: tuple[Tensor, ...]
    signal: tuple[float, ...]
    nonzero: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, tensors: Sequence[Tensor]) -> Weights:
        """Check and count; ``ValueError`` names the first tensor that cannot be compared."""
        if not tensors:
            raise ValueError("there is no tensor to compare")
        for tensor in tensors:
            _refuse(tensor)
        return cls(
            tensors=tuple(tensors),
            signal=tuple(_signal(tensor.values) for tensor in tensors),
            nonzero=tuple(int(np.count_nonzero(tensor.values)) for tensor in tensors),
            dtype=np.dtype(np.float64 if any(_needs_double(tensor.values) for tensor in tensors) else np.float32),
        )


def _refuse(tensor: Tensor) -> None:
    if not tensor.values.size:
        raise ValueError(f"tensor {tensor.name!r} of shape {tensor.values.shape} is empty; leave it out")
    finite = np.isfinite(tensor.values)
    if not finite.all():
        nan = int(np.isnan(tensor.values).sum())
        infinite = int((~finite).sum()) - nan
        raise ValueError(
            f"tensor {tensor.name!r} holds {nan} NaN and {infinite} infinite elements, which have no scale: replace"
            " them, or choose other tensors by name"
        )


def _signal(values: NDArray[Any]) -> float:
    flat = values.reshape(-1)
    parts = (flat[i : i + (1 << 20)].astype(np.float64) for i in range(0, flat.size, 1 << 20))
    return sum(float(np.dot(part, part)) for part in parts)


def _needs_double(values: NDArray[Any]) -> bool:
    """float64, or float32 subnormals, which XLA takes for zero on the CPU."""
    if values.dtype.name in ("float64", "float16"):
        return values.dtype.name == "float64"
    magnitude = np.abs(values.astype(np.float32, copy=False))
    return bool(((magnitude > 0) & (magnitude < np.finfo(np.float32).smallest_normal)).any())


def rows(cell: Cell | BlockCell, weights: Weights, sums: dict[str, NDArray[Any]]) -> list[dict[str, Any]]:
    """A row of the table for each tensor."""
    return [
        _row(cell, weights, i, {name: float(values[i]) for name, values in sums.items()})
        for i in range(len(weights.tensors))
    ]


def _row(cell: Cell | BlockCell, weights: Weights, i: int, sums: dict[str, float]) -> dict[str, Any]:
    tensor = weights.tensors[i]
    elements, nonzero = tensor.values.size, weights.nonzero[i]
    return {
        "tensor": tensor.name,
        "shape": "x".join(map(str, tensor.values.shape)),
        "elements": elements,
        "nonzero": nonzero,
        **cell.described,
        "snr_db": snr_db(weights.signal[i], sums["noise"]),
        "max_rel": sums["max_rel"],
        "mean_rel": sums["sum_rel"] / max(nonzero, 1),
        "max_ulp": sums["max_ulp"],
        "mean_ulp": sums["sum_ulp"] / elements,
        "bits_per_weight": cell.bits_per_weight(tensor.values.shape),
        "saturated": sums["saturated"] / elements,
        "underflowed": sums["underflowed"] / elements,
        "signal": weights.signal[i],
        "noise": sums["noise"],
    }
