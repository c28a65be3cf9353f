"""What a thread of a warpgroup emits with: dialects of MLIR, its number, and which of a warpgroup's sums it holds."""

from __future__ import annotations

import importlib
from typing import Any

from kernels_ref.hopper.fragments import THREADS
from kernels_ref.mlir_words import MlirWords


class MlirThread(MlirWords):
    """Words and more dialects, and a thread's first row and token, in the MLIR block that is open."""

    def __init__(self) -> None:
        super().__init__()
        self.scf, self.vector = (importlib.import_module(f"jaxlib.mlir.dialects.{name}") for name in ("scf", "vector"))
        self.utils: Any = importlib.import_module("jax.experimental.mosaic.gpu.utils")
        self.i16, self.f32 = self.ir.IntegerType.get_signless(16), self.ir.F32Type.get()
        # asked for here, so that LLVM keeps nothing of it in registers before
        self.of_block = self.utils.inline_ptx("mov.u32 $0, %tid.x;", result_types=self.i32, has_side_effects=True)
        self.thread = self.arith.remui(self.of_block, self.word(THREADS))
        self.warp, self.lane = (op(self.thread, self.word(32)) for op in (self.arith.divui, self.arith.remui))
        self.row = self.arith.addi(self.arith.muli(self.warp, self.word(16)), self.arith.divui(self.lane, self.word(4)))
        self.token = self.arith.muli(self.arith.remui(self.lane, self.word(4)), self.word(2))
