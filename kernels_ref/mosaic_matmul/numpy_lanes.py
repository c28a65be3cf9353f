# ruff: noqa: D102 (the operations are documented in step.Lanes)
"""The program's machine without a GPU: 128 threads as NumPy lanes; rounding down is derived, not borrowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels_ref.mosaic_matmul import layout
from kernels_ref.mosaic_matmul.step import EXPONENT

Words = NDArray[np.int32]
Numbers = NDArray[np.float32]


class NumpyLanes:
    """Runs the program at once on the threads of a tile."""

    def thread(self) -> Words:
        return np.arange(layout.THREADS, dtype=np.int32)

    def word(self, value: int) -> Words:
        return np.full(layout.THREADS, value, np.uint32).view(np.int32)

    def bits(self, x: Numbers) -> Words:
        return x.view(np.int32)

    def number(self, word: Words) -> Numbers:
        return word.view(np.float32)

    def add(self, x: Words, y: Words) -> Words:
        return x + y

    def multiply(self, x: Words, y: Words) -> Words:
        return x * y

    def both(self, x: Words, y: Words) -> Words:
        return x & y

    def either(self, x: Words, y: Words) -> Words:
        return x | y

    def differ(self, x: Words, y: Words) -> Words:
        return x ^ y

    def right(self, x: Words, places: int) -> Words:
        return (x.view(np.uint32) >> np.uint32(places)).view(np.int32)

    def larger(self, x: Words, y: Words) -> Words:
        return np.maximum(x, y)

    def population(self, x: Words) -> Words:
        return np.bitwise_count(x.view(np.uint32)).astype(np.int32)

    def fma_down(self, x: Numbers, y: Numbers, z: Numbers) -> Numbers:
        """``x y + z`` rounded down to float32, for a sum that stays in the binade of ``z > 0``, as all of them do."""
        exponent = z.view(np.int32) & np.int32(EXPONENT)
        unit = exponent.view(np.float32).astype(np.float64) * 2.0**-23
        product = x.astype(np.float64) * y.astype(np.float64)
        total = (z + np.floor(product / unit) * unit).astype(np.float32)
        if not np.array_equal(total.view(np.int32) & np.int32(EXPONENT), exponent):
            raise ArithmeticError("a sum left its binade: its unit is no longer q")
        return total

    def subtract(self, x: Numbers, y: Numbers) -> Numbers:
        return x - y

    def load(self, operand: Words, index: Words, offset: int) -> list[Words]:
        return [operand[index + (offset + i)] for i in range(4)]

    def mma(self, a: list[Words], b: list[Words], c: list[Numbers] | None) -> list[Numbers]:
        """``mma.m16n8k16`` or ``m16n8k8`` in every warp, summed in float64: only the leading bit is looked at."""
        depth = 4 * len(a)
        left = np.zeros((4, 16, depth))
        for i, values in enumerate(a):  # rows g or g + 8, elements 2 t and 2 t + 1 of a half of K
            left[:, 8 * (i % 2) : 8 * (i % 2) + 8, 8 * (i // 2) : 8 * (i // 2) + 8] = _pairs(values)
        right = np.concatenate([_pairs(values) for values in b], axis=2)
        sums = np.einsum("wmk,wnk->wmn", left, right)
        own = sums.reshape(4, 2, 8, 4, 2).transpose(1, 4, 0, 2, 3).reshape(4, layout.THREADS)
        return [(x + (0 if c is None else c[i].astype(np.float64))).astype(np.float32) for i, x in enumerate(own)]

    def loop(self, count: int, body: Callable[[Any, list[Any]], list[Any]], carry: list[Any]) -> list[Any]:
        for index in range(count):
            carry = body(self.word(index), carry)
        return carry


def _pairs(words: Words) -> NDArray[np.float64]:
    """(warp, g, 8 elements of K): lane 4 g + t holds bfloat16 elements 2 t and 2 t + 1, the lower in the low half."""
    unsigned = words.view(np.uint32)
    halves = np.stack([unsigned << np.uint32(16), unsigned & np.uint32(0xFFFF0000)], axis=-1)
    return halves.view(np.float32).astype(np.float64).reshape(4, 8, 8)
