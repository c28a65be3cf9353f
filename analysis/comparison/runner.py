"""`analysis.compare`: every chosen way of quantising, on every tensor."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from itertools import groupby
from typing import Any, TypeVar, cast

import jax
import numpy as np
import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import ArrayLike, NDArray

from analysis.comparison.block_cells import BlockCell
from analysis.comparison.block_execute import execute_blocks
from analysis.comparison.blocks import Blocks, block_size, lay_out, lay_out_counted
from analysis.comparison.execute import execute
from analysis.comparison.grid import Cell, Policy, cells, refuse_nothing
from analysis.comparison.left_out import LeftOut
from analysis.comparison.measured import Weights, rows
from analysis.progress import Progress, silent
from analysis.tensors import Tensor
from formats import Format, Rounding, Saturation
from formats.block_formats.rule import BlockRule
from formats.block_formats.spec import BlockSpec
from reference.quantize import Extent, Granularity, ScaleRule, Scheme

_AnyCell = Cell | BlockCell
_C = TypeVar("_C", Cell, BlockCell)
_Sums = dict[str, NDArray[Any]]
_MOST_THREADS = 4  # each holds some hundred bytes a block


def compare(
    tensors: Iterable[Tensor] | Mapping[str, ArrayLike],
    *,
    formats: Iterable[str | Format | BlockSpec] | None = None,
    granularities: Iterable[str | Granularity] | None = None,
    schemes: Iterable[str | Scheme] | None = None,
    scale_rules: Iterable[str | ScaleRule] | None = None,
    block_rules: Iterable[str | BlockRule] | None = None,
    scale_format: str | Format = "bfloat16",
    rounding: Rounding | str,
    saturation: Saturation | str,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Quantise every tensor in every chosen way; one row each, metrics over all elements.

    ``tensors``: `analysis.tensors.Tensor` records, or arrays by name; float16, bfloat16, float32 or float64. What is
    not chosen is filled in as `analysis.comparison.cells` says. Scales and offsets are stored in ``scale_format``:
    bfloat16 has binary32's range, so that no format's largest value ``M`` (57344 for E5M2) drives ``absmax / M`` into
    subnormals, as it does in float16, at the same 16 bits; the price is a scale up to ``2^-7`` too large.

    Block formats (`formats.blocks`) among ``formats`` bring granularity, scheme, scales and, with their rule, rounding
    and saturation: they are run by ``block_rules``, or each by its own (`analysis.comparison.DEFAULT_RULES`). They take
    no float64. Blocks are cut from the matrix of channels, as groups are; short ones at the ends stay short.

    Columns: ``tensor, shape, elements, nonzero, kind`` (``scalar`` or ``block``), ``format, bits, granularity, scheme,
    scale_rule, scale_format, rounding, saturation``; ``snr_db, max_rel, mean_rel, max_ulp, mean_ulp, saturated,
    underflowed`` (`analysis.metrics`; the last two are fractions of the elements); ``bits_per_weight``: code, plus
    scale and zero point or offset divided among the group; ``signal`` and ``noise``, the sums of ``x^2`` and
    ``(x - y)^2``. Codes of 2-bit ternary count as 2 bits.
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
    wanted, left_out = cells(
        policy,
        formats=formats,
        granularities=granularities,
        schemes=schemes,
        scale_rules=scale_rules,
        block_rules=block_rules,
    )
    chosen, refused = _without_wide(wanted, weights)
    left_out += refused
    refuse_nothing(chosen, left_out)
    found = _run_all(chosen, weights, progress)
    table = pd.DataFrame([row for cell in chosen for row in found[cell]])
    table.attrs["left_out"] = [asdict(out) for out in left_out]
    return table


def _records(tensors: Iterable[Tensor] | Mapping[str, ArrayLike]) -> list[Tensor]:
    if not isinstance(tensors, Mapping):
        return list(tensors)
    named = cast("Mapping[str, Any]", tensors)
    return [Tensor(name=name, values=np.asarray(array), source="given") for name, array in named.items()]


def _without_wide(wanted: Sequence[_AnyCell], weights: Weights) -> tuple[list[_AnyCell], list[LeftOut]]:
    """The cells that take the dtypes of all tensors, and block formats beside a float64 tensor."""
    wide = next((tensor.name for tensor in weights.tensors if tensor.values.dtype.itemsize == 8), None)
    if wide is None:
        return list(wanted), []
    reason = f"tensor {wide!r} is float64, which block formats do not take"
    chosen: list[_AnyCell] = [cell for cell in wanted if isinstance(cell, Cell)]
    return chosen, [cell.left_out(reason) for cell in wanted if isinstance(cell, BlockCell)]


def _run_all(chosen: Sequence[_AnyCell], weights: Weights, progress: Progress) -> dict[_AnyCell, list[dict[str, Any]]]:
    """The rows of every cell. Cells that share a layout run side by side; one layout lives at a time."""

    def layout(cell: Cell) -> tuple[bool, int, str]:
        return _layout(cell, weights)

    found: dict[_AnyCell, list[dict[str, Any]]] = {}
    cells = dict.fromkeys(chosen)
    done, total = 0, sum(map(_cost, cells))
    progress(done, total, "reading")

    def note(results: Iterator[tuple[_AnyCell, _Sums]]) -> None:
        nonlocal done
        for cell, sums in results:
            found[cell] = rows(cell, weights, sums)
            done += _cost(cell)
            progress(done, total, cell.label)

    scalars = sorted((cell for cell in cells if isinstance(cell, Cell)), key=layout)
    for (counted, size, dtype), group in groupby(scalars, key=layout):
        blocks = lay_out_counted(weights.tensors, dtype) if counted else lay_out(weights.tensors, size, dtype)
        note(_side_by_side(list(group), functools.partial(_execute, blocks=blocks)))
    blocked = [cell for cell in cells if isinstance(cell, BlockCell)]
    note(_side_by_side(blocked, functools.partial(_execute_blocks, tensors=weights.tensors)))
    return found


def _side_by_side(group: Sequence[_C], run: Callable[[_C], _Sums]) -> Iterator[tuple[_C, _Sums]]:
    """What each cell finds, as it finds it; an interrupt or error drops the cells that have not begun."""
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        cells = {pool.submit(run, cell): cell for cell in group}
        try:
            for future in as_completed(cells):
                yield cells[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _execute(cell: Cell, blocks: Blocks) -> _Sums:
    with jax.enable_x64(True), _on_cpu():  # both hold for this thread alone
        return execute(cell, blocks)


def _execute_blocks(cell: BlockCell, tensors: Sequence[Tensor]) -> _Sums:
    with _on_cpu():
        return execute_blocks(cell, tensors)


def _on_cpu() -> Any:
    return jax.default_device(cast(Any, jax).devices("cpu")[0])


def _layout(cell: Cell, weights: Weights) -> tuple[bool, int, str]:
    counted = cell.granularity.extent is Extent.TENSOR
    return counted, block_size(cell.granularity), cell.recipe.working_dtype(weights.dtype).name


def _cost(cell: _AnyCell) -> int:
    """Rough share of the time; a layout of distinct values is nearly free."""
    if isinstance(cell, BlockCell):
        return 8
    if cell.granularity.extent is Extent.TENSOR:
        return 1
    return 12 if cell.scale_rule is ScaleRule.MSE else 4
