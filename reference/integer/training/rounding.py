"""Rounding right shifts on NumPy arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from formats.integer_only.shifts import ShiftRule, shift_rule
from reference.array.integer import training_shift
from reference.integer.training.block_exponent import Int8, accumulator


def shift_right(x: ArrayLike, shift: int, *, rule: str | ShiftRule, random: ArrayLike | None = None) -> Int8:
    """``x / 2^shift`` rounded and clipped to -127..127: see `formats.integer_only.shifts.ShiftRule`.

    ``x``: integers above ``-2^31`` and below ``2^31``. ``shift``: 1..30. ``random``: integers of 0..2^shift - 1 in
    the shape of ``x`` for a stochastic rule, and for no other. ``ValueError`` or ``TypeError`` where this does not
    hold. Source: NITI's code, ti_torch.py.

    >>> shift_right([-41, -8, 8, 41], 4, rule="round_shift").tolist()
    [-3, -1, 1, 3]
    >>> shift_right([-41, -41], 4, rule="sto_shift", random=[8, 9]).tolist()
    [-3, -2]
    """
    rule, values = shift_rule(rule), accumulator(x)
    if not 1 <= shift <= 30:
        raise ValueError(f"shift={shift} must lie in 1..30")
    if rule.is_stochastic != (random is not None):
        raise ValueError(f"random={random} with {rule.name}: stochastic rules take numbers, others none")
    if random is None:
        return training_shift.shift_right(values, shift, rule, np)
    bits = accumulator(random)
    if bits.shape != values.shape or ((bits < 0) | (bits >> shift != 0)).any():
        raise ValueError(f"random must have the shape {values.shape} and lie in 0..{(1 << shift) - 1}")
    return training_shift.shift_right(values, shift, rule, np, bits=bits.astype(np.uint32))
