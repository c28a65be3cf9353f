"""int8 tensors with one exponent, and how numbers and accumulators become one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.integer_only.training import NITI_CLIPPED, BlockExponentRule
from reference.array.integer import training_shift

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class BlockTensor:
    """The numbers ``q * 2^exponent``: int8 integers, and one exponent for all of them.

    Source: Wang et al., NITI, arXiv 2009.13108. ``TypeError`` where ``q`` is not int8.

    >>> BlockTensor(np.int8([96, -1]), -6).values.tolist()
    [1.5, -0.015625]
    """

    q: Int8
    exponent: int

    def __post_init__(self) -> None:
        if self.q.dtype != np.int8:
            raise TypeError(f"q has dtype {self.q.dtype}; accepted: int8")

    @property
    def values(self) -> NDArray[np.float64]:
        """The numbers, exactly."""
        return np.ldexp(self.q.astype(np.float64), self.exponent)


def quantise_input(x: ArrayLike) -> BlockTensor:
    """Numbers as int8: ``q = clamp(round(x * 2^(7-B)), -128, 127)`` with ``B = ceil(log2 max|x|)``, ``e = B - 7``.

    Halves go to even. The only step of training that sees a float; from here on all are integers. ``x`` is taken as
    float64. ``ValueError`` where it is all zero, empty or not finite. Source: NITI's code, TiFloatToInt8.

    >>> made = quantise_input([0.0, 3.0, -16.0, 16.0])
    >>> made.q.tolist(), made.exponent
    ([0, 24, -128, 127], -3)
    """
    numbers = np.asarray(x, np.float64)
    greatest = float(np.max(np.abs(numbers), initial=0.0))
    if not 0 < greatest < np.inf:
        raise ValueError(f"max|x| = {greatest} must be positive and finite")
    fraction, exponent = np.frexp(greatest)
    width = int(exponent) - int(fraction == 0.5)
    q = np.clip(np.rint(np.ldexp(numbers, 7 - width)), -128, 127).astype(np.int8)
    return BlockTensor(q, width - 7)


def bit_width(x: ArrayLike) -> int:
    """The least ``B`` with ``max|x| <= 2^B``, 0 where all is zero: ``bit_length(max|x| - 1)``.

    ``x``: integers above ``-2^31`` and below ``2^31``. The published code takes a logarithm in binary32 instead.

    >>> [bit_width([v]) for v in (0, 1, 127, 128, -129)]
    [0, 0, 7, 7, 8]
    """
    return int(training_shift.bit_width(accumulator(x), np))


def narrow(x: ArrayLike, exponent: int, *, rule: BlockExponentRule = NITI_CLIPPED) -> BlockTensor:
    """An accumulator of that exponent as int8: see `formats.integer_only.training.BlockExponentRule`.

    >>> from formats.integer_only.training import NITI_CODE
    >>> made = narrow([[814, 12319], [121, -635]], -13)
    >>> made.q.tolist(), made.exponent
    ([[6, 96], [1, -5]], -6)
    >>> narrow([128, 5], 0, rule=NITI_CODE).q.tolist(), narrow([128, 5], 0).q.tolist()
    ([-128, 5], [127, 5])
    """
    q, growth = training_shift.narrow(accumulator(x), rule, np)
    return BlockTensor(q, exponent + int(growth))


def accumulator(x: ArrayLike) -> Int32:
    """int32 of integers; ``TypeError`` for others, ``ValueError`` where one is not in -2^31 + 1 .. 2^31 - 1."""
    array: NDArray[Any] = np.asarray(x)
    if array.dtype.kind not in "iu":
        raise TypeError(f"x has dtype {array.dtype}; accepted: integers")
    if array.size and not -(1 << 31) < int(array.min()) <= int(array.max()) < 1 << 31:
        raise ValueError(f"x spans {array.min()}..{array.max()}; accepted: -2^31 + 1 .. 2^31 - 1")
    return array.astype(np.int32)
