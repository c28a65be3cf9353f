"""Published quantisers to two and three levels, weights and activations, as data.

Where a paper and its code disagree there are two records, whose names say which. The arithmetic is binary32 unless a
record says otherwise, and every step that rounds is declared. A mean is the exact sum, divided and rounded once: the
published code sums in an order that its library and hardware choose, so that its last bits are no one's definition.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

_Record = TypeVar("_Record")


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


class Arithmetic(enum.Enum):
    """What the scale and the product with it are rounded to."""

    EXACT = "exact"  #: the quotient is rounded once, to its integer; only the stored scale is rounded to binary32
    BINARY32 = "binary32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenQuantizer:
    """Activations as ``q / s``, one scale for each last axis: ``s = levels / g`` with ``g = max(max|x|, floor)``.

    ``q`` is ``x * s`` rounded to an integer, ties to even, then clipped to ``least..greatest``. `Arithmetic` says
    what is rounded before. Where ``g = 0``, every ``q`` is 0 and ``s`` is infinite.

    >>> BITNET_TOKENS_PAPER.levels, BITNET_TOKENS_CODE.levels
    (128, 127)
    """

    name: str
    levels: int
    least: int
    greatest: int
    floor: Fraction = Fraction(0)
    arithmetic: Arithmetic
    source: str


BITNET_TOKENS_PAPER = TokenQuantizer(
    name="bitnet_tokens_paper",
    levels=128,
    least=-128,
    greatest=128,
    arithmetic=Arithmetic.EXACT,
    source="arXiv 2402.17764, Sec. 2: [-Qb, Qb] with Qb = 2^(b-1), whose upper end int8 does not have",
)
_MODEL = "microsoft/BitNet @ 16da220, gpu/model.py:70, "
BITNET_TOKENS_CODE = TokenQuantizer(
    name="bitnet_tokens_code",
    levels=127,
    least=-128,
    greatest=127,
    floor=Fraction(1, 100_000),
    arithmetic=Arithmetic.BINARY32,
    source=_MODEL + "on binary32 input; also what a fused kernel would compute inside (unverified by execution)",
)
BITNET_TOKENS_CODE_BFLOAT16 = TokenQuantizer(
    name="bitnet_tokens_code_bfloat16",
    levels=127,
    least=-128,
    greatest=127,
    floor=Fraction(1, 100_000),
    arithmetic=Arithmetic.BFLOAT16,
    source=_MODEL
    + "on bfloat16 input, each step rounded to bfloat16 as eager execution does (unverified by execution)",
)
TOKEN_QUANTIZERS = {
    known.name: known for known in (BITNET_TOKENS_PAPER, BITNET_TOKENS_CODE, BITNET_TOKENS_CODE_BFLOAT16)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticQuantizer:
    """Activations as ``alpha * q`` with a learned ``alpha``, one for the tensor, and the gradients of both.

    ``q = round(clip(v / alpha, least, greatest))``, ties to even, or its sign if ``by_sign``. ``v`` is ``x``;
    ``RN(x - mean(x))`` where ``centred``; ``RN(x - min(x))`` where ``from_least``, and then ``min(x)`` is added to
    ``alpha * q``, rounded. ``alpha`` is at least ``floor``. If ``stepwise``, ``v / alpha`` is rounded to binary32
    before it is rounded to an integer.

    Gradients, straight-through, with ``r = RN(v / alpha)`` and the shift of ``v`` as a constant: ``dx = g`` where
    ``least <= r <= greatest``, else 0; ``dalpha`` is the exact sum, rounded once, of ``RN(RN(c * g) * h)`` with ``c``
    the nearer bound outside of these, ``round(r) - r`` inside (the sign of ``x`` if ``by_sign``), and ``h`` the
    rounded ``(size * greatest)^(-1/2)`` if ``scaled_gradient``, else 1.

    >>> TBT_UNSIGNED_2BIT_CODE.greatest, TBT_UNSIGNED_2BIT_CODE.start_levels
    (2, 3)
    """

    name: str
    least: int
    greatest: int
    by_sign: bool = False
    centred: bool = False
    from_least: bool = False
    floor: Fraction = Fraction(0)
    stepwise: bool
    scaled_gradient: bool
    #: the first alpha is ``RN(start * mean|x| / RN(sqrt(start_levels)))``; 0 where the source has none
    start: int = 0
    start_levels: int = 1
    source: str


_EQ = "arXiv 2306.01841, Eqs. 11-14; gradients by the straight-through rule, without a scale"
_ELASTIC = "facebookresearch/Ternary_Binary_Transformer @ 715407e, quant/utils_quant.py, ElasticQuantBinarizer{}"
_FLOOR = Fraction(1, 100_000)


def _paper(name: str, least: int, greatest: int, *, by_sign: bool = False) -> ElasticQuantizer:
    return ElasticQuantizer(
        name=name,
        least=least,
        greatest=greatest,
        by_sign=by_sign,
        centred=least < 0,
        stepwise=False,
        scaled_gradient=False,
        source=_EQ,
    )


TBT_SIGNED_2BIT_PAPER = _paper("tbt_signed_2bit_paper", -1, 1)
TBT_SIGNED_1BIT_PAPER = _paper("tbt_signed_1bit_paper", -1, 1, by_sign=True)
TBT_UNSIGNED_2BIT_PAPER = _paper("tbt_unsigned_2bit_paper", 0, 2)
TBT_UNSIGNED_1BIT_PAPER = _paper("tbt_unsigned_1bit_paper", 0, 1)
TBT_SIGNED_2BIT_CODE = ElasticQuantizer(
    name="tbt_signed_2bit_code",
    least=-1,
    greatest=1,
    floor=_FLOOR,
    stepwise=True,
    scaled_gradient=True,
    start=2,
    source=_ELASTIC.format("Signed"),
)
TBT_SIGNED_1BIT_CODE = ElasticQuantizer(
    name="tbt_signed_1bit_code",
    least=-1,
    greatest=1,
    by_sign=True,
    floor=_FLOOR,
    stepwise=True,
    scaled_gradient=True,
    start=2,
    source=_ELASTIC.format("Signed") + "; sign(0) = 0, a third level",
)
TBT_UNSIGNED_2BIT_CODE = ElasticQuantizer(
    name="tbt_unsigned_2bit_code",
    least=0,
    greatest=2,
    from_least=True,
    floor=_FLOOR,
    stepwise=True,
    scaled_gradient=True,
    start=4,
    start_levels=3,
    source=_ELASTIC.format("Unsigned") + "; it starts as if it had 2^2 - 1 = 3 levels above 0",
)
TBT_UNSIGNED_1BIT_CODE = ElasticQuantizer(
    name="tbt_unsigned_1bit_code",
    least=0,
    greatest=1,
    floor=_FLOOR,
    stepwise=True,
    scaled_gradient=True,
    start=4,
    source=_ELASTIC.format("Unsigned"),
)
_ELASTICS = (
    TBT_SIGNED_2BIT_PAPER,
    TBT_SIGNED_1BIT_PAPER,
    TBT_UNSIGNED_2BIT_PAPER,
    TBT_UNSIGNED_1BIT_PAPER,
    TBT_SIGNED_2BIT_CODE,
    TBT_SIGNED_1BIT_CODE,
    TBT_UNSIGNED_2BIT_CODE,
    TBT_UNSIGNED_1BIT_CODE,
)
ELASTIC_QUANTIZERS = {known.name: known for known in _ELASTICS}


def weight_quantizer(name: str | WeightQuantizer) -> WeightQuantizer:
    """The quantiser of weights called ``name``; a record is returned as it is. ``KeyError`` lists the known ones.

    >>> weight_quantizer("twn_layer").by_row
    False
    """
    return name if isinstance(name, WeightQuantizer) else _find(name, WEIGHT_QUANTIZERS, "weight quantiser")


def token_quantizer(name: str | TokenQuantizer) -> TokenQuantizer:
    """The quantiser of activations called ``name``; a record is returned as it is. ``KeyError`` lists the known ones.

    >>> token_quantizer("bitnet_tokens_code").least
    -128
    """
    return name if isinstance(name, TokenQuantizer) else _find(name, TOKEN_QUANTIZERS, "token quantiser")


def elastic_quantizer(name: str | ElasticQuantizer) -> ElasticQuantizer:
    """The elastic quantiser called ``name``; a record is returned as it is. ``KeyError`` lists the known ones.

    >>> elastic_quantizer("tbt_unsigned_1bit_code").start
    4
    """
    return name if isinstance(name, ElasticQuantizer) else _find(name, ELASTIC_QUANTIZERS, "elastic quantiser")


def _find(name: str, known: dict[str, _Record], what: str) -> _Record:
    try:
        return known[name]
    except KeyError:
        raise KeyError(f"unknown {what} {name!r}; known: {', '.join(known)}") from None
