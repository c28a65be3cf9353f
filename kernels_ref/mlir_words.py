# ruff: noqa: D102 (bitwise operations under the names that programs for lanes use)
"""32-bit words in MLIR: constants and bitwise operations, for programs that kernels emit."""

from __future__ import annotations

import importlib
from typing import Any


class MlirWords:
    """Emits operations on words into the MLIR block that is open."""

    def __init__(self) -> None:
        self.ir: Any = importlib.import_module("jaxlib.mlir.ir")
        self.arith, self.llvm = (importlib.import_module(f"jaxlib.mlir.dialects.{name}") for name in ("arith", "llvm"))
        self.i32 = self.ir.IntegerType.get_signless(32)

    def word(self, value: int) -> Any:
        signed = value - (1 << 32) if value >> 31 else value
        return self.arith.constant(self.i32, self.ir.IntegerAttr.get(self.i32, signed))

    def both(self, x: Any, y: Any) -> Any:
        return self.arith.andi(x, y)

    def either(self, x: Any, y: Any) -> Any:
        return self.arith.ori(x, y)

    def differ(self, x: Any, y: Any) -> Any:
        return self.arith.xori(x, y)
