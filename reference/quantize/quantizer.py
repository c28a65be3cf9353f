"""Tensors to codes and back, group by group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats import IntSpec, parse_enum
from reference.array import codec, decode
from reference.codec import Codes, as_values
from reference.quantize.affine import from_grid, request, to_grid
from reference.quantize.granularity import Granularity, parse_granularity
from reference.quantize.recipe import Recipe
from reference.quantize.scale import Mapping, Parameters, ScaleRule, parameters, shrink_factors, unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantized:
    """Codes in the shape of the tensor, and the parameters of its groups in the order of `Granularity.starts`."""

    codes: Codes
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]
    granularity: Granularity
    recipe: Recipe
    dtype: np.dtype[Any]


def quantize(x: ArrayLike, made: Recipe, *, granularity: Granularity | str, scale_rule: ScaleRule | str) -> Quantized:
    """Codes and scales of a tensor.

    ``x``: array-like of an accepted dtype, any shape with at least one element; NaN and infinities are refused with
    ``ValueError``, as is a scale that ``scale_format`` cannot hold. Definitions: `Granularity`, `scale.parameters`,
    `ScaleRule`, `to_grid`. The MSE rule takes, for each group, the factor with the least sum of squared errors,
    the largest such factor if there are several.

    >>> from reference.quantize import recipe
    >>> made = recipe("int4", scheme="symmetric", scale_format="bfloat16", rounding="nearest_ties_to_even",
    ...               saturation="sat_finite")
    >>> quantize([3.5, -1.0, 0.6], made, granularity="tensor", scale_rule="absmax").codes
    array([ 7, 14,  1], dtype=uint8)
    """
    values = as_values(x)
    extent, rule = parse_granularity(granularity), parse_enum(ScaleRule, scale_rule, "scale_rule")
    _refuse_values(values)
    flat = values.reshape(-1).astype(made.working_dtype(values.dtype))
    starts = extent.starts(values.shape)
    groups = _search(flat, starts, made) if rule is ScaleRule.MSE else _parameters(flat, starts, made, 1.0)
    if not np.isfinite(groups.scale).all():
        raise ValueError(f"a scale lies beyond the range of scale_format={made.scale_format.name!r}; take a wider one")
    codes = _codes(flat, _spread(groups, starts, flat.size), made)
    return Quantized(
        codes=codes.reshape(values.shape),
        scale=groups.scale,
        shift=groups.shift,
        granularity=extent,
        recipe=made,
        dtype=flat.dtype,
    )


def dequantize(quantized: Quantized) -> NDArray[np.floating[Any]]:
    """The numbers that codes and scales stand for, float32 or float64 (the working dtype).

    >>> from reference.quantize import recipe
    >>> made = recipe("uint4", scheme="asymmetric", scale_format="bfloat16", rounding="nearest_ties_to_even",
    ...               saturation="sat_finite")
    >>> dequantize(quantize([-2.0, 0.9, 5.5], made, granularity="tensor", scale_rule="absmax"))
    array([-2. ,  1. ,  5.5])
    """
    made, codes = quantized.recipe, quantized.codes
    starts = quantized.granularity.starts(codes.shape)
    groups = _spread(Parameters(scale=quantized.scale, shift=quantized.shift), starts, codes.size)
    value = decode.decode(codes.reshape(-1), made.spec, np).astype(quantized.dtype)
    if made.mapping is Mapping.ZERO_POINT:
        value = value - groups.shift.astype(value.dtype)
    return from_grid(value, groups, made).reshape(codes.shape)


def _refuse_values(values: NDArray[Any]) -> None:
    if not values.size:
        raise ValueError(f"x of shape {values.shape} holds no element to quantise")
    if bad := int((~np.isfinite(values.astype(np.float64))).sum()):
        raise ValueError(f"x holds {bad} NaN or infinite elements; no scale fits them, so remove or replace them first")


def _parameters(flat: NDArray[Any], starts: NDArray[np.int64], made: Recipe, shrink: float) -> Parameters:
    low = np.minimum.reduceat(flat, starts).astype(np.float64)
    high = np.maximum.reduceat(flat, starts).astype(np.float64)
    return parameters(
        low,
        high,
        np.float64(shrink),
        kind=made.mapping,
        bounds=made.bounds,
        unit=unit(made.spec),
        scale_format=made.scale_format,
        xp=np,
    )


def _search(flat: NDArray[Any], starts: NDArray[np.int64], made: Recipe) -> Parameters:
    tried = [_parameters(flat, starts, made, shrink) for shrink in shrink_factors(made.spec)]
    errors = [_squared_errors(flat, starts, made, groups) for groups in tried]
    best = np.argmin(errors, axis=0)
    return Parameters(
        scale=np.choose(best, [groups.scale for groups in tried]),
        shift=np.choose(best, [groups.shift for groups in tried]),
    )


def _squared_errors(
    flat: NDArray[Any], starts: NDArray[np.int64], made: Recipe, groups: Parameters
) -> NDArray[np.float64]:
    spread = _spread(groups, starts, flat.size)
    back = from_grid(to_grid(flat, spread, made, np)[1], spread, made)
    return np.add.reduceat((flat.astype(np.float64) - back) ** 2, starts)


def _spread(groups: Parameters, starts: NDArray[np.int64], size: int) -> Parameters:
    lengths = np.diff(starts, append=size)
    return Parameters(scale=np.repeat(groups.scale, lengths), shift=np.repeat(groups.shift, lengths))


def _codes(flat: NDArray[Any], groups: Parameters, made: Recipe) -> Codes:
    quotient, value = to_grid(flat, groups, made, np)
    if made.mapping is not Mapping.ZERO_POINT:
        return codec.encode(quotient, request(made, made.spec), np)
    assert isinstance(made.spec, IntSpec)
    integer = ((value + groups.shift) * (1 << made.spec.fraction_bits)).astype(np.int64)
    return (integer & ((1 << made.spec.bits) - 1)).astype(codec.code_dtype(made.spec, np))
