"""The requantisers of published systems, each named after where it is used."""

from __future__ import annotations

from formats.integer_only.multipliers import dyadic_rule
from formats.integer_only.requantiser import RatioForm, Requantiser
from formats.integer_only.steps import AddOffset, Multiply, ShiftLeft, ShiftRight, ShiftRounding, Significant, Step
from formats.look_up import find_record

_UP, _AWAY = ShiftRounding.HALF_UP, ShiftRounding.HALF_AWAY
_EVEN, _FLOOR = ShiftRounding.HALF_EVEN, ShiftRounding.FLOOR

_READ = "the code was read and its published vectors hold"
_UNVERIFIED = "from the definition; the code was read in part, and nothing was run"
_RUN = "compared with the library itself, run on a CPU"


def _high_multiply(rounding: ShiftRounding) -> tuple[Step, ...]:
    """A doubling high product of 32 bits, rounded half up, then a shift right that rounds once more."""
    return (
        ShiftLeft(width=32),
        Multiply(width=64),
        ShiftRight(bits=31, rounding=_UP, sum_width=64, width=32),
        ShiftRight(bits=None, rounding=rounding, width=32),
    )


def _single(rounding: ShiftRounding, width: int = 32) -> tuple[Step, ...]:
    """One rounding of a product of 64 bits."""
    return (Multiply(width=64), ShiftRight(bits=None, rounding=rounding, sum_width=64, width=width))


def _tvm(rounding: ShiftRounding) -> tuple[Step, ...]:
    """As `_single`, but a ratio above one shifts the accumulator left, in 64 bits."""
    sum_width = None if rounding is _FLOOR else 64
    return (
        ShiftLeft(width=64),
        Multiply(width=64),
        ShiftRight(bits=None, rounding=rounding, sum_width=sum_width, width=32),
    )


_BINARY64 = (Multiply(width=None), Significant(bits=53), ShiftRight(bits=None, rounding=_EVEN, width=None))


def _binary32(width: int | None) -> tuple[Step, ...]:
    """An int32 to binary32, a product there, and half to even."""
    return (
        Significant(bits=24),
        Multiply(width=None),
        Significant(bits=24),
        ShiftRight(bits=None, rounding=_EVEN, width=width),
    )


def _rule(
    name: str,
    form: RatioForm,
    dyadic: str | None,
    steps: tuple[Step, ...],
    source: str,
    evidence: str = _READ,
    accumulator_bits: int = 32,
) -> Requantiser:
    return Requantiser(
        name=name,
        ratio_form=form,
        dyadic=None if dyadic is None else dyadic_rule(dyadic),
        steps=steps,
        source=source,
        evidence=evidence,
        accumulator_bits=accumulator_bits,
    )


_64, _SQUEEZED, _32 = RatioForm.BINARY64, RatioForm.SQUEEZED, RatioForm.BINARY32
_COMMON = "tflite-micro @ 2e50943, MultiplyByQuantizedMultiplier of lite/kernels/internal/common.cc"
_UTIL = "TVM fork of HAWQ-V3 @ 13fdf59, FixedPointMultiply of relay/qnn/util.cc"
_HAWQ = "Zhen-Dong/HAWQ @ 1616df6, fixedpoint_fn of quant_utils.py"

_RULES = {
    rule.name: rule
    for rule in (
        _rule("tflite_double_rounding", _64, "tflite", _high_multiply(_AWAY), f"{_COMMON}, the default build"),
        _rule(
            "tflite_single_rounding",
            _64,
            "tflite_single_rounding",
            _single(_UP),
            f"{_COMMON}, with TFLITE_SINGLE_ROUNDING",
        ),
        _rule(
            "tflite_int16x8",
            _64,
            "tflite_int16x8",
            _single(_UP),
            f"{_COMMON}, for accumulators of 64 bits below 2^47 in magnitude",
            accumulator_bits=48,
        ),
        _rule(
            "gemmlowp_legacy",
            _64,
            "gemmlowp_legacy",
            (
                AddOffset(width=32),
                Multiply(width=32),
                ShiftRight(bits=None, rounding=_UP, sum_width=32, width=32),
            ),
            "gemmlowp @ 16e8662, OutputStageQuantizeDownInt32ToUint8Scale of public/output_stages.h; how the offset "
            "comes from a zero point is left to the caller, and ours",
        ),
        _rule(
            "gemmlowp_fixed_point",
            _64,
            "gemmlowp",
            _high_multiply(_AWAY),
            "gemmlowp @ 16e8662, OutputStageQuantizeDownInt32ToUint8ScaleByFixedPoint; Jacob et al., arXiv 1712.05877, "
            "appendix B",
        ),
        _rule(
            "ruy",
            _64,
            "tflite",
            _high_multiply(_AWAY),
            "ruy, apply_multiplier.cc: the portable path, without RUY_OPT_NATIVE_ROUNDING",
            _UNVERIFIED,
        ),
        _rule(
            "ruy_neon",
            _64,
            "tflite",
            _high_multiply(_UP),
            "ruy, kernel_arm.h: sqrdmulh, then srshl, with RUY_OPT_NATIVE_ROUNDING",
            _UNVERIFIED,
        ),
        _rule(
            "ruy_x86",
            _64,
            "tflite",
            (
                ShiftLeft(width=32),
                Multiply(width=64),
                ShiftRight(bits=None, rounding=_UP, sum_width=64, width=32),
            ),
            "ruy, kernel_avx2_fma.cc and kernel_avx512.cc: one shift of the 64-bit product",
            _UNVERIFIED,
        ),
        _rule(
            "cmsis_nn_double_rounding",
            _64,
            "tflite",
            _high_multiply(_AWAY),
            "CMSIS-NN, arm_nn_requantize of arm_nnsupportfunctions.h",
            _UNVERIFIED,
        ),
        _rule(
            "cmsis_nn_single_rounding",
            _64,
            "tflite_single_rounding",
            (
                Multiply(width=64),
                ShiftRight(bits=None, rounding=_FLOOR, width=32),
                ShiftRight(bits=1, rounding=_UP, sum_width=32, width=32),
            ),
            "CMSIS-NN, arm_nn_requantize with CMSIS_NN_USE_SINGLE_ROUNDING: the half is added in 32 bits",
            _UNVERIFIED,
        ),
        _rule("tvm_tonearest", _64, "tvm", _tvm(_AWAY), f"{_UTIL}, TONEAREST"),
        _rule("tvm_upward", _64, "tvm", _tvm(_UP), f"{_UTIL}, UPWARD"),
        _rule("tvm_truncate", _64, "tvm", _tvm(_FLOOR), f"{_UTIL}, TRUNCATE, which only the fork has"),
        _rule("hawq_v3_pytorch", _SQUEEZED, "hawq_v3_pytorch", _BINARY64, f"{_HAWQ}; arXiv 2011.10680"),
        _rule("hawq_v3_tvm", _SQUEEZED, "tvm", _tvm(_AWAY), f"{_UTIL}, TONEAREST, as its accuracy runs set it"),
        _rule(
            "ibert",
            _64,
            "ibert",
            _BINARY64,
            "kssteven418/I-BERT @ 1b09c75, fixedpoint_mul of quant_utils.py; arXiv 2101.01321",
        ),
        _rule(
            "onnx_qlinear",
            _32,
            None,
            _binary32(None),
            "ONNX QLinearMatMul and QLinearConv as ONNX Runtime 1.32 computes them on a CPU; ONNX fixes no precision",
            _RUN,
        ),
        _rule(
            "fbgemm",
            _32,
            None,
            _binary32(32),
            "FBGEMM, requantizeOutputProcessingAvx2: vcvtps2dq, then saturating packs",
            _RUN,
        ),
        _rule(
            "qnnpack",
            _32,
            "qnnpack",
            (
                Multiply(width=64),
                ShiftRight(bits=31, rounding=_UP, sum_width=64, width=32),
                ShiftRight(bits=None, rounding=_AWAY, width=32),
            ),
            "QNNPACK, requantization.h: the q31 path of the original library",
            _UNVERIFIED,
        ),
        _rule(
            "pytorch_qnnpack",
            _32,
            None,
            _binary32(32),
            "PyTorch's QNNPACK, its fp32 path on x86: vcvtps2dq, then saturating packs",
            _RUN,
        ),
        _rule(
            "xnnpack_fp32",
            _32,
            None,
            _binary32(None),
            "XNNPACK, requantisation fp32: clamped as binary32, then rounded half to even",
            _UNVERIFIED,
        ),
        _rule(
            "xnnpack_rndnu",
            _32,
            "xnnpack_rndnu",
            _single(_UP, width=64),
            "XNNPACK, requantisation rndnu: a 24-bit significand times the accumulator, one shift, clamped in 64 bits",
            _UNVERIFIED,
        ),
    )
}


def requantiser(rule: str | Requantiser) -> Requantiser:
    """The rule of that name, or the record itself; ``KeyError`` lists the names.

    >>> requantiser("ibert").ratio_form
    <RatioForm.BINARY64: 'binary64'>
    """
    return rule if isinstance(rule, Requantiser) else find_record(rule, _RULES, "requantiser")


def requantisers() -> tuple[str, ...]:
    """The names of all rules.

    >>> requantisers()[:3]
    ('tflite_double_rounding', 'tflite_single_rounding', 'tflite_int16x8')
    """
    return tuple(_RULES)
