# ruff: noqa: D102 (the operations are documented in expand.Lanes)
"""The program's machine without a GPU: words are uint32 arrays of NumPy or of JAX, floats are done on their bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels_ref.hopper.decoder import LOWERED
from kernels_ref.hopper.traced import jnp, lax


class ArrayLanes:
    """Runs the program on arrays of ``xp``, which is ``numpy`` or ``jax.numpy``."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def word(self, value: int) -> Any:
        return self.xp.uint32(value)

    def both(self, x: Any, y: Any) -> Any:
        return x & y

    def either(self, x: Any, y: Any) -> Any:
        return x | y

    def differ(self, x: Any, y: Any) -> Any:
        return x ^ y

    def rotate(self, x: Any, places: int) -> Any:
        return (x << self.word(places)) | (x >> self.word(32 - places))

    def masked(self, x: Any, mask: int, flipped: int) -> Any:
        return x & self.word(mask) ^ self.word(flipped)

    def times_power(self, x: Any, power: int) -> Any:
        """The power is large and positive: a subnormal number is its fraction times a power of two."""

        def scaled(half: Any) -> Any:
            magnitude = half & self.word(0x7FFF)
            tiny = self._bits(magnitude.astype(np.float32) * np.float32(2.0 ** (power - 133))) >> self.word(16)
            normal = magnitude + self.word(power << 7)
            return (half & self.word(0x8000)) | self.xp.where(magnitude < 128, tiny, normal)

        return scaled(x & self.word(0xFFFF)) | scaled(x >> self.word(16)) << self.word(16)

    def count_plus(self, x: Any, left: int, z: Any) -> Any:
        def half(high: bool) -> Any:
            count = ((x >> self.word(16)) if high else (x & self.word(0xFFFF))).astype(np.float32)
            return self._bits(count * np.float32(2.0 ** (LOWERED - left)) + self._number(z, high))

        return (half(False) >> self.word(16)) | (half(True) & self.word(0xFFFF0000))

    def fma_bfloat16(self, x: Any, y: Any, z: Any) -> Any:
        """Exact in float32 for the program's operands, and its result in bfloat16."""
        halves = [tuple(self._number(v, high) for v in (x, y, z)) for high in (False, True)]
        low, high = (self._bits(a * b + c) for a, b, c in halves)
        return (low >> self.word(16)) | (high & self.word(0xFFFF0000))

    def fma_float16(self, x: Any, y: Any, z: Any) -> Any:
        """For ``z`` = 2^10 + 2^8 and a sum from 2^10 to 2^11: the nearest integer, ties to even."""

        def half(at: int) -> Any:
            a, b, c = (self._half(v, at) for v in (x, y, z))
            return self._bits16(c + self.xp.rint(a * b)) << self.word(at)

        return half(0) | half(16)

    def field_minus(self, x: Any, left: int, offset: int) -> Any:
        def half(at: int) -> Any:
            return self._bits16((self._half(x, at) - 1024) * np.float32(2.0**-left) - offset) << self.word(at)

        return half(0) | half(16)

    def low_bytes(self, x: Any, y: Any) -> Any:
        def pair(v: Any) -> Any:
            return (v & self.word(0xFF)) | (v >> self.word(8)) & self.word(0xFF00)

        return pair(x) | pair(y) << self.word(16)

    def _bits(self, x: Any) -> Any:
        return x.view(np.uint32) if self.xp is np else lax.bitcast_convert_type(x, jnp.uint32)

    def _number(self, word: Any, high: bool) -> Any:
        """A bfloat16 as float32."""
        bits = self.xp.asarray(word & self.word(0xFFFF0000) if high else word << self.word(16), np.uint32)
        return bits.view(np.float32) if self.xp is np else lax.bitcast_convert_type(bits, jnp.float32)

    def _half(self, word: Any, at: int) -> Any:
        """A float16 as float32."""
        bits = self.xp.asarray((word >> self.word(at)) & self.word(0xFFFF)).astype(np.uint16)
        half = bits.view(np.float16) if self.xp is np else lax.bitcast_convert_type(bits, jnp.float16)
        return half.astype(np.float32)

    def _bits16(self, x: Any) -> Any:
        half = x.astype(np.float16)
        bits = half.view(np.uint16) if self.xp is np else lax.bitcast_convert_type(half, jnp.uint16)
        return bits.astype(np.uint32)
