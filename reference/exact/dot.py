"""The judge: dot products, from the definitions in `formats.summation`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import formats
from formats import (
    Accumulator,
    ExactSum,
    FloatSpec,
    Format,
    FusedSteps,
    HalvedSteps,
    IntegerSum,
    IntSpec,
    PairwiseSum,
    PromotedSum,
    Rounding,
    SequentialSum,
    Summation,
)
from formats.dot import output
from formats.matrix_cores import ExactSteps, JoinedSteps, PairwiseSteps
from reference.exact.codec import decode, encode
from reference.exact.matrix_cores import matrix_core
from reference.exact.steps import Operands, add, fused, halved
from reference.exact.terms import Value, product, rounded_total

Formats = tuple[Format, Format]


def dot(
    a: Sequence[int],
    b: Sequence[int],
    c: int = 0,
    *,
    accumulator: str | Accumulator,
    a_format: str | Format | None = None,
    b_format: str | Format | None = None,
    random_bits: Sequence[int] | None = None,
) -> int:
    """``c + sum over k of a[k] * b[k]`` as the accumulator forms it, all of it as codes.

    ``a`` and ``b`` hold K codes each, K a positive multiple of the accumulator's ``k``; ``c`` and the result are codes
    of its output. Definition: the records of `formats.summation`. Beyond them:

    * an infinity times zero, and infinities of both signs, make NaN. NaN is ``nan_code`` of the output format, and
      for matrix units the ``nan_code`` of the record, also where results are added by `HalvedSteps` or `PromotedSum`;
    * overflow is under SAT_NONE, so that rounding toward zero stays at the largest value, but not in `FusedSteps`;
    * zeros: `FusedSteps` never give -0. All other sums follow IEEE 754-2019, 6.3: a sum of zeros of one sign keeps
      it, other exact zeros are +0 (-0 in TOWARD_NEGATIVE); a result that rounds to zero keeps its sign. A product's
      sign is that of the factors, for zeros too, and an integer counts as the float of the same value;
    * ``every`` of a `PromotedSum` need not divide K: the last partial sum is short;
    * a stochastic sum takes ``random_bits[k]`` for the addition of product k.

    Raises ``KeyError`` (unknown names), ``TypeError`` (a format or random bits missing) or ``ValueError`` (lengths, a
    format other than the accumulator's, a code that does not fit, random bits out of range or without use).

    >>> hex(dot([0x38, 0x40], [0x38, 0x44], accumulator="exact.f32", a_format="e4m3fn", b_format="e4m3fn"))
    '0x40e00000'
    """
    rule = formats.accumulator(accumulator)
    pair = rule.operands(a_format, b_format)
    if len(a) != len(b) or len(a) == 0 or len(a) % rule.k:
        raise ValueError(
            f"{rule.name}: a has K={len(a)} codes and b {len(b)}; both need a positive multiple of k={rule.k}"
        )
    draws = _draws(rule, random_bits, len(a))
    return _sum(list(zip(a, b, strict=True)), c, pair, rule.summation, draws)


def _draws(rule: Accumulator, random_bits: Sequence[int] | None, length: int) -> Sequence[int] | None:
    stochastic = rule.random_bit_count is not None
    if stochastic and random_bits is None:
        raise TypeError(f"{rule.name} rounds stochastically; state random_bits, one for each of K={length}")
    if random_bits is not None and not stochastic:
        raise ValueError(f"random_bits mean nothing for {rule.name}")
    if random_bits is not None and len(random_bits) != length:
        raise ValueError(f"random_bits has {len(random_bits)} numbers; {rule.name} draws one for each of K={length}")
    return random_bits


def _sum(pairs: Operands, c: int, pair: Formats, rule: Summation, draws: Sequence[int] | None) -> int:
    match rule:
        case ExactSum():
            terms = [decode(c, rule.output), *(_product(codes, pair) for codes in pairs)]
            return rounded_total(terms, rule.output, rule.rounding)
        case SequentialSum():
            return _sequential(pairs, c, pair, rule, draws)
        case PairwiseSum():
            return _pairwise(pairs, c, pair, rule)
        case FusedSteps():
            return fused(pairs, c, _floats(pair), rule)
        case HalvedSteps():
            return halved(pairs, c, _floats(pair), rule)
        case PromotedSum():
            return _promoted(pairs, c, pair, rule, draws)
        case IntegerSum():
            return _integer(pairs, c, pair, rule)
        case ExactSteps() | PairwiseSteps() | JoinedSteps():
            return matrix_core(pairs, c, _floats(pair), rule)


def _floats(pair: Formats) -> tuple[FloatSpec, FloatSpec]:
    a, b = pair
    if isinstance(a, IntSpec) or isinstance(b, IntSpec):
        raise ValueError(f"matrix units of floats take float operands, not {a.name} and {b.name}")
    return a, b


def _sequential(pairs: Operands, c: int, pair: Formats, rule: SequentialSum, draws: Sequence[int] | None) -> int:
    for k, codes in enumerate(pairs):
        c = rounded_total(
            [decode(c, rule.output), _product(codes, pair) if rule.fused else _rounded_product(codes, pair, rule)],
            rule.output,
            rule.rounding,
            random_bits=None if draws is None else draws[k],
            random_bit_count=rule.random_bit_count,
        )
    return c


def _pairwise(pairs: Operands, c: int, pair: Formats, rule: PairwiseSum) -> int:
    level = [_rounded_product(codes, pair, rule) for codes in pairs]
    while len(level) > 1:
        level = [_rounded(level[i : i + 2], rule) for i in range(0, len(level), 2)]  # one alone is itself
    return rounded_total([level[0], decode(c, rule.output)], rule.output, rule.rounding)


def _promoted(pairs: Operands, c: int, pair: Formats, rule: PromotedSum, draws: Sequence[int] | None) -> int:
    spec = output(rule)
    assert isinstance(spec, FloatSpec)
    for start in range(0, len(pairs), rule.every):
        chunk = slice(start, start + rule.every)
        partial = _sum(pairs[chunk], 0, pair, rule.inner, None if draws is None else draws[chunk])
        c = add(c, partial, spec, _nan_code(rule.inner, spec))
    return c


def _nan_code(rule: Summation, spec: FloatSpec) -> int | None:
    match rule:
        case FusedSteps():
            return rule.nan_code
        case HalvedSteps():
            return rule.step.nan_code
        case _:
            return spec.nan_code


def _integer(pairs: Operands, c: int, pair: Formats, rule: IntegerSum) -> int:
    if not all(isinstance(spec, IntSpec) and spec.fraction_bits == 0 for spec in pair):
        raise ValueError(f"integer sums take plain integer operands, not {pair[0].name} and {pair[1].name}")
    spec, step = output(rule), rule.products or len(pairs)
    for start in range(0, len(pairs), step):
        terms = [decode(c, spec), *(_product(codes, pair) for codes in pairs[start : start + step])]
        exact = sum(Fraction(term) for term in terms)
        c = encode(exact, spec, rounding=Rounding.TOWARD_ZERO, saturation=rule.saturation)
    return c


def _product(codes: tuple[int, int], pair: Formats) -> Value:
    return product(decode(codes[0], pair[0]), decode(codes[1], pair[1]))


def _rounded_product(codes: tuple[int, int], pair: Formats, rule: SequentialSum | PairwiseSum) -> Value:
    return _rounded([_product(codes, pair)], rule)


def _rounded(terms: Sequence[Value], rule: SequentialSum | PairwiseSum) -> Value:
    return decode(rounded_total(terms, rule.output, rule.rounding), rule.output)
