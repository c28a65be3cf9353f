"""Scales and integers of tensors, weights and biases, in the float32 arithmetic of the code that defines them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import formats
from analysis.networks.calibration import Range
from analysis.networks.float_network import Floats
from formats import IntSpec
from reference.integer.network import Affine

F32 = np.float32
LARGEST = 2**31 - 1
#: weights as integers, and a scale for each output channel
Quantised = tuple[NDArray[np.int8], Floats]
Rounding = Callable[[NDArray[Any]], NDArray[np.int64]]


def _integer(name: str) -> IntSpec:
    spec = formats.get(name)
    assert isinstance(spec, IntSpec)
    return spec


INT8, INT8_NARROW, INT4, UINT4 = (_integer(name) for name in ("int8", "int8_narrow", "int4", "uint4"))


def half_away(values: NDArray[Any]) -> NDArray[np.int64]:
    """The nearest integers, halves away from zero: C's round."""
    wide = np.asarray(values, np.float64)
    return np.copysign(np.floor(np.abs(wide) + 0.5), wide).astype(np.int64)


def half_even(values: NDArray[Any]) -> NDArray[np.int64]:
    """The nearest integers, halves to even: torch.round."""
    return np.rint(values).astype(np.int64)


def asymmetric(found: Range) -> Affine:
    """TensorFlow Lite's int8: ``S = (high - low) / 255`` with 0 in the range, ``z = round(-128 - low / S)``: float32.

    Raises ``ValueError`` for the range [0, 0], which has no scale. Source: GetAsymmetricQuantizationParams in
    tensorflow/lite/tools/optimize/quantization_utils.cc.

    >>> affine = asymmetric(Range(-2.0, 8.0))
    >>> affine.scale, affine.zero_point
    (0.03921568766236305, -77)
    """
    low, high = F32(min(found.low, 0.0)), F32(max(found.high, 0.0))
    scale = (high - low) / F32(255)
    if not scale > 0:
        raise ValueError(f"range [{found.low}, {found.high}] has the scale {scale}; calibrate on inputs that reach it")
    zero_point = int(half_away(np.array(F32(-128) - low / scale)))
    return Affine(format=INT8, scale=float(scale), zero_point=min(max(zero_point, -128), 127))


def symmetric(found: Range, fmt: IntSpec, bits: int) -> Affine:
    """``S = max(|low|, |high|, 1e-8) / (2^(bits-1) - 1)`` in float32, zero point 0, kept in ``fmt``.

    Source: symmetric_linear_quantization_params in HAWQ's quant_utils.py.
    """
    magnitude = max(abs(F32(found.low)), abs(F32(found.high)), F32(1e-8))
    return Affine(format=fmt, scale=float(magnitude / F32(2 ** (bits - 1) - 1)))


def scale_only_uint4(found: Range) -> Affine:
    """``S = max(high - low, 1e-8) / 15`` in float32, without a zero point: so ``low`` must not be negative.

    Raises ``ValueError`` where it is. Source: asymmetric_linear_quantization_params in HAWQ's quant_utils.py, whose
    zero point no operator is given.
    """
    if found.low < 0:
        raise ValueError(f"range [{found.low}, {found.high}]: unsigned 4 bits without a zero point hold no negatives")
    return Affine(format=UINT4, scale=float(max(F32(found.high) - F32(found.low), F32(1e-8)) / F32(15)))


def tflite_weights(weight: Floats, bias: Floats, input_scale: float) -> Quantised:
    """TensorFlow Lite's int8 weights in [-127, 127]: ``S = m / 127`` and ``round(w * (127 / m))``, halves away.

    ``m`` is a channel's largest magnitude; where ``|bias| >= S_x * S * (2^31 - 1) / 2`` it is raised until the bias
    takes half of int32. A channel of zeros, bias included, gets the scale 1 (there: 0). Source: quantization_utils.cc,
    SymmetricPerChannelQuantization and AdjustWeightsForBiasScale.
    """
    magnitude = _magnitudes(weight)
    raised = 2.0 * np.abs(bias.astype(np.float64)) / LARGEST * np.float64(F32(127) / F32(input_scale))
    too_fine = np.abs(bias) >= 0.5 * F32(input_scale).astype(np.float64) * (magnitude / F32(127)) * LARGEST
    magnitude = np.where(too_fine, raised.astype(np.float32), magnitude)
    dead = magnitude == 0
    magnitude = np.where(dead, F32(127), magnitude).astype(np.float32)
    inverse = (F32(127) / magnitude).astype(np.float32)
    integers = half_away(weight * _over(inverse, weight))
    return np.clip(integers, -127, 127).astype(np.int8), (magnitude / F32(127)).astype(np.float32)


def hawq_weights(weight: Floats, bits: int) -> Quantised:
    """HAWQ-V3's weights: ``S = max(m, 1e-8) / n`` with n = 127 or 7, and ``round(w * (1 / S))``, halves to even.

    ``m`` is a channel's largest magnitude. Source: symmetric_linear_quantization_params and linear_quantize in HAWQ's
    quant_utils.py.
    """
    largest = 2 ** (bits - 1) - 1
    scale = (np.maximum(_magnitudes(weight), F32(1e-8)) / F32(largest)).astype(np.float32)
    integers = half_even(weight * _over(F32(1) / scale, weight))
    return np.clip(integers, -largest - 1, largest).astype(np.int8), scale


def biases(name: str, bias: Floats, input_scale: float, weight_scale: Floats, rounding: Rounding) -> NDArray[np.int32]:
    """``round(b * (1 / (S_x * S_w)))``, all in float32. Raises ``ValueError`` where int32 does not hold it.

    TensorFlow Lite and HAWQ-V3 differ in the rounding, and both clip in silence. Source: as for the weights.
    """
    unit = F32(input_scale) * weight_scale
    integers = rounding((bias * (F32(1) / unit)).astype(np.float32))
    worst = int(np.abs(integers).argmax())
    if abs(integers[worst]) > LARGEST:
        raise ValueError(
            f"layer {name!r}: bias {bias[worst]} of channel {worst} is {integers[worst]} in units of {unit[worst]}; "
            "int32 is too narrow"
        )
    return integers.astype(np.int32)


def clamp(bounds: tuple[float, float], out: Affine, rounding: Rounding) -> tuple[int, int] | None:
    """The integers of an activation's bounds, ``z + round(bound / S)`` in float32, within the format; None for none."""
    if bounds == (-np.inf, np.inf):
        return None
    limits = (out.format.minimum, out.format.maximum)
    integers = [
        limit if np.isinf(bound) else out.zero_point + int(rounding(np.array(F32(bound) / F32(out.scale))))
        for bound, limit in zip(bounds, limits, strict=True)
    ]
    return max(limits[0], integers[0]), min(limits[1], integers[1])


def _magnitudes(weight: Floats) -> Floats:
    return np.abs(weight).reshape(weight.shape[0], -1).max(1)


def _over(scale: Floats, weight: Floats) -> Floats:
    return scale.reshape(-1, *[1] * (weight.ndim - 1))
