"""Sums in an order, rounded at each addition: by `formats.SequentialSum`, `formats.PairwiseSum`."""

from __future__ import annotations

from collections.abc import Callable

from formats import Rounding, SequentialSum
from reference.array.carrier import Array, Namespace
from reference.array.dot.operand import Operand, multiply, unpack
from reference.array.dot.rounded import Target, ieee, normalise, overflow_code, round_sum

_LEADING = 60  #: place of the leading bits before they are added: sums stay below 2^62


def sequential(
    a: Operand, b: Operand, c: Array, rule: SequentialSum, xp: Namespace, random_bits: Array | None = None
) -> Array:
    """Codes of ``c + a b``, one k after the other; ``random_bits`` (K, ..., M, N)."""
    target = ieee(rule.output, rule.rounding, rule.random_bit_count or 0)
    for k in range(a.negative.shape[-1]):
        term = _product(a, b, k)
        if not rule.fused:
            term = unpack(rounded(term, target, xp), rule.output, xp)
        drawn = None if random_bits is None else random_bits[k]
        c = add(unpack(c, rule.output, xp), term, target, xp, drawn)
    return c


def pairwise(
    a: Operand, b: Operand, c: Array, target: Target, xp: Namespace, after: Callable[[Array], Array] | None = None
) -> Array:
    """Codes of ``c + a b``, the products added in a tree and ``c`` last; ``after`` changes every rounded code."""

    def finish(code: Array) -> Array:
        return code if after is None else after(code)

    level = [finish(rounded(_product(a, b, k), target, xp)) for k in range(a.negative.shape[-1])]
    while len(level) > 1:
        odd = level[len(level) & ~1 :]
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [finish(add_codes(x, y, target, xp)) for x, y in pairs] + odd
    return finish(add_codes(level[0], c, target, xp))


def _product(a: Operand, b: Operand, k: int) -> Operand:
    return multiply(a[..., :, k, None], b[..., k, None, :])


def rounded(x: Operand, target: Target, xp: Namespace) -> Array:
    """Codes of ``x``, rounded once."""
    code = round_sum(x.negative, x.significand, x.place, target, xp)
    code = xp.where(x.infinite, overflow_code(x.negative, target.spec, xp), code)
    return xp.where(x.nan, target.nan_code, code)


def add_codes(x: Array, y: Array, target: Target, xp: Namespace) -> Array:
    """Codes of ``x + y`` for codes of the target."""
    return add(unpack(x, target.spec, xp), unpack(y, target.spec, xp), target, xp)


def add(x: Operand, y: Operand, target: Target, xp: Namespace, random_bits: Array | None = None) -> Array:
    """Codes of ``x + y``, rounded once from the exact sum.

    Both leading bits are put at one place, then the smaller number is moved down. If that drops a bit, the numbers
    lie more than one binade apart, so that at most one leading bit cancels and the last bit may tell the rest.
    """
    (n, p), (m, q) = (normalise(z.significand, z.place, _LEADING, xp) for z in (x, y))
    place = xp.maximum(p, q)
    n, m = _lower(n, place - p, xp), _lower(m, place - q, xp)
    total = xp.where(x.negative, -n, n) + xp.where(y.negative, -m, m)
    zero_sign = xp.where(x.negative == y.negative, x.negative, target.rounding is Rounding.TOWARD_NEGATIVE)
    negative = xp.where(total == 0, zero_sign, total < 0)
    code = round_sum(negative, xp.abs(total), place, target, xp, random_bits)
    infinite = x.infinite | y.infinite
    sign = xp.where(x.infinite, x.negative, y.negative)
    code = xp.where(infinite, overflow_code(sign, target.spec, xp), code)
    nan = x.nan | y.nan | (x.infinite & y.infinite & (x.negative != y.negative))
    return xp.where(nan, target.nan_code, code)


def _lower(n: Array, places: Array, xp: Namespace) -> Array:
    """``n / 2^places`` toward zero; the last bit also says whether anything was dropped."""
    places = xp.minimum(places, 62)
    kept = n >> places
    return kept | (kept << places != n)
