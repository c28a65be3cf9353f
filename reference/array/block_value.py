"""Values of codes in blocks, on NumPy arrays: the exact value, rounded once."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from formats.block_formats.spec import BlockSpec, Coding, Form, Level, Shift
from formats.code_books.book import CodebookSpec
from reference.array import block_grid, decode, odd, table
from reference.array.block_request import significant_bits

#: the dtypes that values may be rounded to
DTYPES: dict[str, Any] = {name: np.dtype(name) for name in ("float32", "float64", "float16")} | {
    "bfloat16": np.dtype(ml_dtypes.bfloat16)
}
_BITS = 53
#: of a binary32 number and of a midpoint between two
_MIDPOINT_BITS = 25

Floats = NDArray[np.floating[Any]]


class Parts(NamedTuple):
    """Codes, and the numbers of their blocks; None for what the format does not have."""

    codes: NDArray[Any]
    scales: NDArray[Any]
    second: Floats | None
    shifts: NDArray[Any] | None
    shift_second: Floats | None


def dequantize(parts: Parts, spec: BlockSpec, dtype: str) -> Floats:
    """Values in a dtype of `DTYPES`, each rounded once, to nearest even; arguments are taken as checked."""
    with np.errstate(all="ignore"):
        value = _exact(parts, spec, wide=dtype == "float64")
        if dtype == "float64":
            return value
        narrow: Floats = odd.to_float32(value)
        return value.astype(np.float32) if dtype == "float32" else narrow.astype(DTYPES[dtype])


def _exact(parts: Parts, spec: BlockSpec, *, wide: bool) -> Floats:
    """float64 values: exact, or such that rounding them again is as if they were; ``wide``: the nearest ones."""
    shape, counts = parts.codes.shape, parts.scales.shape
    scale, divisor = _numbers(parts.scales, parts.second, spec.scale, counts)
    value = numbers(parts.codes, spec.element) * block_grid.spread(scale, spec.block, shape, np)
    if divisor is not None:
        value = value / block_grid.spread(divisor, spec.block, shape, np)
    if spec.shift is None or parts.shifts is None:
        return value
    shift, _ = _numbers(parts.shifts, parts.shift_second, spec.shift, counts)
    if spec.shift_kind is Shift.ZERO_POINT:
        shift = scale * shift
    subtracted = block_grid.spread(-shift if spec.shift_kind is Shift.OFFSET else shift, spec.block, shape, np)
    return value - subtracted if wide else odd.difference(value, subtracted)


def _numbers(codes: NDArray[Any], second: Floats | None, level: Level, counts: tuple[int, ...]) -> tuple[Floats, Any]:
    """Numbers of a level on the grid of blocks, float64; a divisor is returned beside them."""
    first = numbers(codes, level.format)
    if second is None:
        return first, None
    shared = block_grid.spread_second(second.astype(np.float64), level.per, counts, np)
    return (first, shared) if level.form is Form.DIVISOR else (first * shared, None)


def numbers(codes: NDArray[Any], spec: Coding) -> Floats:
    """The values of codes that exist, float64."""
    if not isinstance(spec, CodebookSpec) and spec.bits > 16:
        return decode.decode(codes, spec, np).astype(np.float64)
    return np.take(_table(spec), codes, mode="clip")


@functools.lru_cache(maxsize=64)
def _table(spec: Coding) -> Floats:
    if not isinstance(spec, CodebookSpec):
        return table.decode_table(spec).astype(np.float64)
    values = np.array([numerator / spec.denominator for numerator in spec.numerators])
    if spec.negative_zero is not None:
        values[spec.negative_zero] = -0.0
    return values


def refuse_wide(spec: BlockSpec) -> None:
    """``ValueError`` for a format whose products binary64 does not hold."""
    levels = [level for level in (spec.scale, spec.shift) if level]
    for part in (spec.element, *(level.format for level in levels)):
        if isinstance(part, CodebookSpec) and part.denominator & (part.denominator - 1):
            raise ValueError(f"{spec.name}: values of {part.name} are no binary numbers; reference.exact takes them")
    if spec.shift is not None and any(level.form is Form.DIVISOR and level.second for level in levels):
        raise ValueError(f"{spec.name}: arrays have no second-level divisor beside a shift; reference.exact takes it")
    divides = spec.scale.second is not None and spec.scale.form is Form.DIVISOR
    needed = significant_bits(spec.element) + _bits(spec.scale, product=not divides)
    if spec.shift is not None:
        zero_point = _bits(spec.scale, product=True) if spec.shift_kind is Shift.ZERO_POINT else 0
        needed = max(needed, zero_point + _bits(spec.shift, product=True))
    if divides and spec.scale.second is not None:
        needed = max(needed, _MIDPOINT_BITS + significant_bits(spec.scale.second))
    if needed > _BITS:
        raise ValueError(f"{spec.name}: products of {needed} bits, arrays hold {_BITS}; reference.exact takes them")


def _bits(level: Level, *, product: bool) -> int:
    return significant_bits(level.format) + (significant_bits(level.second) if product and level.second else 0)
