"""TBT's elastic activations and their gradients on NumPy arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.ternary.activations import ElasticQuantizer, elastic_quantizer
from reference.array import ternary_elastic
from reference.array.ternary_mean import scan_numpy
from reference.quantize.ternary import Float32, check_values, refuse_values


def elastic(x: ArrayLike, alpha: ArrayLike, quantizer: str | ElasticQuantizer) -> tuple[NDArray[np.int8], Float32]:
    """Codes (int8) and values (float32) of activations under a learned scale.

    Definition: `formats.ElasticQuantizer`. ``x``: finite float32, any shape with an element;
    ``alpha``: one positive float32. Raises ``KeyError`` (unknown quantiser), ``TypeError`` (dtype) or
    ``ValueError`` (no element, NaN or infinity, an alpha that is not one positive number).

    >>> elastic(np.float32([3, -1, 1.5]), np.float32(1), "tbt_unsigned_2bit_code")
    (array([2, 0, 2], dtype=int8), array([ 1., -1.,  1.], dtype=float32))
    """
    made, values, scale = elastic_quantizer(quantizer), np.asarray(x), np.asarray(alpha)
    check_elastic(values, scale)
    refuse_values(values)
    refuse_alpha(scale)
    codes, result = ternary_elastic.forward(_flat(values), _flat(scale), made, np, scan_numpy)
    return codes.astype(np.int8).reshape(values.shape), result.view(np.float32).reshape(values.shape)


def elastic_gradients(
    x: ArrayLike, alpha: ArrayLike, gradient: ArrayLike, quantizer: str | ElasticQuantizer
) -> tuple[Float32, np.float32]:
    """Gradients of ``x`` and of ``alpha``, given that of the values.

    Definition: `formats.ElasticQuantizer`; the sum for ``alpha`` is exact and rounded once.
    ``gradient``: finite float32 in the shape of ``x``; other arguments and errors as in `elastic`.

    >>> elastic_gradients(np.float32([3, -1, 1.5]), np.float32(2), np.float32([1, 1, 1]), "tbt_signed_2bit_paper")
    (array([1., 0., 1.], dtype=float32), np.float32(-1.0833334))
    """
    made, values, scale, given = elastic_quantizer(quantizer), np.asarray(x), np.asarray(alpha), np.asarray(gradient)
    check_elastic(values, scale)
    check_gradient(given, values)
    refuse_values(values)
    refuse_alpha(scale)
    refuse_values(given)
    dx, dalpha = ternary_elastic.backward(_flat(values), _flat(scale), _flat(given), made, np, scan_numpy)
    return dx.view(np.float32).reshape(values.shape), dalpha.view(np.float32)[()]


def elastic_start(x: ArrayLike, quantizer: str | ElasticQuantizer) -> np.float32:
    """The first ``alpha``: ``start * mean|x| / sqrt(start_levels)``, with the exact mean.

    Raises as `elastic` does, and ``ValueError`` for a quantiser whose source gives no start.

    >>> elastic_start(np.float32([1, -3]), "tbt_signed_2bit_code")
    np.float32(4.0)
    """
    made, values = elastic_quantizer(quantizer), np.asarray(x)
    check_start(made)
    check_values(values, "float32")
    refuse_values(values)
    return ternary_elastic.start(_flat(values), made, np, scan_numpy).view(np.float32)[()]


def check_start(made: ElasticQuantizer) -> None:
    """Refuse a quantiser that has no start."""
    if not made.start:
        raise ValueError(f"{made.name} has no start: its source gives none")


def check_elastic(values: Any, scale: Any) -> None:
    """Refuse activations and scale by dtype and shape: what can be seen of any array, traced ones too."""
    check_values(values, "float32")
    check_values(scale, "float32")
    if math.prod(scale.shape) != 1:
        raise ValueError(f"alpha of shape {scale.shape} is not one number")


def check_gradient(given: Any, values: Any) -> None:
    """Refuse gradients by dtype and shape."""
    check_values(given, "float32")
    if given.shape != values.shape:
        raise ValueError(f"gradient of shape {given.shape} for x of shape {values.shape}")


def refuse_alpha(scale: NDArray[np.float32]) -> None:
    """``ValueError`` for an alpha that is NaN, infinite, or not positive."""
    refuse_values(scale)
    if not scale.item() > 0:
        raise ValueError(f"alpha={scale.item()} must be positive")


def _flat(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    return values.reshape(-1).view(np.uint32)
