"""A warpgroup's sums in memory as they lie in registers: four of each thread side by side, thread by thread."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np

from kernels_ref.hopper.fragments import ROWS, THREADS
from kernels_ref.hopper.mlir_thread import MlirThread
from kernels_ref.pallas import pallas

#: sums that a thread stores or loads at once
_FOUR = 4


def store(ref: Any, sums: Any) -> None:
    """To a reference of 64 times ``tokens`` elements."""
    plgpu, _ = pallas()
    plgpu.inline_mgpu(arg_types=(plgpu.RefType(), plgpu.Layout.WGMMA))(_store)(ref, sums)


def load(ref: Any, tokens: int, dtype: Any) -> Any:
    """The sums (64, ``tokens``) that `store` left."""
    plgpu, _ = pallas()
    like = plgpu.ShapeDtypeStruct((ROWS, tokens), dtype, layout=plgpu.Layout.WGMMA)
    return plgpu.inline_mgpu(arg_types=(plgpu.RefType(),), return_type=like)(functools.partial(_load, tokens))(ref)


def _store(_: Any, ref: Any, sums: Any) -> None:
    mlir = MlirThread()
    four = _vector(mlir, ref, _FOUR)
    for turn, numbers in enumerate(fours(mlir, sums)):
        mlir.llvm.store(mlir.vector.from_elements(four, numbers), address(mlir, ref, turn), alignment=16)


def fours(mlir: MlirThread, sums: Any) -> list[list[Any]]:
    """What a thread has, in MLIR, by the turns in which it is stored."""
    pairs = list(sums.registers.flat)
    return [
        [mlir.vector.extract(pair, [], [j]) for pair in pairs[i : i + 2] for j in range(2)]
        for i in range(0, len(pairs), 2)
    ]


def _load(tokens: int, _: Any, ref: Any) -> Any:
    mlir = MlirThread()
    mgpu: Any = importlib.import_module("jax.experimental.mosaic.gpu")
    two, four = (_vector(mlir, ref, count) for count in (2, _FOUR))
    registers = np.empty(mgpu.WGMMA_LAYOUT.registers_shape((ROWS, tokens)), object)
    for i in range(0, registers.size, 2):
        found = mlir.llvm.load(four, address(mlir, ref, i // 2), alignment=16)
        for j in range(2):
            numbers = [mlir.vector.extract(found, [], [2 * j + k]) for k in range(2)]
            registers.flat[i + j] = mlir.vector.from_elements(two, numbers)
    signed = True if four.element_type == mlir.i32 else None
    return mgpu.FragmentedArray(_registers=registers, _layout=mgpu.WGMMA_LAYOUT, _is_signed=signed)


def address(mlir: MlirThread, ref: Any, turn: int) -> Any:
    """Of the thread's four sums of a turn."""
    place = mlir.arith.addi(mlir.thread, mlir.word(turn * THREADS))
    return mlir.utils.getelementptr(mlir.utils.memref_ptr(ref), [place], _vector(mlir, ref, _FOUR))


def _vector(mlir: MlirThread, ref: Any, count: int) -> Any:
    return mlir.ir.VectorType.get((count,), mlir.ir.MemRefType(ref.type).element_type)
