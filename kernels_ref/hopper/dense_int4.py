"""INT4 weights for the matrix unit: how they are packed, and how registers of INT8 are made of them.

A run of 16 bytes holds 32 elements of K: byte ``j`` has element ``j`` in its low half and ``16 + j`` in its high one.
A thread's word of four bytes then gives two registers of the INT8 operand, of elements 16 apart, by a mask each. What
a register holds is 16 times the weight, its low half zero.
"""

from __future__ import annotations

import importlib
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from kernels_ref.codec import as_jax
from kernels_ref.hopper.dense_variant import DenseVariant
from kernels_ref.pallas import pallas

#: elements of K in a run
RUN = 32
_HALF = RUN // 2
#: the upper half of each byte of a word
_UPPER = 0xF0F0F0F0


def pack_dense_int4(w: ArrayLike) -> Array:
    """INT4 codes (N, K), uint8, to the bytes (N, K / 2) that `dense_matmul` takes; K is filled up to a multiple of 32.

    Byte ``16 r + j`` of a row is ``w[32 r + j] + 16 w[32 r + 16 + j]``. Raises ``TypeError`` for another dtype.

    >>> pack_dense_int4(jnp.arange(32, dtype=jnp.uint8)[None] % 16)[0, :3].tolist()
    [0, 17, 34]
    """
    codes = as_jax(w)
    if codes.dtype != jnp.uint8 or codes.ndim != 2:
        raise TypeError(f"w has dtype {codes.dtype.name} and shape {codes.shape}; it takes uint8 codes (N, K)")
    runs = lax.pad(codes, np.uint8(0), [(0, 0, 0), (0, -codes.shape[1] % RUN, 0)]).reshape(len(codes), -1, 2, _HALF)
    return (runs[:, :, 0] | (runs[:, :, 1] << 4)).reshape(len(codes), -1)


def registers(word: Any) -> tuple[Any, Any]:
    """Two registers of four INT8, of a word of packed codes; anything that has ``<<`` and ``&``."""
    return (word << 4) & _UPPER, word & _UPPER


def expanded(ref: Any, variant: DenseVariant, *, interpret: bool) -> Any:
    """16 times the weights of a stage, as the left operand of the matrix unit."""
    if interpret:
        return _in_order(ref[...])
    plgpu, _ = pallas()
    shape = (variant.own_rows, variant.depth)
    result = plgpu.ShapeDtypeStruct(shape, jnp.int8, layout=plgpu.Layout.WGMMA_8BIT)
    words = plgpu.load(ref, layout=plgpu.Layout.WGMMA_UPCAST_4X)
    inline = plgpu.inline_mgpu(arg_types=(plgpu.Layout.WGMMA_UPCAST_4X,), return_type=result)
    return inline(_emit)(words)


def _in_order(packed: Any) -> Any:
    """The same of whole rows: element ``2 j + i`` of a run, as the packed type counts, is ``16 i + j``."""
    rows = packed.astype(jnp.int8).reshape(packed.shape[0], -1, _HALF, 2)
    return jnp.swapaxes(rows, 2, 3).reshape(packed.shape) << 4


class _Word:
    """A 32-bit MLIR value with the operators that `registers` uses."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lshift__(self, places: int) -> _Word:
        return _Word(_arith().shli(self.value, _constant(places)))

    def __and__(self, mask: int) -> _Word:
        return _Word(_arith().andi(self.value, _constant(mask)))


def _emit(_: Any, packed: Any) -> Any:
    """`registers` of every word, in MLIR: words of one run and row become neighbours in K of the INT8 layout."""
    fragments: Any = importlib.import_module("jax.experimental.mosaic.gpu.fragmented_array")
    utils: Any = importlib.import_module("jax.experimental.mosaic.gpu.utils")
    ir: Any = importlib.import_module("jaxlib.mlir.ir")
    word, four = ir.IntegerType.get_signless(32), ir.VectorType.get((4,), ir.IntegerType.get_signless(8))
    layout = fragments.WGMMA_LAYOUT_8BIT
    out = np.empty(layout.registers_shape(packed.shape), object)
    for place in np.ndindex(packed.registers.shape):
        row, run, half = place[0], place[1], place[4]
        for i, made in enumerate(registers(_Word(utils.bitcast(packed.registers[place], word)))):
            out[(row, 2 * run + i, 0, 0, half) + (0,) * (out.ndim - 5)] = utils.bitcast(made.value, four)
    return fragments.FragmentedArray(_registers=out, _layout=layout, _is_signed=True)


def _arith() -> Any:
    return importlib.import_module("jaxlib.mlir.dialects.arith")


def _constant(value: int) -> Any:
    ir: Any = importlib.import_module("jaxlib.mlir.ir")
    word = ir.IntegerType.get_signless(32)
    return _arith().constant(word, ir.IntegerAttr.get(word, value - (value >> 31 << 32)))
