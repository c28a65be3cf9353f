"""Cross-entropy on int8 logits in 32-bit words, once for NumPy and jax.numpy: its gradient, and its base-2 terms."""

from __future__ import annotations

from formats.integer_only.shifts import Division, shift_rule
from formats.integer_only.training import CrossEntropyRule
from reference.array.carrier import Array, Namespace
from reference.array.integer.training_shift import divide, shift_right

#: what 32-bit words hold: the least exponent of logits, the greatest one of a loss, and the most classes
LEAST_EXPONENT, GREATEST_EXPONENT, MOST_CLASSES = -12, 0, 24


def probabilities(logits: Array, exponent: Array, target: Array, rule: CrossEntropyRule, xp: Namespace) -> Array:
    """int32 rows that sum to 0, before the last shift.

    ``logits``: (batch, classes) int8, ``exponent``: int32 without axes, at least `LEAST_EXPONENT`.
    """
    q = logits.astype(xp.int32)
    u = xp.where(exponent > rule.taylor_exponent, _octaves(q, exponent, rule, xp), _taylor(q, exponent, xp))
    p = _quotient(u, xp.sum(u, axis=1, keepdims=True, dtype=xp.int32), rule.probability_bits, xp)
    is_target = xp.arange(q.shape[1], dtype=xp.int32) == target[:, None]
    return xp.where(is_target, p - xp.sum(p, axis=1, keepdims=True, dtype=xp.int32), p)


def gradient(
    logits: Array, exponent: Array, target: Array, bits: Array, rule: CrossEntropyRule, xp: Namespace
) -> Array:
    """int8 gradient; ``bits``: uint32 in the shape of the logits."""
    p = probabilities(logits, exponent, target, rule, xp)
    return shift_right(p, rule.shift, shift_rule(rule.rounding), xp, bits=bits)


def _octaves(q: Array, exponent: Array, rule: CrossEntropyRule, xp: Namespace) -> Array:
    """``2^t - 1``. From 4 on, every exponent parts different ``t`` by more than the 10 octaves that are kept."""
    t = divide(q * rule.multiplier, 15, Division.TRUNCATING, xp)
    t = divide(t << xp.clip(exponent, 0, 4), xp.clip(-exponent, 0, 30), Division.TRUNCATING, xp)
    t = xp.maximum(t - xp.max(t, axis=1, keepdims=True) + rule.octaves, 0)
    return (1 << t) - 1


def _taylor(q: Array, exponent: Array, xp: Namespace) -> Array:
    """``2^(1-2e) + q 2^(1-e) + q^2``, below 2^26 for ``e >= -12``."""
    n = xp.clip(-exponent, 0, -LEAST_EXPONENT)
    return (2 << (2 * n)) + (q << (n + 1)) + q * q


def _quotient(u: Array, total: Array, bits: int, xp: Namespace) -> Array:
    """``floor(u * 2^bits / total)`` for ``0 <= u <= total < 2^30``, one bit of the quotient at a time."""
    quotient = (u >= total).astype(xp.int32)
    rest = u - total * quotient
    for _ in range(bits):
        rest = rest << 1
        bit = (rest >= total).astype(xp.int32)
        quotient, rest = (quotient << 1) | bit, rest - total * bit
    return quotient


def octaves(logits: Array, exponent: Array, multiplier: int, xp: Namespace) -> Array:
    """int32 ``floor(q * multiplier * 2^e / 2^15)`` for ``e <= 0``: the logits in base 2."""
    return (logits.astype(xp.int32) * multiplier) >> xp.clip(15 - exponent, 15, 31)


def rough_loss(t: Array, target: Array, xp: Namespace) -> Array:
    """``sum_b floor(log2 sum_j 2^(t_bj)) - t_b,target``, exactly, as int32 without axes.

    Terms more than 24 octaves below the greatest are dropped, which changes no floor: in units of the least kept
    octave, those of at most 24 classes sum to less than 12. A sum of powers of two within 12 units below a power of
    two takes 21 terms; then 3 at most were dropped, less than 2 units together, and a gap below 2 takes 25 terms.
    """
    top = xp.max(t, axis=1, keepdims=True)
    fall = xp.minimum(top - t, MOST_CLASSES + 1)
    total = xp.sum((1 << MOST_CLASSES) >> fall, axis=1, dtype=xp.int32)
    carry = xp.sum(total[:, None] >> xp.arange(MOST_CLASSES + 1, 31, dtype=xp.int32) != 0, axis=1, dtype=xp.int32)
    is_target = xp.arange(t.shape[1], dtype=xp.int32) == target[:, None]
    return xp.sum(top[:, 0] + carry - xp.sum(xp.where(is_target, t, 0), axis=1, dtype=xp.int32), dtype=xp.int32)
