"""`analysis.compare`: every chosen way of quantising, on every tensor."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from itertools import groupby
from typing import Any, cast

import jax
import numpy as np
import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import ArrayLike, NDArray

from analysis.comparison.blocks import Blocks, block_size, lay_out, lay_out_counted
from analysis.comparison.execute import execute
from analysis.comparison.grid import Cell, Policy, cells
from analysis.comparison.measured import Weights, rows
from analysis.tensors import Tensor
from formats import Format, Rounding, Saturation
from reference.quantize import Extent, Granularity, ScaleRule, Scheme

#: hears how much of the work is done, of how much, and which cell is next
Progress = Callable[[int, int, str], None]


_MOST_THREADS = 4  # each holds some hundred bytes a block


def _silent(done: int, total: int, label: str) -> None:
    """Report nothing."""


def compare(
    tensors: Iterable[Tensor] | Mapping[str, ArrayLike],
    *,
    formats: Iterable[str | Format] | None = None,
    granularities: Iterable[str | Granularity] | None = None,
    schemes: Iterable[str | Scheme] | None = None,
    scale_rules: Iterable[str | ScaleRule] | None = None,
    scale_format: str | Format = "bfloat16",
    rounding: Rounding | str,
    saturation: Saturation | str,
    progress: Progress = _silent,
) -> pd.DataFrame:
    """Quantise every tensor in every chosen way; one row each, metrics over all elements.

    ``tensors``: `analysis.tensors.Tensor` records, or arrays by name; float16, bfloat16, float32 or float64. What is
    not chosen is filled in as `analysis.comparison.cells` says. Scales and offsets are stored in ``scale_format``:
    bfloat16 has binary32's range, so that no format's largest value ``M`` (57344 for E5M2) drives ``absmax / M`` into
    subnormals, as it does in float16, at the same 16 bits; the price is a scale up to ``2^-7`` too large.

    Columns: ``tensor, shape, elements, nonzero, format, bits, granularity, scheme, scale_rule, scale_format, rounding,
    saturation``; ``snr_db, max_rel, mean_rel, max_ulp, mean_ulp, saturated, underflowed`` (`analysis.metrics`; the last
    two are fractions of the elements); ``bits_per_weight``: code, plus scale and zero point or offset divided among the
    group; ``signal`` and ``noise``, the sums of ``x^2`` and ``(x - y)^2``. Codes of 2-bit ternary count as 2 bits.
    ``attrs["left_out"]`` lists combinations that mean nothing, with the reason.

    Sums of terms are float64 and cover every element. The MSE search compares sums taken in the working dtype (float32
    unless a tensor is float64 or holds float32 subnormals). Everything runs on the CPU.

    Raises ``ValueError`` for a tensor that is empty, or holds NaN or infinity, ``KeyError``, ``TypeError`` or
    ``ValueError`` for choices that do not exist.

    >>> table = compare({"w": np.float32([[0.5, -1.0, 0.25]])}, formats=["int4"], granularities=["channel"],
    ...                 schemes=["symmetric"], scale_rules=["absmax"], rounding="nearest_ties_to_even",
    ...                 saturation="sat_finite")
    >>> table.loc[0, "format"], round(float(table.loc[0, "bits_per_weight"]), 3)
    ('int4', 9.333)
    """
    weights = Weights.of(_records(tensors))
    policy = Policy(scale_format=scale_format, rounding=rounding, saturation=saturation)
    chosen, left_out = cells(
        policy, formats=formats, granularities=granularities, schemes=schemes, scale_rules=scale_rules
    )
    found = _run_all(chosen, weights, progress)
    table = pd.DataFrame([row for cell in chosen for row in found[cell]])
    table.attrs["left_out"] = [asdict(out) for out in left_out]
    return table


def _records(tensors: Iterable[Tensor] | Mapping[str, ArrayLike]) -> list[Tensor]:
    if not isinstance(tensors, Mapping):
        return list(tensors)
    named = cast("Mapping[str, Any]", tensors)
    return [Tensor(name=name, values=np.asarray(array), source="given") for name, array in named.items()]


def _run_all(chosen: Sequence[Cell], weights: Weights, progress: Progress) -> dict[Cell, list[dict[str, Any]]]:
    """The rows of every cell. Cells that share a layout run side by side; one layout lives at a time."""

    def layout(cell: Cell) -> tuple[bool, int, str]:
        return _layout(cell, weights)

    found: dict[Cell, list[dict[str, Any]]] = {}
    done, total = 0, sum(map(_cost, dict.fromkeys(chosen)))
    progress(done, total, "reading")
    for (counted, size, dtype), group in groupby(sorted(dict.fromkeys(chosen), key=layout), key=layout):
        blocks = lay_out_counted(weights.tensors, dtype) if counted else lay_out(weights.tensors, size, dtype)
        for cell, sums in _side_by_side(list(group), blocks):
            found[cell] = rows(cell, weights, sums)
            done += _cost(cell)
            progress(done, total, f"{cell.recipe.spec.name}, {cell.granularity.name}")
    return found


def _side_by_side(group: Sequence[Cell], blocks: Blocks) -> Iterator[tuple[Cell, dict[str, NDArray[Any]]]]:
    """What each cell finds, as it finds it; an interrupt or error drops the cells that have not begun."""
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        cells = {pool.submit(_execute, cell, blocks): cell for cell in group}
        try:
            for future in as_completed(cells):
                yield cells[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _execute(cell: Cell, blocks: Blocks) -> dict[str, NDArray[Any]]:
    cpu: Any = cast(Any, jax).devices("cpu")[0]
    with jax.enable_x64(True), jax.default_device(cpu):  # both hold for this thread alone
        return execute(cell, blocks)


def _layout(cell: Cell, weights: Weights) -> tuple[bool, int, str]:
    counted = cell.granularity.extent is Extent.TENSOR
    return counted, block_size(cell.granularity), cell.recipe.working_dtype(weights.dtype).name


def _cost(cell: Cell) -> int:
    """Rough share of the time; a layout of distinct values is nearly free."""
    if cell.granularity.extent is Extent.TENSOR:
        return 1
    return 12 if cell.scale_rule is ScaleRule.MSE else 4
