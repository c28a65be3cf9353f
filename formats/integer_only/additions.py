"""The residual additions of published systems: two tensors, each with a scale of its own, to a third scale."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from formats.code_books.binary32 import single
from formats.integer_only.requantiser import Requantiser
from formats.integer_only.requantisers import requantiser
from formats.look_up import find_record


class AdditionForm(enum.Enum):
    """How two terms become one.

    ==========  =====================================================================================
    COMMON      each term to a common scale, twice the larger one over ``2^left_shift``; their sum to the output's
    SEPARATE    each term to the output's scale; their sum is the result
    BINARY32    in binary32: ``round((S_a (a - z_a) + S_b (b - z_b)) / S)``, each operation rounded, half to even
    ==========  =====================================================================================
    """

    COMMON = "common"
    SEPARATE = "separate"
    BINARY32 = "binary32"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditionRule:
    """A rule for ``a + b``: see `AdditionForm`; the zero point of the output is added to the result, then clamped.

    ``requantiser`` does every rounding of the integer forms. ``left_shift`` is that of 8-bit terms; those of 16 bits
    are shifted by ``left_shift_16``.

    >>> addition_rule("tflite").left_shift
    20
    """

    name: str
    form: AdditionForm
    requantiser: Requantiser | None
    left_shift: int = 0
    left_shift_16: int = 0
    source: str
    evidence: str

    def shift(self, bits: int) -> int:
        """By how many bits terms are shifted left, the wider of which has so many.

        >>> addition_rule("tflite").shift(8), addition_rule("tflite").shift(16)
        (20, 15)
        """
        return self.left_shift if bits <= 8 else self.left_shift_16

    def ratios(self, a: float, b: float, out: float, *, bits: int) -> tuple[float, float, float]:
        """What the terms, the wider of which has so many bits, and their sum are multiplied by; all 1 for floats.

        >>> addition_rule("tflite").ratios(0.5, 0.25, 0.125, bits=8)
        (0.5, 0.25, 7.62939453125e-06)
        """
        if self.requantiser is None:
            return 1.0, 1.0, 1.0
        if self.form is AdditionForm.COMMON:
            twice = 2 * max(a, b)
            return a / twice, b / twice, twice / ((1 << self.shift(bits)) * out)
        return self.requantiser.ratio(a, 1.0, out), self.requantiser.ratio(b, 1.0, out), 1.0

    def scales(self, a: float, b: float, out: float) -> tuple[float, float, float]:
        """The scales in binary32, for the rule of floats."""
        return single(a), single(b), single(out)


_TFLM = "tflite-micro @ 2e50943, reference/integer_ops/add.h and kernels/add_common.cc"
_RULES = {
    rule.name: rule
    for rule in (
        AdditionRule(
            name="tflite",
            form=AdditionForm.COMMON,
            requantiser=requantiser("tflite_double_rounding"),
            left_shift=20,
            left_shift_16=15,
            source=_TFLM,
            evidence="the code was read; the left shifts from memory, then compared with the library run on a CPU",
        ),
        AdditionRule(
            name="tflite_single_rounding",
            form=AdditionForm.COMMON,
            requantiser=requantiser("tflite_single_rounding"),
            left_shift=20,
            left_shift_16=15,
            source=f"{_TFLM}, with TFLITE_SINGLE_ROUNDING",
            evidence="the code was read; the left shifts from memory",
        ),
        AdditionRule(
            name="hawq_v3_pytorch",
            form=AdditionForm.SEPARATE,
            requantiser=requantiser("hawq_v3_pytorch"),
            source="Zhen-Dong/HAWQ @ 1616df6, fixedpoint_fn of quant_utils.py with an identity; arXiv 2011.10680",
            evidence="the code was read and its published vectors hold",
        ),
        AdditionRule(
            name="hawq_v3_tvm",
            form=AdditionForm.SEPARATE,
            requantiser=replace(
                requantiser("tvm_upward"), name="hawq_v3_tvm_upward", ratio_form=requantiser("hawq_v3_tvm").ratio_form
            ),
            source="TVM fork of HAWQ-V3 @ 13fdf59, qnn.add: each term by requantize's default, UPWARD",
            evidence="the code was read and its published vectors hold",
        ),
        AdditionRule(
            name="tvm",
            form=AdditionForm.SEPARATE,
            requantiser=requantiser("tvm_upward"),
            source="TVM fork of HAWQ-V3 @ 13fdf59, qnn.add of relay/qnn/op/add.cc",
            evidence="the code was read and its published vectors hold",
        ),
        AdditionRule(
            name="onnx_qlinear",
            form=AdditionForm.BINARY32,
            requantiser=None,
            source="ONNX Runtime, com.microsoft.QLinearAdd, MlasQLinearAddKernelRawHelper of qladd.cpp",
            evidence="the portable path was read; the vector paths differ near ties",
        ),
    )
}


def addition_rule(rule: str | AdditionRule) -> AdditionRule:
    """The rule of that name, or the record itself; ``KeyError`` lists the names.

    >>> addition_rule("tvm").form
    <AdditionForm.SEPARATE: 'separate'>
    """
    return rule if isinstance(rule, AdditionRule) else find_record(rule, _RULES, "addition rule")


def addition_rules() -> tuple[str, ...]:
    """The names of all rules.

    >>> addition_rules()
    ('tflite', 'tflite_single_rounding', 'hawq_v3_pytorch', 'hawq_v3_tvm', 'tvm', 'onnx_qlinear')
    """
    return tuple(_RULES)
