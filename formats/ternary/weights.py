"""Published quantisers of weights to two and three levels, as data.

Where a paper and its code disagree there are two records, whose names say which. The arithmetic is binary32 unless a
record says otherwise, and every step that rounds is declared. A mean is the exact sum, divided and rounded once: the
published code sums in an order that its library and hardware choose, so that its last bits are no one's definition.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fractions import Fraction

from formats.look_up import find_record


class Decision(enum.Enum):
    """How a weight ``d`` becomes -1, 0 or 1, given the scale ``s`` or the threshold."""

    QUOTIENT = "quotient"  #: ``d / s`` clipped to -1..1 and rounded, ties to even: 0 if and only if ``2 |d| <= s``
    RECIPROCAL = "reciprocal"  #: the same of ``RN(d * RN(1 / s))``, and the scale becomes ``RN(1 / RN(1 / s))``
    ABOVE = "above"  #: its sign where ``|d| > D``, else 0; the scale is the mean of the magnitudes above ``D``
    SIGN = "sign"  #: its sign


class Guard(enum.Enum):
    """What keeps a scale from zero."""

    NONE = "none"  #: nothing
    ADDED = "added"  #: ``RN(s + eps)`` decides the codes; the scale that multiplies them stays ``s``
    FLOOR = "floor"  #: ``max(s, eps)``


class NoScale(enum.Enum):
    """The scale where every code is 0 because ``s`` is 0, as in a row of zeros."""

    NAN = "nan"  #: NaN, since the published code divides 0 by 0; dequantised, all of the row is NaN
    ZERO = "zero"  #: 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightQuantizer:
    """Weights as ``scale * t``, one scale a row (all that shares an index of axis 0) or one for the tensor.

    ``d = w``, or where ``centred`` ``RN(w - mu)`` with ``mu`` the mean of ``w``. The statistic ``factor * mean|d|`` is
    rounded once, or if ``stepwise`` the mean, the factor, then the product. It is the scale ``s``, or for
    `Decision.ABOVE` the threshold ``D``.

    >>> TBT_CODE.threshold, BITNET_B158_CODE.threshold, TWN_LAYER.threshold
    (Fraction(2, 3), Fraction(1, 2), Fraction(7, 10))
    """

    name: str
    by_row: bool
    centred: bool = False
    factor: Fraction = Fraction(1)
    stepwise: bool = False
    decision: Decision
    guard: Guard = Guard.NONE
    eps: Fraction = Fraction(0)
    no_scale: NoScale
    #: the code of ``d = 0`` under `Decision.SIGN`
    sign_of_zero: int = 0
    source: str

    def __post_init__(self) -> None:
        def need(condition: bool, what: str) -> None:
            if not condition:
                raise ValueError(f"WeightQuantizer {self.name!r}: {what}")

        need(self.factor > 0, f"factor={self.factor} must be positive")
        need((self.guard is Guard.NONE) == (self.eps == 0), f"eps={self.eps} does not go with guard={self.guard.value}")
        need(self.sign_of_zero in (-1, 0, 1), f"sign_of_zero={self.sign_of_zero} must be -1, 0 or 1")

    @property
    def threshold(self) -> Fraction | None:
        """The magnitude, in units of ``mean|d|``, beyond which a code is not 0; None where no other is."""
        match self.decision:
            case Decision.SIGN:
                return None
            case Decision.ABOVE:
                return self.factor
            case _:
                return self.factor / 2


_TBT = "arXiv 2306.01841, Eq. {}"
_TBT_CODE = "facebookresearch/Ternary_Binary_Transformer @ 715407e, quant/utils_quant.py, {}"
TBT_PAPER = WeightQuantizer(
    name="tbt_paper",
    by_row=False,
    centred=True,
    factor=Fraction(4, 3),
    decision=Decision.QUOTIENT,
    no_scale=NoScale.ZERO,
    source=_TBT.format(8) + "; it does not say what a tensor of one value becomes: here 0",
)
TBT_CODE = WeightQuantizer(
    name="tbt_code",
    by_row=True,
    factor=Fraction(4, 3),
    stepwise=True,
    decision=Decision.QUOTIENT,
    no_scale=NoScale.NAN,
    source=_TBT_CODE.format("QuantizeLinear"),
)
TBT_BINARY_PAPER = WeightQuantizer(
    name="tbt_binary_paper",
    by_row=False,
    centred=True,
    decision=Decision.SIGN,
    no_scale=NoScale.ZERO,
    sign_of_zero=1,
    source=_TBT.format(9) + "; a code has one bit and the paper does not say which of the two 0 gets: here +1",
)
TBT_BINARY_CODE = WeightQuantizer(
    name="tbt_binary_code",
    by_row=True,
    stepwise=True,
    decision=Decision.SIGN,
    no_scale=NoScale.NAN,
    source=_TBT_CODE.format("QuantizeLinear") + "; sign(0) = 0, a third level",
)
BWN = WeightQuantizer(
    name="bwn",
    by_row=True,
    decision=Decision.SIGN,
    no_scale=NoScale.ZERO,
    sign_of_zero=1,
    source="arXiv 1603.05279, binary weights with the mean magnitude of a filter; sign(0) is not said: here +1",
)
_TWN = "arXiv 1605.04711"
TWN_LAYER = WeightQuantizer(
    name="twn_layer",
    by_row=False,
    factor=Fraction(7, 10),
    decision=Decision.ABOVE,
    no_scale=NoScale.ZERO,
    source=_TWN,
)
TWN_ROW = WeightQuantizer(
    name="twn_row",
    by_row=True,
    factor=Fraction(7, 10),
    decision=Decision.ABOVE,
    no_scale=NoScale.ZERO,
    source=_TWN + ", its rule for each row",
)
TWN_LAYER_CODE = WeightQuantizer(
    name="twn_layer_code",
    by_row=False,
    factor=Fraction(7, 10),
    stepwise=True,
    decision=Decision.ABOVE,
    no_scale=NoScale.NAN,
    source=_TBT_CODE.format("TwnQuantizer, layerwise") + "; clipping comes before and is the caller's",
)
TWN_ROW_CODE = WeightQuantizer(
    name="twn_row_code",
    by_row=True,
    factor=Fraction(7, 10),
    stepwise=True,
    decision=Decision.ABOVE,
    no_scale=NoScale.NAN,
    source=_TBT_CODE.format("TwnQuantizer, by row") + "; clipping comes before and is the caller's",
)
BITNET_B158_PAPER = WeightQuantizer(
    name="bitnet_b158_paper",
    by_row=False,
    decision=Decision.QUOTIENT,
    guard=Guard.ADDED,
    eps=Fraction(1, 100_000),
    no_scale=NoScale.ZERO,
    source="arXiv 2402.17764, Sec. 2; it gives no value for epsilon: here that of the code",
)
BITNET_B158_CODE = WeightQuantizer(
    name="bitnet_b158_code",
    by_row=False,
    stepwise=True,
    decision=Decision.RECIPROCAL,
    guard=Guard.FLOOR,
    eps=Fraction(1, 100_000),
    no_scale=NoScale.ZERO,
    source="microsoft/BitNet @ 16da220, gpu/convert_checkpoint.py:24, in binary32, before its scale becomes bfloat16",
)

_WEIGHTS = (
    TBT_PAPER,
    TBT_CODE,
    TBT_BINARY_PAPER,
    TBT_BINARY_CODE,
    BWN,
    TWN_LAYER,
    TWN_ROW,
    TWN_LAYER_CODE,
    TWN_ROW_CODE,
    BITNET_B158_PAPER,
    BITNET_B158_CODE,
)
#: every named quantiser of weights
WEIGHT_QUANTIZERS = {known.name: known for known in _WEIGHTS}


def weight_quantizer(name: str | WeightQuantizer) -> WeightQuantizer:
    """The quantiser of weights called ``name``; a record is returned as it is. ``KeyError`` lists the known ones.

    >>> weight_quantizer("twn_layer").by_row
    False
    """
    return name if isinstance(name, WeightQuantizer) else find_record(name, WEIGHT_QUANTIZERS, "weight quantiser")
