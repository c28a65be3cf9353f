"""One cell on all blocks: ranges of groups, the search, and the sums of the metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.comparison import kernel
from analysis.comparison.blocks import Blocks
from analysis.comparison.grid import Cell
from analysis.metrics import ulp_scale
from reference.quantize import Recipe, ScaleRule, shrink_factors
from reference.quantize.scale import Mapping, unit

_Array = NDArray[Any]


def execute(cell: Cell, blocks: Blocks) -> dict[str, _Array]:
    """The sums and maxima of `kernel.NAMES` for each tensor, in order; what is no number is infinite.

    Raises ``ValueError`` if a scale lies beyond the range of the scale format.
    """
    starts = blocks.starts(cell.granularity)
    low, high = np.minimum.reduceat(blocks.low, starts), np.maximum.reduceat(blocks.high, starts)
    spread = _Spread(starts, blocks)
    ranges = spread(low), spread(high)
    shrink = np.ones(len(starts))
    if cell.scale_rule is ScaleRule.MSE:
        shrink = _search(cell.recipe, blocks, ranges, starts)
    sums = _measure(cell.recipe, blocks, ranges, spread(shrink))
    return {name: _per_tensor(name, values, blocks.first) for name, values in sums.items()}


class _Spread:
    """Values of groups, repeated for each of their blocks and for the padding of the last chunk."""

    def __init__(self, starts: NDArray[np.int64], blocks: Blocks) -> None:
        self.lengths = np.diff(starts, append=len(blocks.low))
        self.padding = blocks.x.shape[0] * blocks.x.shape[2] - len(blocks.low)

    def __call__(self, values: _Array) -> _Array:
        return np.pad(np.repeat(values, self.lengths), (0, self.padding), mode="edge")


def _scales(made: Recipe, low: _Array, high: _Array, shrink: _Array) -> tuple[Any, Any]:
    bounds = tuple(np.full(low.shape, bound) for bound in made.bounds)
    return kernel.scales(low, high, shrink, bounds, unit(made.spec), kind=made.mapping, scale_format=made.scale_format)


def _search(made: Recipe, blocks: Blocks, ranges: tuple[_Array, _Array], starts: NDArray[np.int64]) -> _Array:
    """The best shrink factor of each group."""
    factors = np.array(shrink_factors(made.spec))
    errors: list[Any] = []
    for where, x, count in blocks.chunks():
        scale, shift = _scales(made, ranges[0][None, where], ranges[1][None, where], factors[:, None])
        errors.append(kernel.search(x, count, scale, shift, made=made))
    total = np.concatenate([np.asarray(e) for e in errors], axis=1)[:, : len(blocks.low)]
    grouped = _add_groups(total, starts)
    return factors[np.argmin(np.where(np.isnan(grouped), np.inf, grouped), axis=0)]


def _add_groups(values: _Array, starts: NDArray[np.int64]) -> _Array:
    """float64 sums of ``[candidates, blocks]`` over each group; by strides, which is faster, for short equal groups."""
    lengths = np.diff(starts, append=values.shape[1])
    length = int(lengths[0])
    if length > 4 or (lengths != length).any():
        return np.add.reduceat(values, starts, axis=1, dtype=np.float64)
    total = values[:, ::length].astype(np.float64)
    for i in range(1, length):
        total += values[:, i::length]
    return total


def _measure(made: Recipe, blocks: Blocks, ranges: tuple[_Array, _Array], shrink: _Array) -> dict[str, _Array]:
    found: list[dict[str, Any]] = []
    for where, x, count in blocks.chunks():
        scale, shift = _scales(made, ranges[0][where], ranges[1][where], shrink[where])
        y = kernel.reconstruct(x, scale, shift, made=made)
        none = np.zeros_like(shift)
        zero, offset = (shift, none) if made.mapping is Mapping.ZERO_POINT else (none, shift)
        least, largest = (bound - zero for bound in made.bounds)
        sums = kernel.measure(x, count, y, scale, offset, least, largest, ulp_scale(made.spec))
        found.append({**sums, "scale": scale})
    joined = {name: np.concatenate([np.asarray(part[name]) for part in found])[: len(blocks.low)] for name in found[0]}
    if not np.isfinite(joined.pop("scale")).all():
        raise ValueError(f"a scale lies beyond the range of scale_format={made.scale_format.name!r}; take a wider one")
    return joined


def _per_tensor(name: str, values: _Array, first: NDArray[np.int64]) -> _Array:
    reduced = (np.maximum if name.startswith("max") else np.add).reduceat(values, first).astype(np.float64)
    return np.where(np.isnan(reduced), np.inf, reduced)
