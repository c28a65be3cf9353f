"""Ternary and binary weights, BitNet's activations and its linear layer, on NumPy arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.ternary.activations import Arithmetic, TokenQuantizer, token_quantizer
from formats.ternary.weights import WeightQuantizer, weight_quantizer
from reference.array import ternary_tokens, ternary_weights
from reference.array.ternary_mean import scan_numpy
from reference.quantize.granularity import channels

Float32 = NDArray[np.float32]
#: int8 activations times trits stay below 2^31 in magnitude for so many of them
MOST_PRODUCTS = ((1 << 31) - 1) // 128


@dataclass(frozen=True, slots=True, kw_only=True)
class TernaryWeights:
    """Codes -1, 0, 1 (int8) in the shape of the weights; binary32 scales, one a row ``(rows,)`` or one ``()``."""

    codes: NDArray[np.int8]
    scale: Float32
    quantizer: WeightQuantizer


def quantize_ternary(w: ArrayLike, quantizer: str | WeightQuantizer) -> TernaryWeights:
    """Codes and scales of weights under a published quantiser.

    Definition: `formats.WeightQuantizer`; a mean is the exact sum, divided and rounded once. ``w``: finite
    float32, any shape with an element; a row is what shares an index of axis 0 (all, below two axes).

    Raises ``KeyError`` (unknown quantiser), ``TypeError`` (dtype) or ``ValueError`` (no element, NaN or infinity).

    >>> made = quantize_ternary(np.float32([[0.9, -0.2, 0.05, -1.1]]), "bitnet_b158_paper")
    >>> made.codes, float(made.scale)
    (array([[ 1,  0,  0, -1]], dtype=int8), 0.5625)
    """
    made, values = weight_quantizer(quantizer), np.asarray(w)
    check_values(values, np.dtype(np.float32))
    refuse_values(values)
    codes, scale = ternary_weights.quantize_rows(grouped(values.view(np.uint32), made), made, np, scan_numpy)
    shape = scale.shape if made.by_row else ()
    return TernaryWeights(
        codes=codes.reshape(values.shape), scale=scale.view(np.float32).reshape(shape), quantizer=made
    )


def dequantize_ternary(weights: TernaryWeights) -> Float32:
    """``scale * code``, which is exact; NaN throughout a row whose scale is NaN.

    >>> dequantize_ternary(quantize_ternary(np.float32([[3, -1, 1, -1]]), "tbt_binary_code"))
    array([[ 1.5, -1.5,  1.5, -1.5]], dtype=float32)
    """
    scale = weights.scale.reshape(-1, *[1] * (weights.codes.ndim - 1)) if weights.scale.ndim else weights.scale
    if weights.codes.ndim < 2:
        scale = scale.reshape(())
    return weights.codes.astype(np.float32) * scale


def quantize_tokens(x: ArrayLike, quantizer: str | TokenQuantizer) -> tuple[NDArray[np.signedinteger], Float32]:
    """BitNet's activations: codes along the last axis, and a scale for each of the others.

    Definition: `formats.TokenQuantizer`. ``x``: finite float32 (bfloat16 where the record
    rounds to it), shape ``(..., n)``. Codes are int8, or int16 where int8 does not hold the range; the scale is
    what a value was multiplied with, float32 of shape ``(...)``, infinite for a token of zeros without a floor.

    Raises ``KeyError`` (unknown quantiser), ``TypeError`` (dtype) or ``ValueError`` (no element, NaN or infinity).

    >>> quantize_tokens(np.float32([0.5, -1.27, 0.635]), "bitnet_tokens_code")
    (array([  50, -127,   64], dtype=int8), np.float32(100.0))
    """
    made, values = token_quantizer(quantizer), np.asarray(x)
    check_tokens(values, made)
    refuse_values(values)
    codes, scale = ternary_tokens.quantize_tokens(patterns(values), made, np)
    return codes.astype(code_dtype(made)), scale.view(np.float32)[()]


def bitnet_linear(codes: ArrayLike, trits: ArrayLike, scale: ArrayLike, gamma: ArrayLike) -> Float32:
    """``RN(RN(RN(acc) / scale) * gamma)`` with ``acc`` the exact int32 sums of ``codes * trits``.

    ``codes``: int8 ``(..., k)`` with ``scale`` float32 ``(...)``, as `quantize_tokens` gives; ``trits``: int8
    ``(n, k)`` of -1, 0, 1 with ``gamma`` one float32, as `quantize_ternary` gives for a tensor. The result is float32
    ``(..., n)``. Raises ``TypeError`` (dtype) or ``ValueError`` (shapes; ``k`` so large that int32 might not hold a
    sum). Source: arXiv 2402.17764 and 2310.11453, with the order of steps of microsoft/BitNet's GPU kernel, which
    takes its scales and its result in bfloat16.

    >>> bitnet_linear(np.int8([100, 50]), np.int8([[1, -1], [1, 0]]), np.float32(100), np.float32(0.5))
    array([0.25, 0.5 ], dtype=float32)
    """
    q, t, s, g = (np.asarray(part) for part in (codes, trits, scale, gamma))
    check_linear(q, t, s, g)
    total = q.astype(np.int32) @ t.astype(np.int32).T
    return ternary_tokens.scaled_products(total, s.view(np.uint32), g.view(np.uint32), np).view(np.float32)


def grouped(bits: Any, made: WeightQuantizer) -> Any:
    """Patterns as rows: those that share an index of axis 0, or all."""
    rows = channels(bits.shape)[0] if made.by_row else 1
    return bits.reshape(rows, math.prod(bits.shape) // rows)


def patterns(values: Any) -> Any:
    """Binary32 patterns of float32 or bfloat16."""
    if values.dtype.name == "bfloat16":
        return values.view(np.uint16).astype(np.uint32) << np.uint32(16)
    return values.view(np.uint32)


def code_dtype(made: TokenQuantizer) -> type[np.signedinteger]:
    """int8 where it holds the range."""
    return np.int8 if made.least >= -128 and made.greatest <= 127 else np.int16


def check_tokens(values: Any, made: TokenQuantizer) -> None:
    """Refuse activations by dtype and shape."""
    name = "bfloat16" if made.arithmetic is Arithmetic.BFLOAT16 else "float32"
    check_values(values, np.dtype(np.float32) if name == "float32" else name)
    if not values.ndim:
        raise ValueError("activations need a last axis that shares a scale; a scalar has none")


def check_values(values: Any, dtype: np.dtype[Any] | str) -> None:
    """Refuse by dtype and size: what can be seen of any array, traced ones too."""
    name = dtype if isinstance(dtype, str) else dtype.name
    if values.dtype.name != name:
        raise TypeError(f"values have dtype {values.dtype.name}; accepted: {name}")
    if not math.prod(values.shape):
        raise ValueError(f"values of shape {values.shape} hold no element to quantise")


def refuse_values(values: NDArray[Any]) -> None:
    """``ValueError`` for NaN and infinities."""
    if bad := int((~np.isfinite(values.astype(np.float32))).sum()):
        raise ValueError(f"values hold {bad} NaN or infinite elements; no scale fits them")


def check_linear(q: Any, t: Any, s: Any, g: Any) -> None:
    """Refuse operands of the linear layer by dtype and shape."""
    for name, array, dtype in (
        ("codes", q, "int8"),
        ("trits", t, "int8"),
        ("scale", s, "float32"),
        ("gamma", g, "float32"),
    ):
        if array.dtype.name != dtype:
            raise TypeError(f"{name} have dtype {array.dtype.name}; accepted: {dtype}")
    if t.ndim != 2 or not q.ndim or q.shape[-1] != t.shape[1] or s.shape != q.shape[:-1] or g.shape != ():
        shapes = f"codes {q.shape}, trits {t.shape}, scale {s.shape}, gamma {g.shape}"
        raise ValueError(f"shapes must be (..., k), (n, k), (...) and (), not {shapes}")
    if q.shape[-1] > MOST_PRODUCTS:
        raise ValueError(f"k={q.shape[-1]} products may pass int32; at most {MOST_PRODUCTS}")
