"""Which of the products a[i, k] * b[k, j] are no finite numbers, without forming them.

A product is special where a property of ``a`` meets its partner in ``b``. How often that happens along k is a matrix
product of zeros and ones, whose float32 sums are exact below 2^24 in any order.
"""

from __future__ import annotations

from dataclasses import dataclass

from reference.array.carrier import Array, Namespace
from reference.array.dot.operand import Operand
from reference.array.dot.rounded import Target, overflow_code


@dataclass(frozen=True, slots=True)
class Special:
    """What a sum holds besides finite numbers."""

    nan: Array
    plus: Array
    minus: Array

    def joined(self, c: Operand) -> Special:
        """With ``c`` as one more term."""
        plus, minus = c.infinite & ~c.negative, c.infinite & c.negative
        return Special(self.nan | c.nan, self.plus | plus, self.minus | minus)

    def over(self, code: Array, target: Target, xp: Namespace) -> Array:
        """``code``, the sum of the finite terms, where there is nothing else; infinities of both signs make NaN."""
        code = xp.where(self.plus | self.minus, overflow_code(self.minus, target.spec, xp), code)
        return xp.where(self.nan | (self.plus & self.minus), target.nan_code, code)


def properties_of_a(a: Operand, xp: Namespace) -> Array:
    """What `meet` needs of the left operand (..., M, K): zeros and ones along a new first axis, 4 for each kind."""
    signed = _signed(a)
    return xp.stack([a.nan, xp.ones_like(a.nan), a.infinite, a.zero, *signed, *signed]).astype(xp.float32)


def properties_of_b(b: Operand, xp: Namespace) -> Array:
    """What `meet` needs of the right operand (..., K, N): the partners of `properties_of_a`."""
    infinite_plus, infinite_minus, plus, minus = _signed(b)
    same = (plus, minus, infinite_plus, infinite_minus)
    opposite = (minus, plus, infinite_minus, infinite_plus)
    return xp.stack([xp.ones_like(b.nan), b.nan, b.zero, b.infinite, *same, *opposite]).astype(xp.float32)


def _signed(x: Operand) -> tuple[Array, Array, Array, Array]:
    """Infinities of either sign, and all but zeros and NaNs of either sign."""
    other = ~x.zero & ~x.nan
    plus, minus = other & ~x.negative, other & x.negative
    return x.infinite & plus, x.infinite & minus, plus, minus


def meet(a: Array, b: Array, xp: Namespace) -> Special:
    """Whether any product over k is NaN, +infinity or -infinity: three arrays (..., M, N)."""
    met = xp.matmul(a, b) > 0
    return Special(*(met[i] | met[i + 1] | met[i + 2] | met[i + 3] for i in (0, 4, 8)))
