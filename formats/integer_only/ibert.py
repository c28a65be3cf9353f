"""What I-BERT's integer exp, softmax, GELU and LayerNorm are, and the integers that a scale makes of their constants.

The rules themselves, by name: `formats.integer_only.ibert_rules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, isqrt, sqrt

from formats.code_books.binary32 import single
from formats.dyadic import DyadicPair
from formats.integer_only.multipliers import dyadic_rule
from formats.integer_only.polynomials import Coefficients, Polynomial


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpConstants:
    """What a scale makes of an `ExpRule`: all the integers that i-exp uses."""

    input_shift: int
    ln2: int
    b: int
    c: int
    #: the polynomial's value at 0, its greatest
    greatest: int
    #: of the result, exactly
    out_scale: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpRule:
    """``exp(S q)`` for integers ``q <= 0``.

    ``q`` is first divided by ``2^u``, halves up, and ``S`` multiplied by it: ``u = 0`` without ``word_bits``, else the
    least for which the polynomial fits so many signed bits. With ``l = floor(ln2 / S)`` (the ceiling where
    ``ceiling``): ``z = floor(-q / l)``, ``p = q + z l`` and ``L`` the polynomial of ``p``. The result is ``floor(L /
    2^z)``, of scale ``a S^2``; with ``octaves = n``: ``q`` is first raised to ``-n l``, and the result is
    ``L 2^(n - z)``, of scale ``a S^2 / 2^n``.

    >>> from formats.integer_only.ibert_rules import exp_rule
    >>> exp_rule("paper").constants(2**-10).ln2, exp_rule("code").constants(0.05).ln2
    (709, 14)
    >>> exp_rule("safe").constants(2**-20).input_shift
    6
    """

    name: str
    polynomial: Polynomial
    ln2: str
    ceiling: bool
    octaves: int | None
    coefficients: Coefficients
    word_bits: int | None = None
    source: str

    def constants(self, scale: float) -> ExpConstants:
        """The integers for a scale; ``ValueError`` where it is not positive, or above ``ln 2``."""
        check_scale(scale)
        shift = 0
        while self.word_bits is not None and self._at(scale, shift).greatest >= 1 << (self.word_bits - 1):
            shift += 1
        return self._at(scale, shift)

    def _at(self, scale: float, shift: int) -> ExpConstants:
        moved = Fraction(scale) * 2**shift
        ln2 = self._ln2(moved)
        b, c = self.polynomial.integers(moved, self.coefficients)
        if ln2 < 1:
            raise ValueError(f"scale={scale} makes floor(ln2 / S) = {ln2}; i-exp takes scales of at most {self.ln2}")
        unit = self.polynomial.out_scale(moved, self.coefficients)
        return ExpConstants(
            input_shift=shift,
            ln2=ln2,
            b=b,
            c=c,
            greatest=c if self.polynomial.expanded else b * b + c,
            out_scale=unit if self.octaves is None else unit / 2**self.octaves,
        )

    def _ln2(self, scale: Fraction) -> int:
        if self.coefficients is Coefficients.EXACT:
            quotient = Fraction(self.ln2) / scale
        else:
            quotient = Fraction(single(single(float(self.ln2)) * single(1.0 / single(scale))))
        return ceil(quotient) if self.ceiling else floor(quotient)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftmaxRule:
    """Rows of ``softmax(S q)`` in units of ``2^-output_bits``: ``e = i-exp(q - max q)``, then integers ``o``.

    With ``requantised_bits = n``: ``e`` becomes ``round(e b / 2^c)``, clamped to the signed integers of ``n`` bits,
    where ``b / 2^c`` is I-BERT's dyadic number for ``S_e / (maximum / (2^(n-1) - 1))`` and the product is rounded to
    binary64 first, as its requantiser does; ``maximum`` is a calibrated one of all exponentials. Then ``F =
    floor(2^r / sum e)`` and ``o = floor(e F / 2^(r - output_bits))``, ``r = reciprocal_bits``.

    Else ``o = floor(2^output_bits e / sum e)``; with ``word_bits`` ``e`` is first divided by ``2^t``, floored, ``t``
    the least for which sum and product fit so many signed bits.

    >>> from formats.integer_only.ibert_rules import softmax_rule
    >>> softmax_rule("safe").sum_shift(2**-10, 512), softmax_rule("safe").sum_shift(2**-10, 1024)
    (0, 1)
    """

    name: str
    exp: ExpRule
    output_bits: int = 8
    requantised_bits: int | None
    reciprocal_bits: int | None
    word_bits: int | None = None
    source: str

    def sum_shift(self, scale: float, length: int) -> int:
        """``t`` for rows of so many integers."""
        if self.word_bits is None:
            return 0
        greatest, factor, shift = self.exp.constants(scale).greatest, max(length, 1 << self.output_bits), 0
        while (greatest >> shift) * factor >= 1 << (self.word_bits - 1):
            shift += 1
        return shift

    def pair(self, scale: float, maximum: float) -> DyadicPair:
        """``b / 2^d``, ``d = c - octaves``: the polynomial's value, over ``2^z``, times it is ``e`` of fewer bits.

        >>> from formats.integer_only.ibert_rules import softmax_rule
        >>> softmax_rule("code").pair(0.05, 1.0)
        DyadicPair(multiplier=1968898506, shift=26)
        """
        assert self.requantised_bits is not None
        assert self.exp.octaves is not None
        if not 0 < maximum < float("inf"):
            raise ValueError(f"maximum={maximum} must be positive and finite")
        unit = single(single(maximum) / ((1 << (self.requantised_bits - 1)) - 1))
        exact = self.exp.constants(scale).out_scale * 2**self.exp.octaves
        return dyadic_rule("ibert").pair(float(exact) / unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeluConstants:
    """What a scale makes of a `GeluRule`: all the integers that i-GELU uses."""

    input_shift: int
    b: int
    c: int
    one: int
    #: of the result, exactly; negative
    out_scale: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class GeluRule:
    """``x / 2 (1 + erf(x / root))`` for ``x = S q``, ``root`` nearly the square root of 2.

    ``q`` is first divided by ``2^u``, halves up, and ``S`` multiplied by it: ``u = 0`` without ``word_bits``, else the
    least for which all fits so many signed bits, for the greatest ``|q|``. With the polynomial's ``q_b`` and ``q_c``
    at the scale ``S / root``: ``E = floor(sgn(q) ((min(|q|, -q_b) + q_b)^2 + q_c) / 2^shift)``, whose scale ``S_E`` is
    negative; ``one = floor(1 / S_E)``; the result is ``q (E + one)``, of scale ``S S_E / 2``.

    ``least_one``: ``|one|`` below it is refused, since the floor of ``one`` alone is then an error of
    ``|x| / least_one`` (this project's bound; the code computes whatever comes).

    >>> from formats.integer_only.ibert_rules import gelu_rule
    >>> gelu_rule("code").constants(2**-11).one
    -1773
    """

    name: str
    polynomial: Polynomial
    root: str
    shift: int
    coefficients: Coefficients
    least_one: int = 16
    word_bits: int | None = None
    source: str

    def constants(self, scale: float, magnitude: int | None = None) -> GeluConstants:
        """The integers for a scale and, with ``word_bits``, for a greatest ``|q|``.

        ``ValueError`` where the scale is not positive, or ``|one|`` is below ``least_one``.
        """
        check_scale(scale)
        if self.word_bits is None:
            return self._checked(self._at(scale, 0), scale)
        if magnitude is None:
            raise TypeError(f"i-GELU {self.name!r} chooses its shift by magnitude, the greatest |q|; it is missing")
        shift, limit = 0, 1 << (self.word_bits - 1)
        while not _fits(self._at(scale, shift), -(-magnitude >> shift), limit):
            shift += 1
        return self._checked(self._at(scale, shift), scale)

    def _checked(self, made: GeluConstants, scale: float) -> GeluConstants:
        if -made.one < self.least_one:
            raise ValueError(
                f"scale={scale}, input shift {made.input_shift}: one={made.one} in i-GELU {self.name!r}, which needs "
                f"|one| >= {self.least_one}: too coarse for any input"
            )
        return made

    def _at(self, scale: float, shift: int) -> GeluConstants:
        moved = Fraction(scale) * 2**shift
        if self.coefficients is Coefficients.EXACT:
            argument, outer = moved / Fraction(self.root), moved
        else:
            argument = Fraction(single(single(moved) / single(float(self.root))))
            outer = Fraction(single(moved))
        b, c = self.polynomial.integers(argument, self.coefficients)
        unit = self.polynomial.out_scale(argument, self.coefficients) * 2**self.shift
        return GeluConstants(input_shift=shift, b=b, c=c, one=floor(1 / unit), out_scale=outer * unit / 2)


def _fits(made: GeluConstants, magnitude: int, limit: int) -> bool:
    """``|q_b|``, ``|q_c|`` and the product, at its ends, below the limit. ``|E| <= |q_c| / 2^shift + 1``."""
    factor = 2 * max(-made.one, 1) + 2
    return -made.c + 1 < limit and magnitude * factor < limit


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNormRule:
    """``(x - mean) / sd`` of rows of ``N`` integers in units of ``sqrt(N) / 2^30``, then ``+ beta / gamma``.

    ``m = round(mean q)``, half to even, ``y = q - m``, ``y' = floor(y / 2^k)``, ``v = sum y'^2`` (a sum, not a mean),
    ``sd = isqrt(v) 2^k``, ``F = floor(2^31 / sd)``, result ``floor(y F / 2) + floor((beta / gamma) / unit)``, to be
    multiplied by ``gamma unit``, ``unit = sqrt(N) / 2^30``. There is no epsilon: ``sd = 0`` is refused.

    ``k`` is given (calibrated, so that ``v < 2^32``) or, where ``row_shifts``, chosen for each row: with ``n`` the bit
    length of ``max |y|`` and ``L`` that of ``N - 1``, the least ``k >= 0`` with ``L + 2 (n - k) <= 31``.

    >>> from formats.integer_only.ibert_rules import layer_norm_rule
    >>> layer_norm_rule("safe").shift(1000, 384), layer_norm_rule("safe").shift(1 << 21, 384)
    (0, 11)
    """

    name: str
    row_shifts: bool
    coefficients: Coefficients
    source: str

    def shift(self, magnitude: int, length: int) -> int:
        """``k`` of a row of that ``max |y|``."""
        return max(0, (2 * magnitude.bit_length() + (length - 1).bit_length() - 30) // 2)

    def bias(self, gamma: float, beta: float, length: int) -> int:
        """``floor((beta / gamma) / unit)``; ``ZeroDivisionError`` for ``gamma = 0``.

        >>> from formats.integer_only.ibert_rules import layer_norm_rule
        >>> layer_norm_rule("safe").bias(2.0, -1.0, 4)
        -268435456
        """
        if gamma == 0:
            raise ZeroDivisionError(f"gamma=0 with beta={beta}: the integer LayerNorm adds beta / gamma")
        if not beta:
            return 0
        if self.coefficients is Coefficients.BINARY32:
            quotient = single(single(beta) / single(gamma))
            return floor(single(quotient / (single(sqrt(length)) / 2**30)))
        ratio = Fraction(beta) / Fraction(gamma) * 2**30
        root = isqrt(floor(ratio * ratio / length))  # of the magnitude, floored
        return root if ratio > 0 else -root - (root * root * length != ratio * ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRule:
    """The least and greatest integer of ``b`` bits that a quantiser clips to: ``-n - low`` and ``n - high``.

    ``n = 2^(b-1) - 1``, by which the scale is chosen.

    >>> from formats.integer_only.ibert_rules import clip_rule
    >>> clip_rule("code_weights").limits(8), clip_rule("paper").limits(8)
    ((-127, 126), (-128, 127))
    """

    name: str
    low: int
    high: int
    source: str

    def limits(self, bits: int) -> tuple[int, int]:
        """Both limits."""
        n = (1 << (bits - 1)) - 1
        return -n - self.low, n - self.high


def check_scale(scale: float) -> None:
    """``ValueError`` for a scale that is not positive and finite."""
    if not 0 < scale < float("inf"):
        raise ValueError(f"scale={scale} must be positive and finite")
