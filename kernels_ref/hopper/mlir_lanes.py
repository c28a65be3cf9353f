# ruff: noqa: D102 (the operations are documented in expand.Lanes)
"""The program's machine on a GPU: each operation is one of MLIR's, or one instruction of PTX."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels_ref.hopper.expand import LOW_BYTES, MINUS_ZERO
from kernels_ref.mlir_words import MlirWords


class MlirLanes(MlirWords):
    """Emits the program into the MLIR block that is open."""

    def rotate(self, x: Any, places: int) -> Any:
        return self.llvm.intr_fshl(x, x, self.word(places))

    def masked(self, x: Any, mask: int, flipped: int) -> Any:
        """One instruction, which ptxas does not make of two with a constant each; the table is that of (a & b) ^ c."""
        return self._instruction("lop3.b32 $0, $1, $2, $3, 0x6A;", x, self.word(mask), self.word(flipped))

    def times_power(self, x: Any, power: int) -> Any:
        factor = ((127 + power) << 7) * 0x10001
        return self.fma_bfloat16(x, self.word(factor), self.word(MINUS_ZERO))

    def count_plus(self, x: Any, left: int, z: Any) -> Any:
        """The patterns up to 255 are numbers times 2^-133: see `decoder`."""
        return self.fma_bfloat16(x, self.word(((127 + 127 - left) << 7) * 0x10001), z)

    def fma_bfloat16(self, x: Any, y: Any, z: Any) -> Any:
        return self._instruction("fma.rn.bf16x2 $0, $1, $2, $3;", x, y, z)

    def fma_float16(self, x: Any, y: Any, z: Any) -> Any:
        return self._instruction("fma.rn.f16x2 $0, $1, $2, $3;", x, y, z)

    def field_minus(self, x: Any, left: int, offset: int) -> Any:
        factor, less = (int(np.float16(value).view(np.uint16)) for value in (2.0**-left, -(1024 * 2.0**-left + offset)))
        return self.fma_float16(x, self.word(factor * 0x10001), self.word(less * 0x10001))

    def low_bytes(self, x: Any, y: Any) -> Any:
        return self._instruction(f"prmt.b32 $0, $1, $2, {LOW_BYTES:#x};", x, y)

    def _instruction(self, text: str, *operands: Any) -> Any:
        """An instruction of PTX, or a few in braces, on words."""
        constraints = ",".join(["=r"] + ["r"] * len(operands))
        return self.llvm.inline_asm(self.i32, list(operands), text, constraints, has_side_effects=False)
