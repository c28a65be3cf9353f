"""The judge of integer training: NITI's shifts, block exponents and cross-entropy, in Python integers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from formats.integer_only.shifts import SHIFT_LIMIT, Decision, Division, ShiftRule, shift_rule
from formats.integer_only.training import BlockExponentRule, CrossEntropyRule, Narrowing

Matrix = list[list[int]]


def clip(x: int) -> int:
    """``x`` clipped to -127..127."""
    return max(-SHIFT_LIMIT, min(SHIFT_LIMIT, x))


def quotient(x: int, divisor: int, division: Division) -> int:
    """``x // divisor`` for a positive divisor, truncating or flooring."""
    if division is Division.FLOORING or x >= 0:
        return x // divisor
    return -(-x // divisor)


def shift_right(x: int, shift: int, rule: str | ShiftRule, *, random: int | None = None) -> int:
    """``x / 2^shift`` by the definition of `formats.integer_only.shifts.ShiftRule`, ``shift >= 1``.

    ``random``: 0..2^shift - 1 for a stochastic rule, and for no other. ``ValueError`` where this does not hold.

    >>> shift_right(-41, 4, "round_shift"), shift_right(-41, 4, "sto_shift", random=8), shift_right(4, 4, "psto_shift")
    (-3, -3, 1)
    """
    rule = shift_rule(rule)
    if shift < 1:
        raise ValueError(f"shift={shift} must be at least 1")
    if rule.is_stochastic != (random is not None):
        raise ValueError(f"random={random} with {rule.name}: stochastic rules take a number, others none")
    unit = 1 << shift
    t = quotient(x, unit, rule.division)
    if rule.decision is Decision.NEAREST:
        return clip(t + quotient(x - t * unit, unit // 2, rule.division))
    p = abs(x - t * unit)
    if random is not None:
        if not 0 <= random < unit:
            raise ValueError(f"random={random} must lie in 0..{unit - 1}")
        up = p > random
    else:
        half = 1 << shift // 2
        up = p // half > (p % half) * (2 if shift % 2 else 1)
    return clip(t + (up and (x > 0) - (x < 0)))


def bit_width(values: Sequence[Sequence[int]]) -> int:
    """The least ``B`` with ``|v| <= 2^B`` for all; 0 where all are zero.

    >>> [bit_width([[0, v]]) for v in (0, 1, 2, 3, 127, 128, -129)]
    [0, 0, 1, 2, 7, 7, 8]
    """
    greatest = max(abs(v) for row in values for v in row)
    width = 0
    while greatest > 1 << width:
        width += 1
    return width


def narrow(accumulator: Matrix, rule: BlockExponentRule) -> tuple[Matrix, int]:
    """int8 integers, and what the exponent grows by: see `formats.integer_only.training.BlockExponentRule`."""
    shift = bit_width(accumulator) - 7
    if shift > 0:
        return [[shift_right(v, shift, rule.shift) for v in row] for row in accumulator], shift
    if rule.narrowing is Narrowing.WRAP:
        return [[(v + 128) % 256 - 128 for v in row] for row in accumulator], 0
    return [[clip(v) for v in row] for row in accumulator], 0


def narrow_gradient(accumulator: Matrix, bits: int, rounding: str) -> Matrix:
    """int8 gradients: shifted by ``B - bits`` where that is at least 1."""
    shift = bit_width(accumulator) - bits
    return [[shift_right(v, shift, rounding) if shift >= 1 else clip(v) for v in row] for row in accumulator]


def multiply(a: Matrix, b: Matrix) -> Matrix:
    """The matrix product."""
    columns = list(zip(*b, strict=True))
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in columns] for row in a]


def transpose(a: Matrix) -> Matrix:
    """Rows as columns."""
    return [list(column) for column in zip(*a, strict=True)]


def probabilities(logits: Matrix, exponent: int, target: Sequence[int], rule: CrossEntropyRule) -> Matrix:
    """Rows that sum to 0, before the last shift: see `formats.integer_only.training.CrossEntropyRule`.

    >>> from formats.integer_only.training import NITI_CROSS_ENTROPY
    >>> probabilities([[40, -12, 5]], -4, [0], NITI_CROSS_ENTROPY)
    [[-320, 106, 214]]
    """
    rows: Matrix = []
    for q, label in zip(logits, target, strict=True):
        u = _exponentials(q, exponent, rule)
        p = [(v << rule.probability_bits) // sum(u) for v in u]
        p[label] -= sum(p)
        rows.append(p)
    return rows


def _exponentials(q: Sequence[int], exponent: int, rule: CrossEntropyRule) -> list[int]:
    if exponent <= rule.taylor_exponent:
        return [(1 << (1 - 2 * exponent)) + v * (1 << (1 - exponent)) + v * v for v in q]
    t = [quotient(v * rule.multiplier, 1 << 15, Division.TRUNCATING) for v in q]
    up, down = 1 << max(exponent, 0), 1 << max(-exponent, 0)
    t = [quotient(v * up, down, Division.TRUNCATING) for v in t]
    return [(1 << max(v - (max(t) - rule.octaves), 0)) - 1 for v in t]


def loss_gradient(
    logits: Matrix, exponent: int, target: Sequence[int], random: Matrix, rule: CrossEntropyRule
) -> Matrix:
    """int8 gradient; ``random``: a number of 0..2^shift - 1 for each logit."""
    rows = probabilities(logits, exponent, target, rule)
    return [
        [shift_right(v, rule.shift, rule.rounding, random=r) for v, r in zip(row, drawn, strict=True)]
        for row, drawn in zip(rows, random, strict=True)
    ]


def octaves(logits: Matrix, exponent: int, multiplier: int) -> Matrix:
    """``floor(q * multiplier * 2^exponent / 2^15)``: the logits in base 2."""
    scale = Fraction(multiplier, 1 << 15) * Fraction(2) ** exponent
    return [[(v * scale).__floor__() for v in row] for row in logits]


def likelihood(t: Matrix, target: Sequence[int]) -> Fraction:
    """``prod_b sum_j 2^(t_bj - t_b,target)``, exactly: two to the power of the loss in bits.

    >>> likelihood([[3, -2, 0], [0, 2, -1]], [0, 1])
    Fraction(407, 256)
    """
    product = Fraction(1)
    for row, label in zip(t, target, strict=True):
        product *= sum((Fraction(2) ** (v - row[label]) for v in row), Fraction(0))
    return product


def loss_sign(plus: Matrix, minus: Matrix, target: Sequence[int]) -> int:
    """The sign of ``L+ - L-``, by exact comparison of both products.

    >>> loss_sign([[3, -2, 0], [0, 2, -1]], [[5, -2, 0], [0, 0, -1]], [0, 1])
    -1
    """
    a, b = likelihood(plus, target), likelihood(minus, target)
    return (a > b) - (a < b)


def rough_loss(t: Matrix, target: Sequence[int]) -> int:
    """``sum_b floor(log2 sum_j 2^(t_bj)) - t_b,target``: the loss in bits, every row cut to whole ones.

    >>> rough_loss([[3, -2, 0], [0, 2, -1]], [0, 1])
    0
    """
    loss = 0
    for row, label in zip(t, target, strict=True):
        total = sum(1 << (v - min(row)) for v in row)
        loss += total.bit_length() - 1 + min(row) - row[label]
    return loss
