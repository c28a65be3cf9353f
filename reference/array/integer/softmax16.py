"""TFLite's int16 softmax, once for NumPy and jax.numpy: numbers of 32 bits, but for one product that is brought."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from formats.dyadic import DyadicPair
from formats.integer_only.softmax16_tflite import STEPS
from reference.array.carrier import Array, Namespace
from reference.array.integer.fixed_point import Product, divide_by_power
from reference.array.integer.word16 import LARGEST, clamp


@dataclass(frozen=True, slots=True)
class Words:
    """What each library brings: ``floor(a b / 2^31 + 1/2)``, and leading zeros in a word of 32 bits."""

    high: Product
    leading_zeros: Callable[[Array], Array]


def softmax16(d: Array, pair: DyadicPair, tables: tuple[Array, Array], words: Words, xp: Namespace) -> Array:
    """Rows of `formats.integer_only.softmax16_tflite`, from differences ``d`` to the row's largest integer."""
    exps, reciprocals = tables
    left, right = max(31 - pair.shift, 0), max(pair.shift - 31, 0)
    x = divide_by_power(words.high(d << left, pair.multiplier), right)
    e = line(clamp(x + LARGEST, xp), exps)
    total = e.sum(axis=-1, keepdims=True, dtype=e.dtype)
    zeros = words.leading_zeros(total)
    f = ((total << (zeros - 1) >> 13) + 1) >> 1
    r = line(clamp(f - (STEPS + 1) - (1 << 15), xp), reciprocals)
    return xp.minimum((e * r + (1 << (30 - zeros))) >> (31 - zeros), LARGEST)


def line(x: Array, table: Array) -> Array:
    """An entry of 513 at every 128th integer, and a line between two."""
    place = (x >> 7) + 256
    base = table[place]
    return base + (((table[place + 1] - base) * (x & 127) + 64) >> 7)
