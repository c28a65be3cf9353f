"""Two's complement sums, by `formats.IntegerSum`."""

from __future__ import annotations

from formats import IntegerSum, Saturation
from reference.array.carrier import Array, Namespace
from reference.array.dot.operand import Operand

_STRETCH = 1 << 10


def integers(a: Operand, b: Operand, c: Array, rule: IntegerSum, xp: Namespace) -> Array:
    """Codes of ``c + a b``, wrapped or clamped after each step; wrapping once at the end is the same."""
    length, top = a.negative.shape[-1], 1 << (rule.bits - 1)
    wraps = rule.saturation is Saturation.WRAP
    step = length if wraps or rule.products is None else rule.products
    left, right = _signed(a, xp), _signed(b, xp)
    total = c.astype(xp.int64)
    total = total - ((total & top) << 1)
    for start in range(0, length, step):
        stop = min(start + step, length)
        total = total + _product(left[..., start:stop], right[..., start:stop, :], xp)
        total = total if wraps else xp.clip(total, -top, top - 1)
    return total & ((1 << rule.bits) - 1)


def _signed(x: Operand, xp: Namespace) -> Array:
    return xp.where(x.negative, -x.significand, x.significand).astype(xp.float64)


def _product(a: Array, b: Array, xp: Namespace) -> Array:
    """The exact int64 matrix product: its stretches are integers below 2^53, exact in float64 in any order."""
    starts = range(0, a.shape[-1], _STRETCH)
    parts = (xp.matmul(a[..., s : s + _STRETCH], b[..., s : s + _STRETCH, :]).astype(xp.int64) for s in starts)
    return sum(parts)
