"""How systems turn a ratio of scales into a dyadic number ``b / 2^c``, as data."""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass

from formats.dyadic import DyadicPair
from formats.look_up import find_record

TYPE_CHECKING = False
if TYPE_CHECKING:  # the fractions module would be most of what importing formats costs
    from fractions import Fraction


class Ties(enum.Enum):
    """How a multiplier is made an integer: to the nearest, and this where two are."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class DyadicRule:
    """How a system turns a ratio into ``b / 2^c``.

    With ``ratio = f * 2^s``, ``1/2 <= f < 1`` and ``n = multiplier_bits``: ``b = round(f * 2^n)``, ``c = n - s``. If
    ``b = 2^n``: with ``carries`` ``b = 2^(n-1)`` and ``c - 1``. A ratio of 0, or one of ``s < least_exponent``, is
    ``0 / 2^n``; one of ``s > clamp_exponent`` is ``(2^n - 1) / 2^(n - clamp_exponent)``. Then, with ``reduced_bits =
    r``: ``b`` becomes ``(b + 2^(n-r-1)) >> (n - r)``, but ``2^r - 1`` where that would be ``2^r``, and ``c`` becomes
    ``c - (n - r)``. With ``float_bits`` the ratio is first rounded to so many significant bits, half to even.

    So ``|b / 2^c - ratio| <= bound(ratio)``, except where the ratio was flushed or clamped.

    >>> dyadic_rule("tflite").pair(0.75)
    DyadicPair(multiplier=1610612736, shift=31)
    >>> dyadic_rule("hawq_v3_pytorch").pair(1 - 2**-40).multiplier == 1 << 31
    True
    """

    name: str
    multiplier_bits: int
    ties: Ties = Ties.UP
    carries: bool = True
    least_exponent: int | None = None
    clamp_exponent: int | None = None
    reduced_bits: int | None = None
    float_bits: int | None = None
    #: the exponents ``s`` that are accepted, after flushing and clamping; others are refused
    exponents: tuple[int, int]
    #: where the facts come from
    source: str

    @functools.lru_cache(maxsize=1 << 16)  # noqa: B019 (rules are few; a network asks for each of its channels often)
    def pair(self, ratio: Fraction | float) -> DyadicPair:
        """The pair of a ratio (floats are taken exactly).

        ``ValueError`` where the ratio is negative or not finite, or its exponent is not accepted.
        """
        from fractions import Fraction

        if not 0 <= ratio < float("inf"):
            raise ValueError(f"ratio={ratio} must be finite and not negative")
        n, exact = self.multiplier_bits, Fraction(ratio)
        if not exact:
            return DyadicPair(multiplier=0, shift=self._shift(0))
        if self.float_bits is not None:
            exact = _significant(exact, self.float_bits)
        s = binary_exponent(exact)
        b = _rounded(exact * Fraction(2) ** (n - s), self.ties)
        if b == 1 << n and self.carries:
            b, s = b // 2, s + 1
        if self.least_exponent is not None and s < self.least_exponent:
            return DyadicPair(multiplier=0, shift=self._shift(0))
        if self.clamp_exponent is not None and s > self.clamp_exponent:
            b, s = (1 << n) - 1, self.clamp_exponent
        self._check(float(exact), s)
        return DyadicPair(multiplier=self._reduced(b), shift=self._shift(s))

    def bound(self, ratio: Fraction | float) -> Fraction:
        """What ``|b / 2^c - ratio|`` is at most, for a ratio that is neither flushed nor clamped.

        Half a unit of ``b``; where ``b`` is reduced, a whole unit of the reduced one (the greatest is not rounded up);
        and half a unit in the last place of the ratio where that is rounded first.

        >>> dyadic_rule("tflite").bound(0.75) == 2**-32
        True
        """
        from fractions import Fraction

        unit = Fraction(2) ** binary_exponent(Fraction(ratio))
        bits = self.multiplier_bits if self.float_bits is None else min(self.multiplier_bits, self.float_bits)
        return unit / 2 ** (bits + 1) + (unit / 2**self.reduced_bits if self.reduced_bits is not None else 0)

    def _check(self, ratio: float, exponent: int) -> None:
        low, high = self.exponents
        if not low <= exponent <= high:
            raise ValueError(
                f"ratio={ratio:.6g} has the exponent {exponent}; {self.name} takes {low} to {high}, so ratios of "
                f"2^{low - 1} to below 2^{high}"
            )

    def _reduced(self, b: int) -> int:
        if self.reduced_bits is None:
            return b
        drop = self.multiplier_bits - self.reduced_bits
        return min((b + (1 << (drop - 1))) >> drop, (1 << self.reduced_bits) - 1)

    def _shift(self, exponent: int) -> int:
        bits = self.multiplier_bits if self.reduced_bits is None else self.reduced_bits
        return bits - exponent


def binary_exponent(ratio: Fraction) -> int:
    """``s`` with ``2^(s-1) <= ratio < 2^s``, for ``ratio > 0``."""
    s = ratio.numerator.bit_length() - ratio.denominator.bit_length()
    scaled = ratio.numerator >> s if s >= 0 else ratio.numerator << -s
    return s + 1 if scaled >= ratio.denominator else s


def _rounded(number: Fraction, ties: Ties) -> int:
    """The nearest integer; ``number >= 0``."""
    doubled, unit = 2 * number.numerator, 2 * number.denominator
    if ties is Ties.UP:
        return (doubled + number.denominator) // unit
    return -((number.denominator - doubled) // unit)


def _significant(number: Fraction, bits: int) -> Fraction:
    """``number > 0`` rounded to so many significant bits, half to even."""
    from fractions import Fraction

    unit = Fraction(2) ** (binary_exponent(number) - bits)
    return round(number / unit) * unit


_QUANTIZE = "tflite-micro @ 2e50943, QuantizeMultiplier of quantization_util.cc"
_RULES = {
    rule.name: rule
    for rule in (
        DyadicRule(
            name="tflite",
            multiplier_bits=31,
            least_exponent=-31,
            exponents=(-31, 31),
            source=f"{_QUANTIZE}, with floats",
        ),
        DyadicRule(
            name="tflite_emulated_float",
            multiplier_bits=31,
            ties=Ties.DOWN,
            least_exponent=-31,
            exponents=(-31, 31),
            source=f"{_QUANTIZE} and IntegerFrExp, without floats: a tie goes down",
        ),
        DyadicRule(
            name="tflite_single_rounding",
            multiplier_bits=31,
            least_exponent=-31,
            clamp_exponent=30,
            exponents=(-31, 30),
            source=f"{_QUANTIZE}, with TFLITE_SINGLE_ROUNDING",
        ),
        DyadicRule(
            name="tflite_int16x8",
            multiplier_bits=31,
            least_exponent=-31,
            reduced_bits=15,
            exponents=(-31, 7),
            source="tflite-micro @ 2e50943, MultiplyByQuantizedMultiplier of common.cc for 64 bits; CMSIS-NN likewise",
        ),
        DyadicRule(
            name="gemmlowp",
            multiplier_bits=31,
            exponents=(-31, 0),
            source="gemmlowp @ 16e8662, QuantizeMultiplierSmallerThanOne of its quantization example",
        ),
        DyadicRule(
            name="gemmlowp_legacy",
            multiplier_bits=8,
            exponents=(-23, 8),
            source="gemmlowp @ 16e8662, output_stages.h, leaves multiplier and shift to the caller; 8 bits are ours",
        ),
        DyadicRule(
            name="tvm",
            multiplier_bits=31,
            exponents=(-31, 31),
            source="TVM fork of HAWQ-V3 @ 13fdf59, GetFixedPointMultiplierShift of relay/qnn/util.cc",
        ),
        DyadicRule(
            name="hawq_v3_pytorch",
            multiplier_bits=31,
            carries=False,
            exponents=(-31, 31),
            source="Zhen-Dong/HAWQ @ 1616df6, batch_frexp of quant_utils.py; arXiv 2011.10680",
        ),
        DyadicRule(
            name="ibert",
            multiplier_bits=31,
            carries=False,
            exponents=(-31, 31),
            source="kssteven418/I-BERT @ 1b09c75, batch_frexp of quant_utils.py; arXiv 2101.01321",
        ),
        DyadicRule(
            name="qnnpack",
            multiplier_bits=31,
            float_bits=24,
            exponents=(-31, 0),
            source="QNNPACK, requantization.h (q31): the significand of a binary32 number, moved up by 7 bits",
        ),
        DyadicRule(
            name="xnnpack_rndnu",
            multiplier_bits=24,
            float_bits=24,
            exponents=(-31, 8),
            source="XNNPACK, rndnu: the significand of a binary32 number",
        ),
    )
}


def dyadic_rule(rule: str | DyadicRule) -> DyadicRule:
    """The rule of that name, or the record itself; ``KeyError`` lists the names.

    >>> dyadic_rule("tvm").multiplier_bits
    31
    """
    return rule if isinstance(rule, DyadicRule) else find_record(rule, _RULES, "dyadic rule")


def dyadic_rules() -> tuple[str, ...]:
    """The names of all rules.

    >>> len(dyadic_rules())
    11
    """
    return tuple(_RULES)
