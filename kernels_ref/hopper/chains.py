"""Sums of the chains of a block of weights, each of one instruction: wgmma as this package emits it.

Pallas makes a descriptor of shared memory for every product. Here there is one for a unit, to which a product adds a
constant. And a chain of half a step is not filled up with weights that are zeros: an instruction has two chains, one in
each half of its K, and twice the columns. The activations ``E`` of the first chain have zeros ``Z`` below them, those
of the second one, ``O``, above::

    lower half of K    E  Z
    upper half of K    Z  O

In memory the matrices of 8 tokens x 16 bytes that are ``E`` lie in a row, at a distance ``d``, then as many of zeros,
then those of ``O``. So ``d`` leads from column to column, and ``d`` times the number of ``E`` from half to half.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import Any

from kernels_ref.hopper.fragments import CHUNK, ROWS
from kernels_ref.hopper.mlir_thread import MlirThread
from kernels_ref.hopper.swizzle import swizzled
from kernels_ref.hopper.traced import jnp
from kernels_ref.mlir_words import MlirWords
from kernels_ref.pallas import pallas

#: bytes of K of an instruction, and of a row of a matrix that it takes from shared memory; bytes of that
STEP, LINE, MATRIX = 32, 16, 128
#: instructions of a block
PRODUCTS = CHUNK // STEP
#: how rows of 32 bytes are swizzled, in the last two bits of a descriptor
_SWIZZLED = 3
#: the most tokens for which the sums of all chains of a block are in registers at once
FEW = 16


@dataclass(frozen=True, slots=True)
class Columns:
    """The activations of a unit in shared memory: ``tokens`` columns, ``depth`` bytes of K."""

    tokens: int
    depth: int
    halved: bool  #: whether a chain is half a step, and an instruction has two

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array with halves: for each block of 128 bytes its first half, zeros, its second half."""
        return 3 * self.depth // CHUNK, self.tokens, CHUNK // 2

    @property
    def transforms(self) -> tuple[Any, ...]:
        """How it is tiled and swizzled."""
        plgpu, _ = pallas()
        if self.halved:
            return (plgpu.TilingTransform((8, LINE)),)
        return swizzled(STEP, jnp.float8_e4m3fn)

    @property
    def parts(self) -> tuple[int, ...]:
        """The rows of the first axis of `shape` that are loaded, one by one."""
        return tuple(3 * block + part for block in range(self.depth // CHUNK) for part in (0, 2))

    @property
    def _half(self) -> int:
        """Bytes of the activations of half a block."""
        return self.tokens * CHUNK // 2

    @property
    def constant(self) -> int:
        """The descriptor but for the address: strides along K and along the tokens, in 16 bytes, and the swizzle."""
        along_k = self._half if self.halved else LINE
        along_tokens = CHUNK // 2 * 8 if self.halved else 8 * self.depth
        return along_k // 16 << 16 | along_tokens // 16 << 32 | (0 if self.halved else _SWIZZLED) << 62

    def offset(self, block: int, product: int) -> int:
        """Where the activations of a block's product begin, in bytes."""
        if self.halved:
            return 3 * self._half * block + MATRIX * product
        return (PRODUCTS * block + product) * 8 * STEP

    def clear(self, ref: Any) -> None:
        """Write the zeros of all stages, which no load touches: a warpgroup does it for itself, before all products."""
        plgpu, _ = pallas()
        blocks = self.depth // CHUNK
        parts = [ref.at[stage, 3 * block + 1] for stage in range(ref.shape[0]) for block in range(blocks)]
        types = (plgpu.RefType(self.transforms),) * len(parts)
        plgpu.inline_mgpu(arg_types=types)(functools.partial(_clear, self._half))(*parts)

    def sums(self, ref: Any, fragments: list[Any], block: int) -> list[Any]:
        """The sums (64, tokens) of a block's chains in order, from operands A (64, 32) of its products."""
        plgpu, _ = pallas()
        count = len(fragments)
        sums = plgpu.ShapeDtypeStruct((ROWS, self.tokens), jnp.float32, layout=plgpu.Layout.WGMMA)
        types = (plgpu.RefType(self.transforms), *[plgpu.Layout.WGMMA_8BIT] * count)
        inline = plgpu.inline_mgpu(arg_types=types, return_type=(sums,) * (count << self.halved))
        return list(inline(functools.partial(_emit, self, block))(ref, *fragments))


def _clear(size: int, _: Any, *parts: Any) -> None:
    mlir = MlirThread()
    four = mlir.ir.VectorType.get((4,), mlir.i32)
    zero = mlir.word(0)
    branch = mlir.scf.IfOp(mlir.arith.cmpi(mlir.arith.CmpIPredicate.ult, mlir.thread, mlir.word(size // LINE)))
    with mlir.ir.InsertionPoint(branch.then_block):
        for part in parts:
            address = mlir.utils.getelementptr(mlir.utils.memref_ptr(part), [mlir.thread], four)
            mlir.llvm.store(mlir.vector.from_elements(four, [zero] * 4), address, alignment=16)
        mlir.scf.yield_([])
    mlir.utils.inline_ptx("fence.proxy.async.shared::cta;", has_side_effects=True)
    mlir.utils.warpgroup_barrier()


def _emit(columns: Columns, block: int, _: Any, ref: Any, *fragments: Any) -> tuple[Any, ...]:
    """All products of a block are under way at once, then waited for."""
    mlir = MlirWords()
    of_mosaic, of_mlir = ("wgmma", "fragmented_array", "utils"), ("nvvm", "vector")
    wgmma, arrays, utils = (importlib.import_module(f"jax.experimental.mosaic.gpu.{name}") for name in of_mosaic)
    nvvm, vector = (importlib.import_module(f"jaxlib.mlir.dialects.{name}") for name in of_mlir)
    n, count, layout = columns.tokens << columns.halved, len(fragments), arrays.WGMMA_LAYOUT_ACC_32BIT
    f32, i64 = mlir.ir.F32Type.get(), mlir.ir.IntegerType.get_signless(64)
    zero = mlir.arith.constant(f32, mlir.ir.FloatAttr.get(f32, 0.0))
    zeros = [arrays.FragmentedArray.splat(zero, (ROWS, n), layout) for _ in fragments]
    ready = arrays.optimization_barrier(*fragments, *zeros)
    nvvm.wgmma_fence_aligned()
    address = mlir.llvm.ptrtoint(mlir.i32, utils.memref_ptr(ref))
    base = mlir.arith.shrui(mlir.arith.andi(address, mlir.word(0x3FFFF)), mlir.word(4))
    high, low = divmod(columns.constant, 1 << 32)
    element = fragments[0].mlir_dtype
    found: list[Any] = []
    for i, (operand, total) in enumerate(zip(ready[:count], ready[count:], strict=True)):
        lower = mlir.arith.addi(base, mlir.word(low + columns.offset(block, i) // 16))
        words = vector.from_elements(mlir.ir.VectorType.get((2,), mlir.i32), [lower, mlir.word(high)])
        registers = wgmma.wgmma_m64(
            total.registers,
            operand,
            mlir.llvm.bitcast(i64, words),
            swizzle=STEP,
            n=n,
            a_element_type=element,
            b_element_type=element,
            a_transpose=None,
            b_transpose=False,
            a_k_stride=None,
            b_k_stride=LINE,
        )
        found.append(arrays.FragmentedArray(_registers=registers, _layout=layout, _is_signed=None))
    utils.inline_ptx("wgmma.commit_group.sync.aligned;", has_side_effects=True)
    utils.inline_ptx("wgmma.wait_group.sync.aligned 0;", has_side_effects=True)
    sums = [x.to_layout(arrays.WGMMA_LAYOUT) for x in arrays.optimization_barrier(*found)]
    if not columns.halved:
        return tuple(sums)
    return tuple(x[:, half] for half in (slice(columns.tokens), slice(columns.tokens, n)) for x in sums)
