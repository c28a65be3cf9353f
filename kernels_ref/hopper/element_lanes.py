# ruff: noqa: D102 (the operations are documented in Lanes)
"""What programs on pairs of bfloat16 numbers ask of their machine: 32-bit words of a GPU's threads, or of arrays.

A word has two lanes of 16 bits, the first number in the low one. A machine on arrays rounds fused operations twice,
where a GPU rounds once: the programs (`element_pairs`, `block_pairs`) say why their codes do not depend on it.
"""

from __future__ import annotations

import operator
from typing import Any, Protocol

import numpy as np

from kernels_ref.hopper.array_lanes import ArrayLanes
from kernels_ref.hopper.mlir_lanes import MlirLanes
from kernels_ref.hopper.traced import jnp, lax

#: what LOP3 makes of each three bits of ``x``, ``y`` and a mask; see `Lanes.chosen`
CHOSEN = 0xE4


class Lanes(Protocol):
    """One operation is one instruction of a GPU."""

    def word(self, value: int) -> Any:
        """A constant."""
        ...

    def both(self, x: Any, y: Any) -> Any:
        """And."""
        ...

    def differ(self, x: Any, y: Any) -> Any:
        """Exclusive or."""
        ...

    def chosen(self, mask: Any, x: Any, y: Any) -> Any:
        """The bits of ``x`` where the mask has ones, else those of ``y``."""
        ...

    def total(self, x: Any, y: Any) -> Any:
        """``x + y`` modulo 2^32."""
        ...

    def up(self, x: Any, places: int) -> Any:
        """Shifted to the left."""
        ...

    def down(self, x: Any, places: int) -> Any:
        """Shifted to the right, zeros from the left."""
        ...

    def lesser(self, x: Any, y: Any) -> Any:
        """The lesser ones of two unsigned lanes."""
        ...

    def greater(self, x: Any, y: Any) -> Any:
        """The greater ones of two unsigned lanes."""
        ...

    def greater_signed(self, x: Any, y: Any) -> Any:
        """The greater ones of two lanes in two's complement."""
        ...

    def least(self, x: Any, y: Any) -> Any:
        """The lesser one of two unsigned words."""
        ...

    def picked(self, x: Any, y: Any, selector: int) -> Any:
        """Four bytes of those of ``x`` (0 to 3) and ``y`` (4 to 7); from 8 on the sign of one, eight times."""
        ...

    def compared(self, test: str, x: Any, y: Any) -> Any:
        """Ones in the lanes where two bfloat16 compare: gt, ge, lt or le, which fail for NaN, or gtu and so on."""
        ...

    def fma_bfloat16(self, x: Any, y: Any, z: Any) -> Any:
        """Two bfloat16 ``x y + z``, rounded once."""
        ...

    def held_product(self, x: Any, y: Any) -> Any:
        """Float32 ``|x| y`` held to [0, 1]."""
        ...

    def held_fma(self, x: Any, y: Any, z: Any) -> Any:
        """Float32 ``x y + z`` held to [0, 1]."""
        ...

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        """Float32 ``x y + z``."""
        ...

    def sum(self, x: Any, y: Any) -> Any:
        """Float32 ``x + y``."""
        ...


class MlirPairs(MlirLanes):
    """Emits a program into the MLIR block that is open."""

    def chosen(self, mask: Any, x: Any, y: Any) -> Any:
        return self._instruction(f"lop3.b32 $0, $1, $2, $3, {CHOSEN:#x};", x, y, mask)

    def total(self, x: Any, y: Any) -> Any:
        return self.arith.addi(x, y)

    def up(self, x: Any, places: int) -> Any:
        return self.arith.shli(x, self.word(places))

    def down(self, x: Any, places: int) -> Any:
        return self.arith.shrui(x, self.word(places))

    def lesser(self, x: Any, y: Any) -> Any:
        return self._instruction("min.u16x2 $0, $1, $2;", x, y)

    def greater(self, x: Any, y: Any) -> Any:
        return self._instruction("max.u16x2 $0, $1, $2;", x, y)

    def greater_signed(self, x: Any, y: Any) -> Any:
        return self._instruction("max.s16x2 $0, $1, $2;", x, y)

    def least(self, x: Any, y: Any) -> Any:
        return self.arith.minui(x, y)

    def picked(self, x: Any, y: Any, selector: int) -> Any:
        return self._instruction(f"prmt.b32 $0, $1, $2, {selector:#x};", x, y)

    def compared(self, test: str, x: Any, y: Any) -> Any:
        return self._instruction(f"set.{test}.u32.bf16x2 $0, $1, $2;", x, y)

    def held_product(self, x: Any, y: Any) -> Any:
        return self._instruction("{ .reg .b32 t; abs.f32 t, $1; mul.rn.sat.f32 $0, t, $2; }", x, y)

    def held_fma(self, x: Any, y: Any, z: Any) -> Any:
        return self._instruction("fma.rn.sat.f32 $0, $1, $2, $3;", x, y, z)

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        return self._instruction("fma.rn.f32 $0, $1, $2, $3;", x, y, z)

    def sum(self, x: Any, y: Any) -> Any:
        return self._instruction("add.rn.f32 $0, $1, $2;", x, y)


class ArrayPairs(ArrayLanes):
    """Runs a program on uint32 arrays of ``xp``, which is ``numpy`` or ``jax.numpy``."""

    def chosen(self, mask: Any, x: Any, y: Any) -> Any:
        return (x & mask) | (y & ~mask)

    def total(self, x: Any, y: Any) -> Any:
        return x + y

    def up(self, x: Any, places: int) -> Any:
        return x << self.word(places)

    def down(self, x: Any, places: int) -> Any:
        return x >> self.word(places)

    def lesser(self, x: Any, y: Any) -> Any:
        return self._by_lane(self.xp.minimum, x, y)

    def greater(self, x: Any, y: Any) -> Any:
        return self._by_lane(self.xp.maximum, x, y)

    def greater_signed(self, x: Any, y: Any) -> Any:
        signs = self.word(0x80008000)  # with it turned, the order is that of unsigned lanes
        return self.greater(x ^ signs, y ^ signs) ^ signs

    def least(self, x: Any, y: Any) -> Any:
        return self.xp.minimum(x, y)

    def picked(self, x: Any, y: Any, selector: int) -> Any:
        def byte(choice: int) -> Any:
            found = ((y if choice & 4 else x) >> self.word(choice % 4 * 8)) & self.word(0xFF)
            return (found >> self.word(7)) * self.word(0xFF) if choice & 8 else found

        return sum(byte(selector >> 4 * i & 15) << self.word(8 * i) for i in range(4))

    def compared(self, test: str, x: Any, y: Any) -> Any:
        def lane(high: bool) -> Any:
            a, b = (self._number(self.xp.asarray(v), high) for v in (x, y))
            found = getattr(operator, test[:2])(a, b)
            return (found | (a != a) | (b != b) if test.endswith("u") else found).astype(np.uint32)

        return lane(False) * self.word(0xFFFF) | lane(True) * self.word(0xFFFF0000)

    def fma_bfloat16(self, x: Any, y: Any, z: Any) -> Any:
        """Rounded to float32, and then to the nearest bfloat16, ties to even."""
        halves = [tuple(self._number(self.xp.asarray(v), high) for v in (x, y, z)) for high in (False, True)]
        low, high = (self._bits(a * b + c) for a, b, c in halves)
        low, high = (bits + self.word(0x7FFF) + ((bits >> self.word(16)) & self.word(1)) for bits in (low, high))
        return (low >> self.word(16)) | (high & self.word(0xFFFF0000))

    def held_product(self, x: Any, y: Any) -> Any:
        return self._held(self.xp.abs(self._real(x)) * self._real(y))

    def held_fma(self, x: Any, y: Any, z: Any) -> Any:
        return self._held(self._real(x) * self._real(y) + self._real(z))

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        return self._apart(self._real(x) * self._real(y) + self._real(z))

    def sum(self, x: Any, y: Any) -> Any:
        return self._apart(self._real(x) + self._real(y))

    def _by_lane(self, operation: Any, x: Any, y: Any) -> Any:
        low = operation(x & self.word(0xFFFF), y & self.word(0xFFFF))
        return low | operation(x & self.word(0xFFFF0000), y & self.word(0xFFFF0000))

    def _held(self, x: Any) -> Any:
        return self._apart(self.xp.where(x > 0, self.xp.minimum(x, np.float32(1)), np.float32(0)))

    def _apart(self, x: Any) -> Any:
        """Bits of a float32; XLA would add two constants first that are added to a sum one after the other."""
        return self._bits(x if self.xp is np else lax.optimization_barrier(x))

    def _real(self, word: Any) -> Any:
        bits = self.xp.asarray(word, np.uint32)
        return bits.view(np.float32) if self.xp is np else lax.bitcast_convert_type(bits, jnp.float32)
