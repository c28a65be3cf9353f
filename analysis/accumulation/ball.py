"""Rounded arithmetic on sets: what is known of a computed number from the exact one and what may have been lost.

Every function here errs upward. float64 holds the radii; `up` makes room for its own roundings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from formats import FloatSpec, Rounding

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: beyond every exponent of a product, within those of float64
FAR = 900
NEAREST = (Rounding.NEAREST_TIES_TO_EVEN, Rounding.NEAREST_TIES_TO_AWAY)


@dataclass(frozen=True, slots=True)
class Ball:
    """Computed numbers, each within ``radius`` of the exact ``value``; all are multiples of ``2^quantum``.

    The exact values are multiples of it too.
    """

    value: Floats
    radius: Floats
    quantum: Integers

    @property
    def reach(self) -> Floats:
        """No computed number is larger in magnitude."""
        return up(np.abs(self.value) + self.radius)


def up(x: Floats) -> Floats:
    """Not below what ``x >= 0`` would have been without the roundings of up to 2^12 operations.

    >>> float(up(np.float64(1.0))) > 1
    True
    """
    return x * (1 + 2.0**-40)


def exponent(x: Floats) -> Integers:
    """``floor(log2 x)``, -FAR for 0.

    >>> exponent(np.array([0.75, 8.0, 0.0])).tolist()
    [-1, 3, -900]
    """
    return np.where(x > 0, np.frexp(x)[1].astype(np.int64) - 1, -FAR)


def power(n: Integers | np.int64) -> Floats:
    """``2^n``."""
    return np.ldexp(1.0, n)


def zero(shape: tuple[int, ...]) -> Ball:
    """Exact zeros, multiples of everything."""
    return Ball(np.zeros(shape), np.zeros(shape), np.full(shape, FAR, np.int64))


def plus(x: Ball, y: Ball) -> Ball:
    """The exact sum. What float64 loses of its value joins the radius."""
    value, quantum = x.value + y.value, np.minimum(x.quantum, y.quantum)
    lost = np.where(np.abs(value) < power(quantum + 53), 0.0, np.abs(value) * 2.0**-52)
    return Ball(value, up(x.radius + y.radius + lost), quantum)


def rounded(
    x: Ball, spec: FloatSpec, rounding: Rounding, *, bits: int | None = None, grid: Integers | None = None
) -> Ball:
    """Rounded to ``bits`` fraction bits of ``spec``: off by half a step to nearest, by less than a step otherwise.

    Nothing is lost where the step is not above ``2^grid``, of which the numbers are multiples (default: `quantum`).
    Beyond the largest finite number the radius is infinite.
    """
    bits = spec.fraction_bits if bits is None else bits
    step = np.maximum(exponent(x.reach), spec.emin) - bits
    lost = np.where(step <= (x.quantum if grid is None else grid), 0.0, power(step))
    if rounding in NEAREST:
        lost = lost / 2
    radius = np.where(x.reach > largest(spec), np.inf, up(x.radius + lost))
    return Ball(x.value, radius, x.quantum)


def largest(spec: FloatSpec) -> float:
    """The largest finite number of ``spec``.

    >>> from formats import FLOAT32
    >>> largest(FLOAT32) == (2 - 2.0**-23) * 2.0**127
    True
    """
    bits = spec.fraction_bits
    significand = (spec.max_code & ((1 << bits) - 1)) | 1 << bits
    return float(np.ldexp(float(significand), spec.emax - bits))
