"""From sums to results, square by square: the record's factors in its order, or its requantiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kernels_ref.hopper.dense_plan import Plan
from kernels_ref.hopper.dense_variant import SQUARE
from kernels_ref.hopper.dense_weights import exponent
from kernels_ref.hopper.traced import jnp, lax
from kernels_ref.pallas import pallas

_SHAPE = (SQUARE, SQUARE)
_LOW_16 = 0xFFFF


@dataclass(frozen=True, slots=True)
class Epilogue:
    """The terms in global memory, and what a square of sums becomes."""

    plan: Plan
    terms: dict[str, Any]

    def results(self, sums: Any, row: Any, column: Any) -> Any:
        """The results of a square whose first sum is that of ``row`` and ``column`` of the tile's axes."""
        if self.plan.is_expanded and (power := exponent(self.plan.product)):
            sums = sums >> power  # exact: every weight was a multiple of it
        if self.plan.product.requantiser is not None:
            return rescaled(sums, self._along("multiplier", row, column), self._along("move", row, column))
        y = sums.astype(jnp.float32)
        for factor in self.plan.product.epilogue:
            y = y * self._along(factor.value, row, column)
        return y.astype(self.plan.out)

    def _along(self, name: str, row: Any, column: Any) -> Any:
        plgpu, pl = pallas()
        axis, ref = self.plan.axis(name), self.terms[name]
        if axis is None:
            return ref[0]
        part = ref.at[pl.ds(column if axis else row, SQUARE)]
        vector = plgpu.load(part, layout=plgpu.Layout.WGMMA.reduce(1 - axis), optimized=False)
        return lax.broadcast_in_dim(vector, _SHAPE, (axis,))


def moves(shift: Any) -> Any:
    """The shift of a ratio ``multiplier / 2^shift`` as `rescaled` takes it: ``left + 256 (shift + left - 32)``.

    An accumulator is moved up by ``left`` until the shift is at least 33: a half is then made of the product's upper
    word alone. With a multiplier of 31 bits every accumulator but 0 saturates int8 for shifts below 11, and every
    result is 0 for shifts above 62: the shift may be moved to these bounds.
    """
    shift = jnp.clip(shift, 11, 63)
    left = jnp.maximum(33 - shift, 0)
    return left + 256 * (shift + left - 32)


def rescaled(x: Any, multiplier: Any, move: Any) -> Any:
    """int8 integers nearest to ``x multiplier / 2^shift``, halves away from zero, saturated.

    Accumulators that would leave the word when they are moved up saturate anyway, and are clamped before.
    """
    left, right = move & 255, lax.shift_right_logical(move, np.int32(8))
    room = lax.shift_right_logical(jnp.full_like(x, (1 << 31) - 1), left)
    magnitude = jnp.minimum(jnp.where(x < 0, ~x, x - 1), room) + 1  # at most 2^31, as a word without sign
    high = high_word(magnitude << left, multiplier)
    y = (high + (np.int32(1) << (right - 1))) >> right
    return jnp.where(x < 0, jnp.maximum(-y, -128), jnp.minimum(y, 127)).astype(jnp.int8)


def high_word(x: Any, y: Any) -> Any:
    """Bits 32 to 63 of the product of integers in ``[0, 2^31]``, which need no sign, from products of 16 bits."""

    def upper(word: Any) -> Any:
        return lax.shift_right_logical(word, np.int32(16))

    x_low, x_high, y_low, y_high = x & _LOW_16, upper(x), y & _LOW_16, upper(y)
    first = x_high * y_low + upper(x_low * y_low)
    second = x_low * y_high + (first & _LOW_16)
    return x_high * y_high + upper(first) + upper(second)
