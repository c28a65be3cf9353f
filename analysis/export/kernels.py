"""Which rule each runtime's kernel follows, as data."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Runtime(enum.Enum):
    """ONNX Runtime 1.32, or LiteRT 2.3 with one of its three choices of kernels: see `analysis.export.runtimes`."""

    ONNX_RUNTIME = "onnxruntime"
    LITERT_REFERENCE = "litert_reference"
    LITERT_OPTIMISED = "litert_optimised"
    LITERT_XNNPACK = "litert_xnnpack"


class Operator(enum.Enum):
    """Operators whose results depend on a rule. Max pools, clamps, tables and flattening have none."""

    CONVOLUTION = "convolution"
    DEPTHWISE = "depthwise convolution"
    LINEAR = "linear, one scale"
    LINEAR_CHANNELS = "linear, scales of channels"
    ADD = "add"
    REQUANTISE = "requantise, concatenate"
    AVERAGE = "average pool"
    GLOBAL_AVERAGE = "global average pool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One runtime's kernel of one operator.

    ``rule``: a requantiser, addition or average of `formats.integer_only`, or a function of
    `analysis.export.kernel_rules` or `analysis.export.lanes`. ``rivals``: rules that one might expect instead, and
    that give other integers.
    """

    runtime: Runtime
    operator: Operator
    rule: str
    rivals: tuple[str, ...] = ()
    why: str


_ORT, _REF = Runtime.ONNX_RUNTIME, Runtime.LITERT_REFERENCE
_OPT, _XNN = Runtime.LITERT_OPTIMISED, Runtime.LITERT_XNNPACK
_O = Operator
_DOUBLE, _SINGLE, _RUY, _FP32 = "tflite_double_rounding", "tflite_single_rounding", "ruy_neon", "xnnpack_fp32"
_TO_EVEN = "one product in binary32, half to even; the ratio is formed in binary32"
_TWICE = "rounded twice: the doubling high product half up, then the shift half away from zero"
_TWICE_UP = "rounded twice, both times half up"


def _k(runtime: Runtime, operator: Operator, rule: str, why: str, *rivals: str) -> Kernel:
    return Kernel(runtime=runtime, operator=operator, rule=rule, why=why, rivals=rivals)


#: LiteRT's kernels, where XNNPACK has none or refuses the ratios, are the optimised ones
KERNELS: tuple[Kernel, ...] = (
    _k(_ORT, _O.CONVOLUTION, "onnx_qlinear", _TO_EVEN, _DOUBLE, _SINGLE),
    _k(_ORT, _O.DEPTHWISE, "onnx_qlinear", _TO_EVEN, _DOUBLE, _SINGLE),
    _k(_ORT, _O.LINEAR, "onnx_qlinear", _TO_EVEN, _DOUBLE, _SINGLE),
    _k(_ORT, _O.LINEAR_CHANNELS, "onnx_qlinear", _TO_EVEN, _DOUBLE, _SINGLE),
    _k(
        _ORT,
        _O.ADD,
        "mlas_add",
        "two fused multiply-adds in binary32, the zero points among the terms: ties depend on them",
        "onnx_qlinear",
        "tflite",
    ),
    _k(_ORT, _O.REQUANTISE, "dequantise_quantise", "a product, then a quotient, in binary32", "onnx_qlinear", _DOUBLE),
    _k(
        _ORT,
        _O.AVERAGE,
        "onnxruntime_average",
        "floats are added, and the zero point is rounded with the rest",
        "average_half_away",
        "average_half_even",
    ),
    _k(
        _ORT,
        _O.GLOBAL_AVERAGE,
        "mlas_global_average",
        "an integer sum, less the zero points, times a binary32 number: half to even before the zero point",
        "average_half_away",
        "average_half_even",
    ),
    _k(_REF, _O.CONVOLUTION, _DOUBLE, _TWICE, _SINGLE, _RUY),
    _k(_REF, _O.DEPTHWISE, _DOUBLE, _TWICE, _SINGLE, _RUY),
    _k(_REF, _O.LINEAR, "binary64_half_away", "no fixed point at all: a product in binary64", _DOUBLE, _SINGLE),
    _k(_REF, _O.LINEAR_CHANNELS, "binary64_half_away", "no fixed point: a product in binary64", _DOUBLE, _SINGLE),
    _k(_REF, _O.ADD, "tflite", "left shift of 20 bits, three roundings", "tflite_single_rounding", "xnnpack_add"),
    _k(_REF, _O.REQUANTISE, _DOUBLE, _TWICE, _SINGLE, _RUY),
    _k(_REF, _O.AVERAGE, "average_half_away", "of the integers as they are", "average_half_even"),
    _k(_REF, _O.GLOBAL_AVERAGE, "average_half_away", "of the integers as they are", "average_half_even"),
    _k(_OPT, _O.CONVOLUTION, _RUY, _TWICE_UP, _DOUBLE, _SINGLE),
    _k(
        _OPT,
        _O.DEPTHWISE,
        "lanes_depthwise",
        "8 channels at once half up twice, the channels left over as the reference kernel",
        _DOUBLE,
        _RUY,
    ),
    _k(
        _OPT,
        _O.LINEAR,
        "squeezed",
        "as the convolution, but the product of the scales is rounded to binary32",
        _RUY,
        _DOUBLE,
    ),
    _k(_OPT, _O.LINEAR_CHANNELS, _RUY, _TWICE_UP, _DOUBLE, _SINGLE),
    _k(
        _OPT,
        _O.ADD,
        "lanes_add",
        "16 elements at once with one rounding a term, those left over as the reference kernel",
        "tflite",
        "tflite_single_rounding",
    ),
    _k(
        _OPT,
        _O.REQUANTISE,
        "lanes_requantise",
        "16 elements at once half up twice, those left over as the reference kernel",
        _RUY,
        _DOUBLE,
    ),
    _k(_OPT, _O.AVERAGE, "average_half_away", "as the reference kernel", "average_half_even"),
    _k(_OPT, _O.GLOBAL_AVERAGE, "average_half_away", "as the reference kernel", "average_half_even"),
    _k(_XNN, _O.CONVOLUTION, _FP32, _TO_EVEN, _DOUBLE, _RUY),
    _k(_XNN, _O.DEPTHWISE, _FP32, _TO_EVEN, _DOUBLE, _RUY),
    _k(_XNN, _O.LINEAR, _FP32, _TO_EVEN, _DOUBLE, _RUY),
    _k(_XNN, _O.LINEAR_CHANNELS, _FP32, _TO_EVEN, _DOUBLE, _RUY),
    _k(_XNN, _O.ADD, "xnnpack_add", "multipliers of 21 bits, one rounding half up", "tflite", "tflite_single_rounding"),
    _k(_XNN, _O.REQUANTISE, "xnnpack_convert", "a multiplier with 8 bits of fraction, half up", _RUY, _FP32),
    _k(_XNN, _O.AVERAGE, "average_half_away", "XNNPACK has none: LiteRT's kernel", "average_half_even"),
    _k(_XNN, _O.GLOBAL_AVERAGE, "average_half_away", "XNNPACK has none: LiteRT's kernel", "average_half_even"),
)


def kernel(runtime: Runtime, operator: Operator) -> Kernel:
    """The row of one operator in one runtime.

    >>> kernel(Runtime.LITERT_REFERENCE, Operator.LINEAR).rule
    'binary64_half_away'
    """
    return next(row for row in KERNELS if (row.runtime, row.operator) == (runtime, operator))
