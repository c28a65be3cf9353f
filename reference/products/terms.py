"""The checks of what a scaled product takes: codes, float32 numbers, and the dyadic numbers of a requantiser."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import formats
from formats import FLOAT32, Format
from formats.integer_only.requantisers import requantiser
from formats.products import ScaledProduct
from formats.products.record import value_format
from reference.array.codec import code_dtype
from reference.codec import decode
from reference.matmul import as_float32, check_code_dtype, check_scale_dtype, refuse_named_codes
from reference.products.weights import missing_weights

_Array = NDArray[Any]

#: the dyadic numbers of a requantiser
DYADIC = ("multiplier", "shift")


def code_format(name: str, product: ScaledProduct) -> Format | None:
    """The format that an argument holds codes of; None where it holds numbers, or the product does not take it."""
    fields = {"a": product.a, "w": product.w, "group_scale": product.group_scale, "zero_point": product.zero_point}
    found = fields.get(name)
    return None if found is None else value_format(found)


def check_dtype(name: str, dtype: np.dtype[Any], product: ScaledProduct, *, encoder: str) -> None:
    """``TypeError`` for a dtype that does not hold what the argument is."""
    spec = code_format(name, product)
    if spec is not None and not (spec == FLOAT32 and dtype.kind == "f"):
        check_code_dtype(name, dtype, spec, encoder=encoder)
    elif name in DYADIC and dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers, not {dtype.name}")
    else:
        check_scale_dtype(name, dtype)


def checked(name: str, given: ArrayLike, product: ScaledProduct, *, encoder: str) -> _Array:
    """Codes of a format, float32 words, or integers; ``ValueError`` names the first that does not fit."""
    array = np.asarray(given)
    check_dtype(name, array.dtype, product, encoder=encoder)
    spec = code_format(name, product)
    if name in DYADIC:
        return _dyadic(name, array, product)
    if spec is None or array.dtype.kind == "f":
        spec, array = FLOAT32, as_float32(name, array).view(np.uint32)
    else:
        refuse_named_codes(name, array, spec)
    if name not in ("a", "w"):
        _refuse_infinite(name, array, spec)
    dtype: Any = code_dtype(spec, np)
    return array.astype(dtype)


def _refuse_infinite(name: str, codes: _Array, spec: Format) -> None:
    wrong = ~np.isfinite(decode(codes, spec))
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"{name}{list(where)} is {decode(codes, spec)[where]}; scales are finite numbers")


def _dyadic(name: str, array: _Array, product: ScaledProduct) -> _Array:
    """The multipliers are normalised, so that the pair is the one that the requantiser makes of the ratio."""
    if product.requantiser is None:
        return array
    rule = requantiser(product.requantiser).dyadic
    bits = 0 if rule is None else rule.multiplier_bits
    low, high = ((1 << bits) >> 1, (1 << bits) - 1) if name == "multiplier" else (0, 62)
    if array.size and not low <= array.min() <= array.max() <= high:
        raise ValueError(f"{name} must lie in [{low}, {high}]; it holds {array.min()} and {array.max()}")
    return array.astype(np.int64)


def refuse_missing_weights(w: _Array, shared: _Array | None, product: ScaledProduct) -> None:
    """``ValueError`` naming the first weight that has no result; ``shared``: the codes of their scales."""
    missing = missing_weights(product)
    if shared is None or not missing.any():
        return
    wrong = missing[w, shared]
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        scale = decode(np.broadcast_to(shared, w.shape)[where], formats.get(product.group_scale or ""))
        weight = decode(w[where], formats.get(product.w))
        raise ValueError(
            f"w{list(where)} is {weight} and its scale {scale}: their product lies outside of [-128.25, 127.5), so"
            f" that {product.name} has no such weight"
        )
