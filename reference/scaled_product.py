"""The golden product with quantised weights on NumPy arrays: codes in, codes out, every rounding in its place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats import FLOAT32
from formats.products import Factor, ScaledProduct, StreamK, Weight, scaled_product
from formats.products.record import value_format
from reference.array.codec import code_dtype
from reference.codec import decode
from reference.integer.requantise import requantise
from reference.products.arguments import Size, check_given, groups_of, size
from reference.products.fold import narrowed, single, times
from reference.products.sums import sums
from reference.products.terms import checked, refuse_missing_weights
from reference.products.weights import Codes, weight_table

_Array = NDArray[Any]
_ENCODER = "reference.encode"


def scaled_matmul(
    a: ArrayLike,
    w: ArrayLike,
    *,
    product: str | ScaledProduct,
    group_scale: ArrayLike | None = None,
    zero_point: ArrayLike | None = None,
    a_scale: ArrayLike | None = None,
    weight_scale: ArrayLike | None = None,
    token_scale: ArrayLike | None = None,
    tensor_scale: ArrayLike | None = None,
    multiplier: ArrayLike | None = None,
    shift: ArrayLike | None = None,
    split: StreamK | None = None,
) -> Codes:
    """Codes of ``epilogue(a v^T)``, ``v`` the weights that ``w`` stands for; bit for bit as the record declares it.

    The definition is `formats.products.ScaledProduct`; ``split`` says where K is cut for each tile of N. K is taken as
    if filled up with zeros, to a multiple of the product's ``unit`` or of ``split.depth``.

    Arguments; each is stated exactly where the product has it:
        a: codes (M, K) of ``product.a``; w: codes (N, K) of ``product.w``, unsigned.
        group_scale: codes (N / weight_rows, K / group) of its format, rounded up; or float32 numbers where it is that.
        zero_point: codes (N, K / group), or (N,) where there are no groups.
        a_scale, weight_scale, token_scale, tensor_scale: float32 numbers, (M, K / group), (N,), (M,) and ().
        multiplier, shift: integers (N,), the ratio ``multiplier / 2^shift`` of the requantiser for each column, as
            ``formats.requantiser(product.requantiser).multiplier(ratio)`` makes it: the multiplier is normalised.
        split: how K is cut; its ``depth`` is a multiple of the product's ``unit``.

    Returns unsigned codes (M, N) of ``product.out``.

    Raises ``KeyError`` (unknown product), ``TypeError`` (arguments missing or without meaning; dtypes), ``ValueError``
    (shapes, codes out of range, scales that are not finite, weights that the product does not have) and
    ``OverflowError`` (what the requantiser does not hold).

    >>> a = np.array([[0x3F80, 0x4000]], np.uint16)  # 1 and 2 in bfloat16
    >>> w = np.array([[3, 0xF]], np.uint8)  # 3 and -1 in INT4
    >>> y = scaled_matmul(a, w, product="w4a16_channel", weight_scale=[0.5])
    >>> hex(y.item())  # (3 - 2) / 2
    '0x3f00'
    """
    record = scaled_product(product)
    terms = {
        "group_scale": group_scale,
        "zero_point": zero_point,
        "a_scale": a_scale,
        "weight_scale": weight_scale,
        "token_scale": token_scale,
        "tensor_scale": tensor_scale,
        "multiplier": multiplier,
        "shift": shift,
    }
    x, y = (checked(name, codes, record, encoder=_ENCODER) for name, codes in (("a", a), ("w", w)))
    of = size(record, x.shape, y.shape, split)
    stated = {name: np.asarray(term) for name, term in terms.items() if term is not None}
    check_given(record, of, {name: term.shape for name, term in stated.items()})
    given = {name: checked(name, term, record, encoder=_ENCODER) for name, term in stated.items()}
    v = _weights(y, given, record)
    acc = sums(_filled(x, of), _filled(v, of), _scale(given, record, of), record, of)
    return _epilogue(acc, given, record)


def _weights(w: _Array, given: dict[str, _Array], product: ScaledProduct) -> _Array:
    """Codes of ``v`` (N, K)."""
    shared = _shared(w, given, product)
    refuse_missing_weights(w, shared, product)
    return weight_table(product)[w, 0 if shared is None else shared]


def _shared(w: _Array, given: dict[str, _Array], product: ScaledProduct) -> _Array | None:
    """What the group of each weight shares and the weight is made of, (N, K)."""
    match product.weight:
        case Weight.DECODED:
            return None
        case Weight.MINUS_ZERO_POINT:
            shared = given["zero_point"].reshape(len(w), -1)
        case Weight.SCALED | Weight.REQUANTISED:
            shared = given["group_scale"]
    return shared[:, groups_of(product.group, w.shape[1])]


def _filled(codes: _Array, of: Size) -> _Array:
    return np.pad(codes, ((0, 0), (0, of.filled_k - of.k)))


def _scale(given: dict[str, _Array], product: ScaledProduct, of: Size) -> _Array | None:
    """float32 codes (groups, M or 1, N) that sums are multiplied by, of groups of zeros too."""
    if not product.scales_sums:
        return None
    assert product.group is not None
    codes = given["group_scale"]
    spec = value_format(product.group_scale or "")
    words = codes if spec == FLOAT32 else decode(codes, spec).astype(np.float32).view(np.uint32)
    of_weights = np.repeat(words, product.weight_rows, axis=0)[: of.n].T[:, None]
    if product.a_grouped:
        of_weights = times(given["a_scale"].T[:, :, None], of_weights)
    groups = of.filled_k // product.group
    return np.pad(of_weights, ((0, groups - len(of_weights)), (0, 0), (0, 0)))


def _epilogue(acc: _Array, given: dict[str, _Array], product: ScaledProduct) -> Codes:
    out = value_format(product.out)
    dtype: Any = code_dtype(out, np)
    if product.requantiser is not None:
        ratios = np.ldexp(given["multiplier"].astype(np.float64), -given["shift"])
        integers = acc.astype(np.uint32).view(np.int32)
        found = requantise(integers, ratios.tolist(), rule=product.requantiser, fmt=out)
        return (found.astype(np.int64) & ((1 << out.bits) - 1)).astype(dtype)
    y = single(acc, product.rule.summation)
    for factor in product.epilogue:
        words = given[factor.value]
        y = times(y, words[:, None] if factor is Factor.TOKEN_SCALE else words)
    return (y if out == FLOAT32 else narrowed(y, out)).astype(dtype)
