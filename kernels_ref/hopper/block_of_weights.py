"""A 64 x 128 block of weights, decoded: registers on the GPU, an array in the interpreter."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np

from kernels_ref.hopper import fragments
from kernels_ref.hopper.array_lanes import ArrayLanes
from kernels_ref.hopper.decoder import Decoder
from kernels_ref.hopper.expand import expand
from kernels_ref.hopper.fragments import CHUNK, ROWS, THREADS
from kernels_ref.hopper.mlir_lanes import MlirLanes
from kernels_ref.hopper.planes import LINE, lines
from kernels_ref.hopper.traced import jnp, lax
from kernels_ref.pallas import pallas


def pieces(decoder: Decoder, dtype: Any, width: int, alone: int, *, paired: bool = False) -> Any:
    """A function in a kernel: words (lines, 128), and for each group words of rows (64,), to ``128 / width`` operands.

    Each is an array (64, ``width``) in wgmma's layout for operand A. With ``alone`` below ``width`` there are
    ``128 / alone`` of them, each with zeros but for its own ``alone`` elements of K. If ``paired`` there are
    ``128 / width``, each with the elements of a chain in the block's first half and of the one 64 elements behind it.
    """
    plgpu, _ = pallas()
    bits = 8 * jnp.dtype(dtype).itemsize
    layout = plgpu.Layout.WGMMA if bits == 16 else plgpu.Layout.WGMMA_8BIT
    shape = plgpu.ShapeDtypeStruct((ROWS, width), dtype, layout=layout)
    strided = plgpu.Layout.WG_STRIDED((lines(decoder), LINE), vec_size=4)
    count = CHUNK // (width if paired else min(width, alone))

    def load(words: Any, *rows: Any) -> Any:
        types = (strided, *[plgpu.Layout.WGMMA.reduce(1)] * len(rows))
        inline = plgpu.inline_mgpu(arg_types=types, return_type=(shape,) * count)
        return inline(functools.partial(_emit, decoder, dtype, width, alone, paired))(words, *rows)

    return load


def _emit(
    decoder: Decoder, dtype: Any, width: int, alone: int, paired: bool, _: Any, words: Any, *rows: Any
) -> tuple[Any, ...]:
    """The program in MLIR, on registers."""
    lanes = MlirLanes()
    vector: Any = importlib.import_module("jaxlib.mlir.dialects.vector")
    own = [vector.extract(four, [], [i]) for four in words.registers.flat for i in range(4)]
    pairs = [tuple(vector.extract(x, [], [0]) for x in row.registers.flat) for row in rows]
    registers = expand(lanes, decoder, own, pairs)
    bits = 8 * jnp.dtype(dtype).itemsize
    step = 4 * 32 // bits * 2  # elements of K in four registers
    if alone >= width:
        each = 4 * width // step
        return tuple(_fragment(registers[i : i + each], dtype, width) for i in range(0, len(registers), each))
    assert (width, alone) == (step, step // 2)
    zero = lanes.word(0)
    halves = [registers[i : i + 2] for i in range(0, len(registers), 2)]
    if paired:
        fours = [
            [*first, *second]
            for first, second in zip(halves[: len(halves) // 2], halves[len(halves) // 2 :], strict=True)
        ]
        return tuple(_fragment(four, dtype, width) for four in fours)
    padded = [[*half, zero, zero] if i % 2 == 0 else [zero, zero, *half] for i, half in enumerate(halves)]
    return tuple(_fragment(four, dtype, width) for four in padded)


def _fragment(registers: list[Any], dtype: Any, width: int) -> Any:
    """Registers in the order of `fragments.places` as Mosaic's array."""
    mgpu: Any = importlib.import_module("jax.experimental.mosaic.gpu")
    utils: Any = importlib.import_module("jax.experimental.mosaic.gpu.utils")
    ir: Any = importlib.import_module("jaxlib.mlir.ir")
    bits = 8 * jnp.dtype(dtype).itemsize
    layout = mgpu.WGMMA_LAYOUT if bits == 16 else mgpu.fragmented_array.WGMMA_LAYOUT_8BIT
    element = utils.dtype_to_ir_type(jnp.dtype(dtype))
    kind = ir.VectorType.get((32 // bits,), element)
    out = np.empty(layout.registers_shape((ROWS, width)), object)
    for i, word in enumerate(registers):
        step, half, row = i // 4, i // 2 % 2, i % 2
        out[(0, 2 * step + half, 0, 0, row) + (0,) * (out.ndim - 5)] = utils.bitcast(word, kind)
    return mgpu.FragmentedArray(_registers=out, _layout=layout, _is_signed=True if dtype == jnp.int8 else None)


def interpreted(decoder: Decoder, dtype: Any, words: Any, *rows: Any) -> Any:
    """The same block as an array (64, 128), from the same program on JAX arrays."""
    bits = 8 * jnp.dtype(dtype).itemsize
    own = words.reshape(-1, THREADS, 4).swapaxes(1, 2).reshape(2 * decoder.bits, THREADS)
    registers = jnp.stack(expand(ArrayLanes(jnp), decoder, list(own), [_by_thread(row) for row in rows]))
    unsigned = lax.bitcast_convert_type(registers, jnp.uint16 if bits == 16 else jnp.uint8)
    elements = lax.bitcast_convert_type(unsigned, dtype)
    return fragments.as_block(elements)


def _by_thread(row: Any) -> tuple[Any, Any]:
    """What each thread has of an array (64,): its rows' two words."""
    first, second = jnp.repeat(row.astype(jnp.uint32).reshape(4, 2, 8).swapaxes(0, 1).reshape(2, 32), 4, axis=1)
    return first, second
