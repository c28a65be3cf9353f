"""Matrix units: chains of fused steps, by `formats.FusedSteps`."""

from __future__ import annotations

from dataclasses import dataclass

from formats import FusedSteps
from reference.array.carrier import Array, Namespace
from reference.array.dot import special
from reference.array.dot.operand import Operand, unpack
from reference.array.dot.rounded import Target, round_sum


@dataclass(frozen=True, slots=True)
class Products:
    """Products ``(-1)^negative * magnitude * 2^(exponent - fraction_bits - shifted)``, (..., M, K, N)."""

    negative: Array
    magnitude: Array  #: int64, with ``shifted`` zeros below
    exponent: Array
    fraction_bits: int
    shifted: int

    @property
    def place(self) -> Array:
        """The exponent of the magnitude's last bit."""
        return self.exponent - (self.fraction_bits + self.shifted)

    def __getitem__(self, index: object) -> Products:
        """The same part of every array."""
        negative, magnitude, exponent = self.negative[index], self.magnitude[index], self.exponent[index]
        return Products(negative, magnitude, exponent, self.fraction_bits, self.shifted)


def products(a: Operand, b: Operand, shifted: int) -> Products:
    """Every product of ``a`` (..., M, K) and ``b`` (..., K, N); what is not finite counts as zero."""
    return Products(
        a.negative[..., :, :, None] ^ b.negative[..., None, :, :],
        (a.significand << shifted)[..., :, :, None] * b.significand[..., None, :, :],
        a.exponent[..., :, :, None] + b.exponent[..., None, :, :],
        a.fraction_bits + b.fraction_bits,
        shifted,
    )


def cut(terms: Products, top: Array, xp: Namespace) -> Array:
    """Each product in units of ``2^(top - shifted)``, toward zero; ``top`` (..., M, N) is no less than any exponent.

    So the shift is never negative; from 63 places on, as for zeros, nothing is left.
    """
    return _cut(terms.magnitude, (top + terms.fraction_bits)[..., :, None, :] - terms.exponent, terms.negative, xp)


def chain(a: Operand, b: Operand, c: Array, rule: FusedSteps, xp: Namespace) -> Array:
    """Codes of ``c + a b`` by steps along K: ``a`` (..., M, K), ``b`` (..., K, N), codes ``c`` (..., M, N)."""
    left, right = special.properties_of_a(a, xp), special.properties_of_b(b, xp)
    target = _target(rule)
    for start in range(0, a.negative.shape[-1], rule.products):
        columns = (..., slice(start, start + rule.products))
        rows = (*columns, slice(None))
        term = unpack(c, rule.output, xp)
        found = special.meet(left[columns], right[rows], xp).joined(term)
        c = found.over(_step(a[columns], b[rows], term, rule, target, xp), target, xp)
    return c


def _target(rule: FusedSteps) -> Target:
    return Target(
        spec=rule.output,
        rounding=rule.rounding,
        kept_bits=rule.kept_bits,
        nan_code=rule.nan_code,
        always_infinite=True,
    )


def _step(a: Operand, b: Operand, c: Operand, rule: FusedSteps, target: Target, xp: Namespace) -> Array:
    """One step on finite numbers; ``M << F`` has at most 61 bits (see `limits`)."""
    terms = products(a, b, rule.fraction_bits)
    top = xp.maximum(xp.maximum(terms.exponent.max(axis=-2), c.exponent), rule.floor)
    addend = _cut(c.significand << rule.fraction_bits, top - c.place, c.negative, xp)
    total = cut(terms, top, xp).sum(axis=-2) + addend
    code = round_sum(total < 0, xp.abs(total), top - rule.fraction_bits, target, xp)
    return xp.where(code == rule.output.sign_code, 0, code)


def _cut(magnitude: Array, shift: Array, negative: Array, xp: Namespace) -> Array:
    """``magnitude / 2^shift`` toward zero, with the sign."""
    kept = magnitude >> xp.minimum(shift, 63)
    return xp.where(negative, -kept, kept)
