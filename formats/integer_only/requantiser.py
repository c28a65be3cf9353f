"""What a requantiser is: a ratio from scales, a multiplier from the ratio, and steps with their widths."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from formats.code_books.binary32 import single
from formats.dyadic import DyadicPair
from formats.integer_only.multipliers import DyadicRule
from formats.integer_only.steps import AddOffset, ShiftLeft, ShiftRight, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fractions import Fraction


class RatioForm(enum.Enum):
    """How a system makes the ratio ``S_x * S_w / S_y`` of its scales.

    ============  ====================================================================================
    BINARY64      the product and the quotient in binary64, each rounded
    SQUEEZED      the product in binary64, rounded to binary32; divided in binary64 by ``S_y`` in binary32
    BINARY32      all in binary32: the scales, their product and the quotient
    ============  ====================================================================================
    """

    BINARY64 = "binary64"
    SQUEEZED = "squeezed"
    BINARY32 = "binary32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requantiser:
    """A map of accumulators to integers: ``y = clamp(steps(x) + z)``, for a ratio and a zero point ``z``.

    ``steps`` act on ``x`` in their order. The zero point is added after them, or by an `AddOffset` among them. Where a
    step's result does not fit its width, the rule has no result there, and the executors raise ``OverflowError``.

    With ``dyadic`` None the multiplier is a binary32 number: the ratio, rounded to it.

    >>> from formats.integer_only.requantisers import requantiser
    >>> requantiser("tflite_double_rounding").multiplier(0.25)
    DyadicPair(multiplier=1073741824, shift=32)
    >>> requantiser("onnx_qlinear").ratio(0.1, 0.2, 0.3)
    0.06666667014360428
    """

    name: str
    ratio_form: RatioForm
    dyadic: DyadicRule | None
    steps: tuple[Step, ...]
    #: the accumulators that the rule is for are ints of so many bits
    accumulator_bits: int = 32
    source: str
    #: how far the facts were checked
    evidence: str

    @property
    def is_float(self) -> bool:
        """Whether the multiplier is a binary32 number, and the product one of floats."""
        return self.dyadic is None

    @property
    def adds_offset(self) -> bool:
        """Whether the zero point is added before the product, in units of the accumulator."""
        return any(isinstance(step, AddOffset) for step in self.steps)

    def ratio(self, input_scale: float, weight_scale: float, output_scale: float) -> float:
        """``input_scale * weight_scale / output_scale``, as the system computes it: see `RatioForm`.

        ``ValueError`` where a scale, or the ratio, is not positive and finite, in binary32 where that is used.
        """
        scales = (input_scale, weight_scale, output_scale)
        if not all(0 < scale < float("inf") for scale in scales):
            raise ValueError(f"scales {scales} must be positive and finite")
        match self.ratio_form:
            case RatioForm.BINARY64:
                return input_scale * weight_scale / output_scale
            case RatioForm.SQUEEZED:
                a, w, y = (single(scale) for scale in scales)
                return single(a * w) / y
            case RatioForm.BINARY32:
                a, w, y = (single(scale) for scale in scales)
                return single(single(a * w) / y)

    def multiplier(self, ratio: float | Fraction) -> DyadicPair | float:
        """The dyadic pair of a ratio, or the binary32 number where the rule is one of floats.

        ``ValueError`` where the rule does not take the ratio.
        """
        if self.dyadic is not None:
            return self.dyadic.pair(ratio)
        if not ratio > 0:
            raise ValueError(f"ratio={ratio} must be positive")
        return single(ratio)

    def amounts(self, shift: int) -> tuple[int, ...]:
        """By how many bits each step shifts, right or left, for a multiplier ``b / 2^shift``; 0 for the others.

        >>> from formats.integer_only.requantisers import requantiser
        >>> requantiser("tflite_double_rounding").amounts(38)
        (0, 0, 31, 7)
        >>> requantiser("tvm_tonearest").amounts(29)
        (2, 0, 31)
        """
        bits = 0 if self.dyadic is None else self.dyadic.multiplier_bits
        left = max(bits - shift, 0) if any(isinstance(step, ShiftLeft) for step in self.steps) else 0
        fixed = sum(step.bits or 0 for step in self.steps if isinstance(step, ShiftRight))
        rest = shift + left - fixed
        return tuple(left if isinstance(step, ShiftLeft) else _right(step, rest) for step in self.steps)

    def offset(self, b: int, c: int, zero_point: int) -> int:
        """What an `AddOffset` adds for ``b / 2^c``: the integer nearest to ``z * 2^c / b``, halves up; else 0."""
        if not self.adds_offset or not b:
            return 0
        return ((zero_point << (c + 1)) + b) // (2 * b)


def _right(step: Step, rest: int) -> int:
    if not isinstance(step, ShiftRight):
        return 0
    return rest if step.bits is None else step.bits
