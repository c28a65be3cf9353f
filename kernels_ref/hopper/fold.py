"""What joins the sums of chains: one fused multiply-add, or one addition, of float32 registers."""

from __future__ import annotations

import importlib
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from kernels_ref.hopper.fragments import ROWS
from kernels_ref.pallas import pallas


def fused(columns: int, interpret: bool) -> Any:
    """``fma(d, s, y)`` of (64, columns) arrays, ``s`` one number for each row."""
    plgpu, _ = pallas()
    if interpret:
        return lambda y, d, s: y + d * lax.broadcast_in_dim(s, (ROWS, columns), (0,))
    result = plgpu.ShapeDtypeStruct((ROWS, columns), jnp.float32, layout=plgpu.Layout.WGMMA)
    types = (plgpu.Layout.WGMMA, plgpu.Layout.WGMMA, plgpu.Layout.WGMMA.reduce(1))
    inline = plgpu.inline_mgpu(arg_types=types, return_type=result)
    return inline(lambda _, y, d, s: _emit(y, d, s))


def _emit(y: Any, d: Any, s: Any) -> Any:
    ir, llvm, vector = (importlib.import_module(f"jaxlib.mlir.{x}") for x in ("ir", "dialects.llvm", "dialects.vector"))
    mgpu: Any = importlib.import_module("jax.experimental.mosaic.gpu")
    scales = [vector.extract(x, [], [0]) for x in s.registers.flat]
    out = np.empty(y.registers.shape, object)
    for index in np.ndindex(*y.registers.shape):
        pair = y.registers[index].type
        numbers = [
            llvm.intr_fma(
                vector.extract(d.registers[index], [], [i]),
                scales[index[4]],
                vector.extract(y.registers[index], [], [i]),
            )
            for i in range(ir.VectorType(pair).shape[0])
        ]
        out[index] = vector.from_elements(pair, numbers)
    return mgpu.FragmentedArray(_registers=out, _layout=y.layout, _is_signed=None)
