"""Rounded averages in 32-bit integers, once for NumPy and jax.numpy."""

from __future__ import annotations

from formats import Rounding
from formats.integer_only.averages import Average
from formats.integer_only.averages import average as average_rule
from reference.array.carrier import Array, Namespace


def average(total: Array, count: Array, rule: str | Average, xp: Namespace) -> Array:
    """``total / count`` rounded by a rule of `formats.integer_only.averages`, in the type of ``total``.

    ``total``: int32, or int64. ``count``: the same or int32, positive and below ``2^30``, broadcasting to it.

    With ``q`` the floor and ``r`` the rest of the quotient, every rule gives ``q`` or ``q + 1``. A number of hundredths
    above zero, and below ``100 / count``, adds nothing to what is truncated downwards; what is truncated upwards
    becomes ``q + 1`` even where ``r`` is zero.

    >>> import numpy as np
    >>> total = np.array([48, 97, -49, -50], np.int32)
    >>> average(total, np.int32(49), "average_hawq_v3", np), average(total, np.int32(49), "average_half_away", np)
    (array([ 0,  1,  0, -1], dtype=int32), array([ 1,  2, -1, -1], dtype=int32))
    """
    rule = average_rule(rule)
    floor = total // count
    rest = total - floor * count
    twice = 2 * rest
    match rule.rounding:
        case Rounding.TOWARD_ZERO:
            up = (total < 0) & ((rest > 0) | bool(rule.hundredths))
        case Rounding.NEAREST_TIES_TO_AWAY:
            up = (twice > count) | ((twice == count) & (total >= 0))
        case Rounding.NEAREST_TIES_TO_EVEN:
            up = (twice > count) | ((twice == count) & (floor & 1 == 1))
        case _:
            raise ValueError(f"average {rule.name!r} rounds {rule.rounding.value}, which no executor knows")
    return floor + up.astype(total.dtype)
