"""Matrix units: chains of fused steps, by `formats.FusedSteps`."""

from __future__ import annotations

from formats import FusedSteps
from reference.array.carrier import Array, Namespace
from reference.array.dot import special
from reference.array.dot.operand import Operand, unpack
from reference.array.dot.rounded import Target, round_sum


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
    """One step on finite numbers: what is not finite counts as zero.

    A term is ``(M << F) >> (T - E + p)``, ``p`` its fraction bits: the shift is never negative, and from 63 places
    on, as for zeros, nothing is left. ``M << F`` has at most 61 bits (see `limits`).
    """
    exponent = a.exponent[..., :, :, None] + b.exponent[..., None, :, :]
    top = xp.maximum(xp.maximum(exponent.max(axis=-2), c.exponent), rule.floor)
    products = (a.significand << rule.fraction_bits)[..., :, :, None] * b.significand[..., None, :, :]
    shift = (top + (a.fraction_bits + b.fraction_bits))[..., :, None, :] - exponent
    negative = a.negative[..., :, :, None] ^ b.negative[..., None, :, :]
    total = _cut(products, shift, negative, xp).sum(axis=-2)
    total = total + _cut(c.significand << rule.fraction_bits, top - c.place, c.negative, xp)
    code = round_sum(total < 0, xp.abs(total), top - rule.fraction_bits, target, xp)
    return xp.where(code == rule.output.sign_code, 0, code)


def _cut(magnitude: Array, shift: Array, negative: Array, xp: Namespace) -> Array:
    """``magnitude / 2^shift`` toward zero, with the sign."""
    kept = magnitude >> xp.minimum(shift, 63)
    return xp.where(negative, -kept, kept)
