# ruff: noqa: D102 (the operations are documented in step.Lanes)
"""The program's machine on a GPU: each operation is one of MLIR's, one instruction or two of PTX."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from kernels_ref.mlir_words import MlirWords


class MlirLanes(MlirWords):
    """Emits the program into the MLIR block that is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gpu, self.scf, self.vector = (
            importlib.import_module(f"jaxlib.mlir.dialects.{name}") for name in ("gpu", "scf", "vector")
        )
        self.utils: Any = importlib.import_module("jax.experimental.mosaic.gpu.utils")
        self.f32 = self.ir.F32Type.get()

    def thread(self) -> Any:
        return self.arith.index_cast(self.i32, self.gpu.thread_id(self.gpu.Dimension.x))

    def bits(self, x: Any) -> Any:
        return self.arith.bitcast(self.i32, x)

    def number(self, word: Any) -> Any:
        return self.arith.bitcast(self.f32, word)

    def add(self, x: Any, y: Any) -> Any:
        return self.arith.addi(x, y)

    def multiply(self, x: Any, y: Any) -> Any:
        return self.arith.muli(x, y)

    def right(self, x: Any, places: int) -> Any:
        return self.arith.shrui(x, self.word(places))

    def larger(self, x: Any, y: Any) -> Any:
        return self.arith.maxsi(x, y)

    def population(self, x: Any) -> Any:
        return self.llvm.intr_ctpop(x)

    def fma_down(self, x: Any, y: Any, z: Any) -> Any:
        return self.llvm.call_intrinsic(self.f32, "llvm.nvvm.fma.rm.f", [x, y, z], [], [])

    def subtract(self, x: Any, y: Any) -> Any:
        return self.arith.subf(x, y)

    def load(self, operand: Any, index: Any, offset: int) -> list[Any]:
        """Four words of shared memory by one load of 16 bytes."""
        address = self.utils.getelementptr(operand, [index], self.i32)
        address = self.utils.getelementptr(address, [offset], self.i32)
        four = self.llvm.load(self.ir.VectorType.get((4,), self.i32), address, alignment=16)
        return self.scalars(four)

    def scalars(self, vector: Any) -> list[Any]:
        """The elements of a vector of four."""
        return [self.vector.extract(vector, [], [i]) for i in range(4)]

    def together(self, scalars: list[Any]) -> Any:
        """A vector of four numbers."""
        return self.vector.from_elements(self.ir.VectorType.get((4,), self.f32), scalars)

    def mma(self, a: list[Any], b: list[Any], c: list[Any] | None) -> list[Any]:
        """``mma.sync.m16n8k16`` for four words of ``a``, ``m16n8k8`` for two; bfloat16, float32 sums."""
        zero = self.number(self.word(0))
        operands = [*a, *b, *(c or [zero] * 4)]
        names = iter(f"${4 + i}" for i in range(len(operands)))
        groups = [", ".join(next(names) for _ in part) for part in (a, b, range(4))]
        listed = ", ".join(f"{{{group}}}" for group in groups)
        text = f"mma.sync.aligned.m16n8k{4 * len(a)}.row.col.f32.bf16.bf16.f32 {{$0, $1, $2, $3}}, {listed};"
        constraints = ",".join(["=f"] * 4 + ["r"] * (len(a) + len(b)) + ["f"] * 4)
        four = self.llvm.StructType.get_literal([self.f32] * 4)
        result = self.llvm.inline_asm(four, operands, text, constraints, has_side_effects=False)
        return [self.llvm.extractvalue(self.f32, result, [i]) for i in range(4)]

    def loop(self, count: int, body: Callable[[Any, list[Any]], list[Any]], carry: list[Any]) -> list[Any]:
        loop = self.scf.ForOp(self.word(0), self.word(count), self.word(1), carry)
        with self.ir.InsertionPoint(loop.body):
            self.scf.yield_(body(loop.induction_variable, list(loop.inner_iter_args)))
        return list(loop.results)

    def memory(self, reference: Any) -> Any:
        """The address of a Mosaic reference."""
        return self.utils.memref_ptr(reference)
