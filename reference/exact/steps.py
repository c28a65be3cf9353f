"""The judge: the steps of matrix units, from the definitions in `formats.summation`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from formats import FloatSpec, FusedSteps, HalvedSteps, Rounding, Saturation
from formats.results import FLOAT16
from reference.exact.codec import decode, encode
from reference.exact.terms import Value, is_nan, product, rounded_total, special_total

Operands = Sequence[tuple[int, int]]
Pair = tuple[FloatSpec, FloatSpec]
Term = tuple[Value, int]


def fused(pairs: Operands, c: int, pair: Pair, rule: FusedSteps) -> int:
    """A chain of fused steps on codes ``(a, b)`` in K order; a short last step is one filled up with zeros.

    >>> import formats
    >>> spec = formats.accumulator("volta.mma.m8n8k4.f32.f16")
    >>> hex(fused([(0x3C00, 0x4000)], 0x3F800000, (spec.a, spec.b), spec.summation))
    '0x40400000'
    """
    for start in range(0, len(pairs), rule.products):
        c = _fused_step(pairs[start : start + rule.products], c, pair, rule)
    return c


def _fused_step(pairs: Operands, c: int, pair: Pair, rule: FusedSteps) -> int:
    terms = [*products(pairs, pair), term(c, rule.output)]
    special = special_total([value for value, _ in terms])
    if special is not None:
        return rule.nan_code if is_nan(special) else _result(special, rule)
    top = max([exponent for value, exponent in terms if value != 0] + [rule.floor])
    quantum = power_of_two(top - rule.fraction_bits)
    return _result(sum(int(Fraction(value) / quantum) for value, _ in terms) * quantum, rule)  # int() cuts toward zero


def _result(value: Value, rule: FusedSteps) -> int:
    """``value`` rounded to ``kept_bits``; overflow is infinity, which RZ alone would not make it; zero is +0."""
    kept, cut = _kept(rule)
    if abs(value) >= power_of_two(kept.emax + 1):
        value = float("inf") if value > 0 else float("-inf")
    code = encode(value, kept, rounding=rule.rounding, saturation=Saturation.SAT_NONE)
    return 0 if code == kept.sign_code else code << cut


@functools.cache
def _kept(rule: FusedSteps) -> tuple[FloatSpec, int]:
    """The output format without the bits that are not kept, and how many these are."""
    spec, cut = rule.output, rule.output.fraction_bits - rule.kept_bits
    kept = replace(spec, bits=spec.bits - cut, precision=rule.kept_bits + 1, max_code=spec.max_code >> cut)
    return kept, cut


def halved(pairs: Operands, c: int, pair: Pair, rule: HalvedSteps) -> int:
    """Of each instruction's elements those with ``k mod 4`` in {0, 1}, then the others; then ``c``, RNE.

    >>> import formats
    >>> spec = formats.accumulator("hopper.mma.m16n8k16.f32.e5m2.e5m2")
    >>> hex(halved([(0x3C, 0x40)] * 16, 0x3F800000, (spec.a, spec.b), spec.summation))
    '0x42040000'
    """
    pairs = [(_widened(a, pair[0]), _widened(b, pair[1])) for a, b in pairs]
    pair, width = (FLOAT16, FLOAT16), 2 * rule.step.products
    for start in range(0, len(pairs), width):
        elements = pairs[start : start + width]
        first = [element for k, element in enumerate(elements) if k % 4 in (0, 1)]
        second = [element for k, element in enumerate(elements) if k % 4 in (2, 3)]
        partial = fused(second, fused(first, 0, pair, rule.step), pair, rule.step)
        c = add(c, partial, rule.step.output, rule.step.nan_code)
    return c


@functools.lru_cache(maxsize=1 << 9)
def _widened(code: int, spec: FloatSpec) -> int:
    """The float16 code of an FP8 code, whose value float16 has: subnormals of E4M3 become normal."""
    return encode(decode(code, spec), FLOAT16, rounding=Rounding.NEAREST_TIES_TO_EVEN, saturation=Saturation.SAT_NONE)


def add(x: int, y: int, spec: FloatSpec, nan_code: int | None) -> int:
    """The code of ``x + y``, RNE; NaN is ``nan_code``.

    >>> from formats import FLOAT32
    >>> hex(add(0x3F800000, 0x3F800000, FLOAT32, 0x7FFFFFFF))
    '0x40000000'
    """
    code = rounded_total([decode(x, spec), decode(y, spec)], spec, Rounding.NEAREST_TIES_TO_EVEN)
    return nan_code if code == spec.nan_code and nan_code is not None else code


def products(pairs: Operands, pair: Pair) -> list[Term]:
    """Each product, exact, with the sum of its factors' exponents: it is not normalised again.

    >>> from formats import FLOAT32
    >>> products([(0x3FC00000, 0x3FC00000)], (FLOAT32, FLOAT32))
    [(Fraction(9, 4), 0)]
    """
    found: list[Term] = []
    for a, b in pairs:
        (x, e_x), (y, e_y) = _operand(a, pair[0]), _operand(b, pair[1])
        found.append((product(x, y), e_x + e_y))
    return found


def term(code: int, spec: FloatSpec) -> Term:
    """A value and its exponent: floor(log2), at least that of the smallest normal; 0 where it means nothing.

    >>> from formats import FLOAT32
    >>> term(0x40400000, FLOAT32), term(0x00000001, FLOAT32)[1]
    ((Fraction(3, 1), 1), -126)
    """
    value = decode(code, spec)
    if not isinstance(value, Fraction) or value == 0:
        return value, 0
    return value, max(exponent_of(abs(value)), spec.emin)


_operand = functools.lru_cache(maxsize=1 << 16)(term)


def exponent_of(a: Fraction) -> int:
    """The ``e`` with ``2^e <= a < 2^(e+1)``, for ``a > 0``.

    >>> exponent_of(Fraction(3, 8))
    -2
    """
    e = a.numerator.bit_length() - a.denominator.bit_length()
    return e if a >= power_of_two(e) else e - 1


@functools.cache
def power_of_two(exponent: int) -> Fraction:
    """``2^exponent``.

    >>> power_of_two(-3)
    Fraction(1, 8)
    """
    return Fraction(2) ** exponent
