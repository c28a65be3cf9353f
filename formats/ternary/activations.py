"""Published quantisers of the activations that meet ternary and binary weights, as data.

Means and rounding are those of `formats.ternary`: every step that rounds is declared.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fractions import Fraction

from formats.look_up import find_record


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


def token_quantizer(name: str | TokenQuantizer) -> TokenQuantizer:
    """The quantiser of activations called ``name``; a record is returned as it is. ``KeyError`` lists the known ones.

    >>> token_quantizer("bitnet_tokens_code").least
    -128
    """
    return name if isinstance(name, TokenQuantizer) else find_record(name, TOKEN_QUANTIZERS, "token quantiser")


def elastic_quantizer(name: str | ElasticQuantizer) -> ElasticQuantizer:
    """The elastic quantiser called ``name``; a record is returned as it is. ``KeyError`` lists the known ones.

    >>> elastic_quantizer("tbt_unsigned_1bit_code").start
    4
    """
    return name if isinstance(name, ElasticQuantizer) else find_record(name, ELASTIC_QUANTIZERS, "elastic quantiser")
