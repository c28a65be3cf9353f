"""AMD's matrix cores: chains of steps by `formats.matrix_cores`."""

from __future__ import annotations

from formats import ExactSum, FloatSpec, Format, Rounding
from formats.matrix_cores import ExactSteps, JoinedSteps, PairwiseSteps
from reference.array.carrier import Array, Namespace
from reference.array.dot import special
from reference.array.dot.exact import exact
from reference.array.dot.fused import Products, cut, products
from reference.array.dot.operand import NOWHERE, Operand, unpack
from reference.array.dot.ordered import pairwise
from reference.array.dot.rounded import Target, ieee, round_sum

_RNE = Rounding.NEAREST_TIES_TO_EVEN
MatrixCore = ExactSteps | PairwiseSteps | JoinedSteps


def matrix_core(
    a: Operand, b: Operand, c: Array, rule: MatrixCore, pair: tuple[Format, Format], xp: Namespace
) -> Array:
    """Codes of ``c + a b`` by steps along K: ``a`` (..., M, K), ``b`` (..., K, N), codes ``c`` (..., M, N)."""
    if isinstance(rule, PairwiseSteps) and rule.flushes:
        a, b = _without_subnormals(a, xp), _without_subnormals(b, xp)
        c = xp.where(_is_small(c, rule.output), 0, c)
    for start in range(0, a.negative.shape[-1], rule.products):
        columns = (..., slice(start, start + rule.products))
        left, right = a[columns], b[(*columns, slice(None))]
        match rule:
            case ExactSteps():
                c = exact(left, right, c, ExactSum(output=rule.output, rounding=_RNE), pair, xp)
            case PairwiseSteps():
                c = _pairwise(left, right, c, rule, xp)
            case JoinedSteps():
                c = _joined(left, right, unpack(c, rule.output, xp), rule, xp)
    return c


def _without_subnormals(x: Operand, xp: Namespace) -> Operand:
    """Zeros and subnormals become +0."""
    small = (x.significand < 1 << x.fraction_bits) & ~x.infinite & ~x.nan
    significand, exponent = xp.where(small, 0, x.significand), xp.where(small, NOWHERE, x.exponent)
    return Operand(x.negative & ~small, significand, exponent, x.infinite, x.nan, x.fraction_bits)


def _is_small(code: Array, spec: FloatSpec) -> Array:
    """Where the code is a zero's or a subnormal's."""
    return (code & (spec.sign_code - 1)) < 1 << spec.fraction_bits


def _pairwise(a: Operand, b: Operand, c: Array, rule: PairwiseSteps, xp: Namespace) -> Array:
    def flushed(code: Array) -> Array:
        return xp.where(_is_small(code, rule.output), code & rule.output.sign_code, code) if rule.flushes else code

    return pairwise(a, b, c, ieee(rule.output, _RNE), xp, flushed)


def _joined(a: Operand, b: Operand, c: Operand, rule: JoinedSteps, xp: Namespace) -> Array:
    """One step; sums stay below 2^62 (see `limits`). Shifts of signed words cut toward minus infinity."""
    terms, f, target = products(a, b, rule.fraction_bits), rule.fraction_bits, ieee(rule.output, _RNE)
    e_c = xp.where(c.significand == 0, rule.output.emin, c.exponent)
    top = terms.exponent.max(axis=-2)
    top = xp.where(top < NOWHERE // 2, e_c, top)
    apart = rule.interleaved and a.negative.shape[-1] > 1
    groups = (terms[..., 0::2, :], terms[..., 1::2, :]) if apart else (terms,)
    total = sum(_group(group, top, xp) for group in groups)
    above = xp.maximum(top, e_c)
    addend = (xp.where(c.negative, -c.significand, c.significand) << f) >> xp.minimum(above - c.place, 63)
    if rule.c_reach is not None:
        addend = xp.where(e_c < above - rule.c_reach, 0, addend)
    total = (total << rule.sum_bits) >> xp.minimum(above - top + f, 63)
    total = total + (addend << (rule.sum_bits - f))
    code = round_sum(total < 0, xp.abs(total), above - rule.sum_bits, target, xp)
    found = special.meet(special.properties_of_a(a, xp), special.properties_of_b(b, xp), xp).joined(c)
    return found.over(_overflowed(terms, code, target, xp), target, xp)


def _group(terms: Products, top: Array, xp: Namespace) -> Array:
    """The sum of products cut at their own largest exponent, in units below ``top``."""
    own = xp.maximum(terms.exponent.max(axis=-2), NOWHERE)
    return cut(terms, own, xp).sum(axis=-2) >> xp.minimum(top - own, 63)


def _overflowed(terms: Products, code: Array, target: Target, xp: Namespace) -> Array:
    """Products beyond the range count as infinities."""
    least = xp.clip(target.spec.emax + 1 - terms.place, 0, 62)
    beyond = terms.magnitude >= (terms.magnitude * 0 + 1) << least
    plus, minus = (beyond & ~terms.negative).any(axis=-2), (beyond & terms.negative).any(axis=-2)
    return special.Special(plus & False, plus, minus).over(code, target, xp)
