"""The Mosaic GPU kernel: a warpgroup for each tile, operands streamed through shared memory by TMA."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from kernels_ref.mosaic_matmul import layout
from kernels_ref.mosaic_matmul.mlir_lanes import MlirLanes
from kernels_ref.mosaic_matmul.numpy_lanes import NumpyLanes
from kernels_ref.mosaic_matmul.step import Weights, step
from kernels_ref.pallas import pallas

WORDS = layout.ROWS * layout.COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """How the kernel is laid out; results do not depend on it."""

    #: steps whose operands are in shared memory at once
    stages: int = 2
    #: elements of K in the body of the inner loop, a divisor of 32
    unroll: int = 8


def kernel(rows: int, columns: int, steps: int, weights: Weights, variant: Variant) -> Any:
    """The kernel for ``rows`` x ``columns`` tiles and a chain of ``steps``.

    It maps the words of ``a`` and ``b`` and the tiles of C, as `operands` lays them out, to the tiles of results.
    """
    plgpu, _ = pallas()
    own = plgpu.Layout.WG_STRIDED((WORDS,), vec_size=4)

    def body(a: Any, b: Any, c: Any, out: Any) -> None:
        row, column = lax.axis_index("row"), lax.axis_index("column")

        def stage(_: Any, a_words: Any, b_words: Any, state: Any) -> Any:
            result = plgpu.ShapeDtypeStruct((WORDS,), jnp.float32, layout=own)
            inline = plgpu.inline_mgpu(arg_types=(plgpu.RefType(), plgpu.RefType(), own), return_type=result)
            return inline(functools.partial(_emit, weights, variant))(a_words, b_words, state)

        def block(tile: Any, lines: int) -> Any:
            def index(k: Any) -> tuple[Any, ...]:
                return tile, k, 0, 0

            return plgpu.BlockSpec((None, None, lines, layout.LINE), index)

        operands = [block(row, layout.A_LINES), block(column, layout.B_LINES)]
        first = plgpu.load(c.at[row, column], layout=own, optimized=False)
        stages = min(variant.stages, steps)
        pipeline = plgpu.emit_pipeline(
            stage, grid=(steps,), in_specs=operands, max_concurrent_steps=stages, init_carry=first
        )
        out[row, column] = pipeline(a, b)

    return plgpu.kernel(
        body,
        out_type=jax.ShapeDtypeStruct((rows, columns, WORDS), jnp.float32),
        grid=(rows, columns),
        grid_names=("row", "column"),
    )


def _emit(weights: Weights, variant: Variant, _: Any, a: Any, b: Any, state: Any) -> Any:
    """The step in MLIR, on registers."""
    lanes = MlirLanes()
    before = [x for vector in state.registers for x in lanes.scalars(vector)]
    after = step(lanes, weights, variant.unroll, lanes.memory(a), lanes.memory(b), before)
    registers = np.empty(state.registers.shape, object)
    for i in range(registers.size):
        registers[i] = lanes.together(after[4 * i : 4 * i + 4])
    mgpu: Any = importlib.import_module("jax.experimental.mosaic.gpu")
    return mgpu.FragmentedArray(_registers=registers, _layout=state.layout, _is_signed=None)


def simulate(a: Any, b: Any, c: Any, weights: Weights, variant: Variant) -> NDArray[np.float32]:
    """What `kernel` returns, from the same program run on NumPy lanes."""
    a, b, out = np.asarray(a), np.asarray(b), np.array(c)
    for row, column in np.ndindex(*out.shape[:2]):
        registers = out[row, column].reshape(-1, layout.THREADS, 4)
        state = [registers[s // 4, :, s % 4] for s in range(layout.OWN)]
        for k in range(a.shape[1]):
            words = a[row, k].reshape(-1), b[column, k].reshape(-1)
            state = step(NumpyLanes(), weights, variant.unroll, *words, state)
        out[row, column] = np.stack(state).reshape(-1, 4, layout.THREADS).transpose(0, 2, 1).reshape(-1)
    return out
