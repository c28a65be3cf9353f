"""The judge of I-BERT's integer functions: one number or one row at a time, with every intermediate integer.

Constants are derived here anew, from decimals and fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from math import ceil, floor, isqrt

from formats.integer_only.ibert import ExpRule, GeluRule, LayerNormRule, SoftmaxRule
from formats.integer_only.ibert_rules import exp_rule, gelu_rule, layer_norm_rule, softmax_rule
from formats.integer_only.polynomials import Coefficients, Polynomial

Steps = dict[str, int]


def significant(number: Fraction, bits: int) -> Fraction:
    """The number rounded to so many significant bits, half to even; no bound on the exponent.

    >>> significant(Fraction(1, 10), 24) == Fraction(13421773, 2**27)
    True
    """
    if not number:
        return number
    unit = Fraction(2) ** (_exponent(number) - bits)
    return round(number / unit) * unit


def _exponent(number: Fraction) -> int:
    """``e`` with ``2^(e-1) <= |number| < 2^e``."""
    exponent = abs(number.numerator).bit_length() - number.denominator.bit_length()
    return exponent + (abs(number) >= Fraction(2) ** exponent)


def _single(number: Fraction) -> Fraction:
    return significant(number, 24)


@cache
def _coefficients(form: Polynomial, scale: Fraction, how: Coefficients) -> tuple[int, int, Fraction]:
    """``q_b``, ``q_c`` and the scale of the result."""
    a, b, c = (Fraction(text) for text in (form.a, form.b, form.c))
    if how is Coefficients.EXACT:
        return floor((b / a if form.expanded else b) / scale), floor(c / a / scale**2), a * scale**2
    a, b, c = (significant(number, 53) for number in (a, b, c))
    top = significant(b / a, 53) if form.expanded else b
    square = _single(scale * scale)
    reciprocals = _single(1 / scale), _single(1 / square)
    quotients = _single(_single(top) * reciprocals[0]), _single(_single(significant(c / a, 53)) * reciprocals[1])
    return floor(quotients[0]), floor(quotients[1]), _single(_single(a) * square)


@cache
def _ln2(rule: ExpRule, scale: Fraction) -> int:
    ln2 = Fraction(rule.ln2)
    binary32 = rule.coefficients is Coefficients.BINARY32
    quotient = _single(_single(ln2) * _single(1 / scale)) if binary32 else ln2 / scale
    return ceil(quotient) if rule.ceiling else floor(quotient)


def _scaled(scale: float, how: Coefficients) -> Fraction:
    return _single(Fraction(scale)) if how is Coefficients.BINARY32 else Fraction(scale)


def _wrap(x: int, bits: int | None) -> int:
    if bits is None:
        return x
    x %= 2**bits
    return x - 2**bits if x >= 2 ** (bits - 1) else x


def _half_up(x: int, shift: int) -> int:
    return floor(Fraction(x, 2**shift) + Fraction(1, 2))


def exp(q: int, scale: float, rule: str | ExpRule, *, wrap: int | None = None) -> Steps:
    """Every integer of i-exp for one ``q <= 0``, by name; the last, ``result``, is the result.

    >>> exp(-100, 0.05, "paper")["result"], exp(-100, 0.05, "code")["result"]
    (5, 8489271296)
    """
    record = exp_rule(rule)
    unit, shift = _scaled(scale, record.coefficients), 0
    while record.word_bits is not None and _at_zero(record, unit * 2**shift) >= 2 ** (record.word_bits - 1):
        shift += 1
    unit *= 2**shift
    ln2 = _ln2(record, unit)
    b, c, _ = _coefficients(record.polynomial, unit, record.coefficients)
    x = _half_up(q, shift)
    if record.octaves is not None:
        x = max(x, -record.octaves * ln2)
    z = -x // ln2
    p = x + z * ln2
    steps = {"input": x, "octaves": z, "remainder": p, "q_b": b, "q_c": c, "moved": _wrap(p + b, wrap)}
    steps["product"] = _wrap(steps["moved"] * (p if record.polynomial.expanded else steps["moved"]), wrap)
    steps["polynomial"] = _wrap(steps["product"] + c, wrap)
    if record.octaves is None:
        steps["result"] = steps["polynomial"] >> z  # the floor, for a z of any size
    else:
        steps["result"] = _wrap(steps["polynomial"] * 2 ** (record.octaves - z), wrap)
    return steps


@cache
def _at_zero(rule: ExpRule, scale: Fraction) -> int:
    b, c, _ = _coefficients(rule.polynomial, scale, rule.coefficients)
    return c if rule.polynomial.expanded else b * b + c


def softmax(
    q: Sequence[int], scale: float, rule: str | SoftmaxRule, *, maximum: float | None = None, wrap: int | None = None
) -> list[int]:
    """A row of i-softmax.

    >>> softmax([300, -300], 0.05, "code", maximum=1.0)
    [255, 0]
    """
    record = softmax_rule(rule)
    top = max(q)
    e = [exp(x - top, scale, record.exp, wrap=wrap)["result"] for x in q]
    if record.requantised_bits is not None and record.reciprocal_bits is not None:
        assert maximum is not None
        e = [requantised(x, scale, record, maximum) for x in e]
        total = _wrap(sum(e), wrap)
        factor = 2**record.reciprocal_bits // total
        return [floor(Fraction(_wrap(x * factor, wrap), 2 ** (record.reciprocal_bits - record.output_bits))) for x in e]
    if record.word_bits is not None:
        shift, greatest = 0, exp(0, scale, record.exp)["result"]
        while (greatest >> shift) * max(len(q), 2**record.output_bits) >= 2 ** (record.word_bits - 1):
            shift += 1
        e = [x >> shift for x in e]
    total = _wrap(sum(e), wrap)
    return [_wrap(x * 2**record.output_bits, wrap) // total for x in e]


def dyadic(ratio: Fraction) -> tuple[int, int]:
    """I-BERT's ``b`` and ``c``: 31 bits, halves up, without a carry.

    >>> dyadic(Fraction(3, 4))
    (1610612736, 31)
    """
    exponent = _exponent(ratio)
    return floor(ratio * Fraction(2) ** (31 - exponent) + Fraction(1, 2)), 31 - exponent


@cache
def _dyadic(scale: float, rule: SoftmaxRule, maximum: float) -> tuple[int, int]:
    """``b`` and ``c`` of the exponentials."""
    record = rule.exp
    assert rule.requantised_bits is not None
    assert record.octaves is not None
    out = _coefficients(record.polynomial, _scaled(scale, record.coefficients), record.coefficients)[2]
    unit = _single(_single(Fraction(maximum)) / (2 ** (rule.requantised_bits - 1) - 1))
    return dyadic(significant(significant(out / 2**record.octaves, 53) / unit, 53))


def requantised(e: int, scale: float, rule: SoftmaxRule, maximum: float) -> int:
    """An exponential of few bits.

    >>> requantised(1198295875584, 0.05, softmax_rule("code"), 1.0)
    32742
    """
    assert rule.requantised_bits is not None
    b, c = _dyadic(scale, rule, maximum)
    limit = 2 ** (rule.requantised_bits - 1) - 1
    return max(-limit - 1, min(limit, round(significant(Fraction(e * b), 53) / Fraction(2) ** c)))


def gelu(q: int, scale: float, rule: str | GeluRule, *, magnitude: int | None = None, wrap: int | None = None) -> Steps:
    """Every integer of i-GELU for one ``q``, by name; the last, ``result``, is the result.

    >>> gelu(2048, 2**-11, "code")["erf"], gelu(2048, 2**-11, "code")["result"]
    (-1196, -6080512)
    """
    record, shift = gelu_rule(rule), 0
    if record.word_bits is not None:
        assert magnitude is not None
        while not _fits(record, scale, shift, magnitude):
            shift += 1
    b, c, one = _gelu_constants(record, scale, shift)
    x = _half_up(q, shift)
    moved = min(abs(x), -b) + b
    product = _wrap(moved * moved, wrap)
    steps = {"input": x, "q_b": b, "q_c": c, "one": one, "moved": moved, "product": product}
    steps["polynomial"] = _wrap(product + c, wrap)
    sign = (x > 0) - (x < 0)
    steps["erf"] = floor(Fraction(sign * steps["polynomial"], 2**record.shift))
    steps["factor"] = _wrap(steps["erf"] + one, wrap)
    steps["result"] = _wrap(x * steps["factor"], wrap)
    return steps


@cache
def _gelu_constants(rule: GeluRule, scale: float, shift: int) -> tuple[int, int, int]:
    unit = _scaled(scale, rule.coefficients) * 2**shift
    argument = unit / Fraction(rule.root)
    if rule.coefficients is Coefficients.BINARY32:
        argument = _single(unit / _single(Fraction(rule.root)))
    b, c, out = _coefficients(rule.polynomial, argument, rule.coefficients)
    return b, c, floor(1 / (out * 2**rule.shift))


def _fits(rule: GeluRule, scale: float, shift: int, magnitude: int) -> bool:
    assert rule.word_bits is not None
    _, c, one = _gelu_constants(rule, scale, shift)
    limit = 2 ** (rule.word_bits - 1)
    return 1 - c < limit and ceil(Fraction(magnitude, 2**shift)) * (2 * max(-one, 1) + 2) < limit


def layer_norm(
    q: Sequence[int],
    rule: str | LayerNormRule,
    *,
    shift: int | None = None,
    added: Sequence[int] | None = None,
    wrap: int | None = None,
) -> list[int]:
    """A row of the integer LayerNorm; ``added``: what `bias` gives for each channel.

    >>> layer_norm([3, 1, 2, 4], "code", shift=0)
    [536870912, -536870912, 0, 1073741824]
    """
    record, n = layer_norm_rule(rule), len(q)
    mean = round(Fraction(_wrap(sum(q), wrap), n))
    y = [x - mean for x in q]
    k = shift
    if record.row_shifts:
        magnitude, k = max(map(abs, y)), 0
        while (n - 1).bit_length() + 2 * (magnitude.bit_length() - k) > 31:
            k += 1
    assert k is not None
    total = _wrap(sum(_wrap(floor(Fraction(x, 2**k)) ** 2, wrap) for x in y), wrap)
    sd = isqrt(total if wrap is None else total % 2**wrap) * 2**k
    factor = _wrap(2**31 // sd, wrap)
    return [
        _wrap(floor(Fraction(_wrap(x * factor, wrap), 2)) + b, wrap) for x, b in zip(y, added or [0] * n, strict=True)
    ]


def bias(gamma: float, beta: float, length: int, rule: str | LayerNormRule) -> int:
    """``floor((beta / gamma) / unit)`` with ``unit = sqrt(N) / 2^30``, or that in binary32 steps.

    >>> bias(2.0, -1.0, 4, "safe")
    -268435456
    """
    record, ratio = layer_norm_rule(rule), Fraction(beta) / Fraction(gamma)
    if record.coefficients is Coefficients.BINARY32:
        root = _single(_root(_single(Fraction(length))))
        quotient = _single(_single(Fraction(beta)) / _single(Fraction(gamma)))
        return floor(_single(quotient / (root / 2**30)))
    square = (ratio * 2**30) ** 2 / length
    found = isqrt(floor(square))
    return found if ratio >= 0 else -found - (found * found != square)


def _root(number: Fraction) -> Fraction:
    """The square root to 120 bits and more, with a last bit that says that it is inexact."""
    scaled = number.numerator * number.denominator << 240
    root = isqrt(scaled)
    return Fraction(2 * root + (root * root != scaled), number.denominator << 121)
