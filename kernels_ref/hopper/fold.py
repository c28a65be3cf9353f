"""What joins the sums of chains: one fused multiply-add, or one addition, of float32 registers."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from kernels_ref.hopper.fragments import ROWS
from kernels_ref.hopper.traced import jnp, lax
from kernels_ref.pallas import pallas


def fused(columns: int, interpret: bool) -> Any:
    """``fma(d, s, y)`` of (64, columns) arrays, ``s`` one number for each row, times one for each column if given."""
    plgpu, _ = pallas()
    if interpret:
        return _interpreted
    wgmma = plgpu.Layout.WGMMA
    result = plgpu.ShapeDtypeStruct((ROWS, columns), jnp.float32, layout=wgmma)

    def fold(y: Any, d: Any, rows: Any, *tokens: Any) -> Any:
        types = (wgmma, wgmma, wgmma.reduce(1), *[wgmma.reduce(0)] * len(tokens))
        return plgpu.inline_mgpu(arg_types=types, return_type=result)(_emit)(y, d, rows, *tokens)

    return fold


def _interpreted(y: Any, d: Any, rows: Any, *tokens: Any) -> Any:
    s = lax.broadcast_in_dim(rows, y.shape, (0,))
    for each in tokens:
        s = s * lax.broadcast_in_dim(each, y.shape, (1,))
    return y + d * s


def _emit(_: Any, y: Any, d: Any, rows: Any, *tokens: Any) -> Any:
    names = ("ir", "dialects.arith", "dialects.llvm", "dialects.vector")
    ir, arith, llvm, vector = (importlib.import_module(f"jaxlib.mlir.{name}") for name in names)
    mgpu: Any = importlib.import_module("jax.experimental.mosaic.gpu")
    scales = [vector.extract(x, [], [0]) for x in rows.registers.flat]
    out = np.empty(y.registers.shape, object)
    for index in np.ndindex(*y.registers.shape):
        pair = y.registers[index].type
        numbers: list[Any] = []
        for i in range(ir.VectorType(pair).shape[0]):
            before, new = (vector.extract(x.registers[index], [], [i]) for x in (y, d))
            s = scales[index[4]]
            for each in tokens:
                s = arith.mulf(s, vector.extract(each.registers.reshape(-1)[index[1]], [], [i]))
            numbers.append(llvm.intr_fma(new, s, before))
        out[index] = vector.from_elements(pair, numbers)
    return mgpu.FragmentedArray(_registers=out, _layout=y.layout, _is_signed=None)
