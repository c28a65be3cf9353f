# ruff: noqa: D102 (the operations are documented in expand.Lanes)
"""The program's machine on a GPU: each operation is one of MLIR's, or one instruction of PTX."""

from __future__ import annotations

from typing import Any

from kernels_ref.hopper.expand import LOW_BYTES, MINUS_ZERO
from kernels_ref.mlir_words import MlirWords


class MlirLanes(MlirWords):
    """Emits the program into the MLIR block that is open."""

    def rotate(self, x: Any, places: int) -> Any:
        return self.llvm.intr_fshl(x, x, self.word(places))

    def times_power(self, x: Any, power: int) -> Any:
        factor = ((127 + power) << 7) * 0x10001
        return self.fma_bfloat16(x, self.word(factor), self.word(MINUS_ZERO))

    def fma_bfloat16(self, x: Any, y: Any, z: Any) -> Any:
        return self._instruction("fma.rn.bf16x2 $0, $1, $2, $3;", x, y, z)

    def fma_float16(self, x: Any, y: Any, z: Any) -> Any:
        return self._instruction("fma.rn.f16x2 $0, $1, $2, $3;", x, y, z)

    def subtract_float16(self, x: Any, y: Any) -> Any:
        return self._instruction("sub.rn.f16x2 $0, $1, $2;", x, y)

    def low_bytes(self, x: Any, y: Any) -> Any:
        return self._instruction(f"prmt.b32 $0, $1, $2, {LOW_BYTES:#x};", x, y)

    def _instruction(self, text: str, *operands: Any) -> Any:
        constraints = ",".join(["=r"] + ["r"] * len(operands))
        return self.llvm.inline_asm(self.i32, list(operands), text, constraints, has_side_effects=False)
