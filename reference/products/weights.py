"""The weights that a matrix unit is given: tables by the code of a weight and by what its group shares."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

import formats
from formats import Format, IntSpec, Rounding, Saturation
from formats.products import ScaledProduct, Weight
from reference.codec import decode, encode

Codes = NDArray[np.unsignedinteger[Any]]
_Values = NDArray[np.float64]

#: products with the scale of a group outside of this range have no result (QQQ's fused conversion)
LEAST, BOUND = -128.25, 127.5


@functools.lru_cache(maxsize=64)
def weight_table(product: ScaledProduct) -> Codes:
    """Codes of ``v * 2^-lowered`` in the format of ``a``: by the code of ``w``, then of the zero point or the scale.

    The second axis has the length 1 where a weight depends on its code alone. `missing_weights` says where there is
    none. Products and differences are exact in binary64, whose rounding to integers is to nearest even. Raises
    ``ValueError`` where the format of ``a`` does not hold a weight.
    """
    spec, exact = formats.get(product.a), _exact(product)
    values = np.where(missing_weights(product), 0, exact) * 2.0**-product.lowered
    saturation = Saturation.SAT_FINITE if isinstance(spec, IntSpec) else Saturation.SAT_NONE
    codes = encode(values, spec, rounding=Rounding.NEAREST_TIES_TO_EVEN, saturation=saturation)
    wrong = (decode(codes, spec) != values) & ~np.isnan(values)
    if wrong.any():
        first = values[tuple(np.argwhere(wrong)[0])]
        raise ValueError(f"{product.name}: a={spec.name!r} does not hold {first}, a weight of {product.w}")
    return codes


@functools.lru_cache(maxsize=64)
def missing_weights(product: ScaledProduct) -> NDArray[np.bool_]:
    """Where `weight_table` holds no weight: scales that are not finite, products that no byte holds."""
    if product.weight is not Weight.REQUANTISED and product.weight is not Weight.SCALED:
        return np.zeros((1, 1), np.bool_)
    assert product.group_scale is not None
    scales = ~np.isfinite(_values(product.group_scale))
    if product.weight is Weight.SCALED:
        return np.broadcast_to(scales, (_values(product.w).size, scales.size))
    exact = _scaled(product)
    with np.errstate(invalid="ignore"):
        return ~((exact >= LEAST) & (exact < BOUND))


def _exact(product: ScaledProduct) -> _Values:
    match product.weight:
        case Weight.DECODED:
            return _values(product.w)[:, None]
        case Weight.MINUS_ZERO_POINT:
            assert product.zero_point is not None
            return _values(product.w)[:, None] - _values(product.zero_point)
        case Weight.SCALED:
            return _scaled(product)
        case Weight.REQUANTISED:
            return np.rint(_scaled(product))


def _scaled(product: ScaledProduct) -> _Values:
    assert product.group_scale is not None
    with np.errstate(invalid="ignore"):
        return _values(product.w)[:, None] * _values(product.group_scale)


def _values(name: str) -> _Values:
    """The value of every code of a format of at most 16 bits."""
    spec: Format = formats.get(name)
    return decode(np.arange(1 << spec.bits, dtype=np.uint32), spec).astype(np.float64)
