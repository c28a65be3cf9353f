"""From finished sums to the result: the factors of the record in float32, the one rounding, the store."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from formats.products import Factor, ScaledProduct
from kernels_ref.hopper import transposed
from kernels_ref.hopper.decoder import left_over
from kernels_ref.hopper.fragments import ROWS
from kernels_ref.hopper.mlir_thread import MlirThread
from kernels_ref.hopper.traced import jnp, lax
from kernels_ref.pallas import pallas

RESULTS: dict[str, Any] = {"bfloat16": jnp.bfloat16, "float16": jnp.float16, "float32": jnp.float32}


def result_dtype(product: ScaledProduct) -> Any:
    """What the kernel writes: the sums themselves where a requantiser follows."""
    return jnp.int32 if product.requantiser else RESULTS[product.out]


@dataclass(frozen=True, slots=True)
class Finish:
    """Writes a warpgroup's 64 x ``tokens`` sums to ``out``, which is (M, N)."""

    product: ScaledProduct
    tokens: int
    n: int
    turned: int  #: tokens whose results go through shared memory at once
    interpret: bool

    def shared(self, warpgroups: int) -> list[Any]:
        """What `__call__` wants of shared memory: a buffer for each warpgroup, or nothing."""
        result = result_dtype(self.product)
        if self.interpret or not transposed.fits(8 * jnp.dtype(result).itemsize, self.n):
            return []
        return [pallas()[0].SMEM((warpgroups, self.turned, ROWS), result)]

    def load(self, factors: dict[Factor, Any], row: Any, token: Any) -> dict[Factor, Any]:
        """The factors of a warpgroup's sums, which begin at ``row`` and ``token``, as `__call__` takes them."""
        _, pl = pallas()
        if self.interpret:
            own = {Factor.WEIGHT_SCALE: pl.ds(row, ROWS), Factor.TOKEN_SCALE: pl.ds(token, self.tokens)}
            return {factor: ref[own.get(factor, ...)] for factor, ref in factors.items()}
        return {factor: self._loaded(factor, ref, row, token) for factor, ref in factors.items()}

    def _loaded(self, factor: Factor, ref: Any, row: Any, token: Any) -> Any:
        plgpu, _ = pallas()
        if factor is Factor.TENSOR_SCALE:
            return ref[0]
        of_rows, layout = factor is Factor.WEIGHT_SCALE, self._layout(factor)
        shape = (ROWS,) if of_rows else (self.tokens,)
        like = plgpu.ShapeDtypeStruct(shape, jnp.float32, layout=layout)
        inline = plgpu.inline_mgpu(arg_types=(plgpu.Layout.WG_SPLAT, plgpu.RefType()), return_type=like)
        return inline(functools.partial(_load, of_rows, shape, layout))(row if of_rows else token, ref)

    def _layout(self, factor: Factor) -> Any:
        """Of a factor in registers."""
        layouts, _ = pallas()
        axis = {Factor.WEIGHT_SCALE: 1, Factor.TOKEN_SCALE: 0}.get(factor)
        return layouts.Layout.WG_SPLAT if axis is None else layouts.Layout.WGMMA.reduce(axis)

    def __call__(
        self, sums: Any, factors: dict[Factor, Any], out: Any, shared: list[Any], row: Any, token: Any
    ) -> None:
        """``row`` and ``token`` are where the sums begin; what is beyond ``out`` is not written."""
        plgpu, pl = pallas()
        if self.interpret:
            out[pl.ds(token, self.tokens), pl.ds(row, ROWS)] = epilogue(self.product, sums.T, factors)
            return
        buffers = [buffer.at[lax.axis_index("warpgroup")] for buffer in shared]
        references = [plgpu.RefType() for _ in (out, *buffers)]
        splat = plgpu.Layout.WG_SPLAT
        types = (plgpu.Layout.WGMMA, splat, splat, *map(self._layout, factors), *references)
        inline = plgpu.inline_mgpu(arg_types=types)
        inline(functools.partial(self._emit, list(factors)))(sums, row, token, *factors.values(), out, *buffers)

    def _emit(self, names: list[Factor], _: Any, sums: Any, row: Any, token: Any, *rest: Any) -> None:
        factors, (out, *buffers) = dict(zip(names, rest, strict=False)), rest[len(names) :]
        emitter = _Emitter(self.product, sums, row, token, out, factors)
        if not buffers:
            emitter.store_each()
            return
        blocks = [[emitter.pair(8 * i, 8 * j) for i in range(2)] for j in range(self.tokens // 8)]
        words = [[emitter.packed(pair) for pair in pairs] for pairs in blocks]
        transposed.write(emitter, words, buffers[0], out, row.registers.item(), token.registers.item())


def _load(of_rows: bool, shape: tuple[int], layout: Any, _: Any, start: Any, ref: Any) -> Any:
    """The numbers of a thread's two rows, or of its tokens; past the end of the array its last one."""
    mlir = MlirThread()
    mgpu: Any = importlib.import_module("jax.experimental.mosaic.gpu")
    first = mlir.arith.addi(start.registers.item(), mlir.row if of_rows else mlir.token)
    last = mlir.word(mlir.ir.MemRefType(ref.type).shape[0] - 1)
    base, width = mlir.utils.memref_ptr(ref), 1 if of_rows else 2
    kind = mlir.ir.VectorType.get((width,), mlir.f32)

    def number(at: int) -> Any:
        place = mlir.arith.minui(mlir.arith.addi(first, mlir.word(at)), last)
        return mlir.llvm.load(mlir.f32, mlir.utils.getelementptr(base, [place], mlir.f32))

    fragmented = layout.to_mgpu()
    registers = np.empty(fragmented.registers_shape(shape), object)
    for i in range(registers.size):
        registers.flat[i] = mlir.vector.from_elements(kind, [number(8 * i + j) for j in range(width)])
    return mgpu.FragmentedArray(_registers=registers, _layout=fragmented, _is_signed=None)


def epilogue(product: ScaledProduct, sums: Any, factors: dict[Factor, Any]) -> Any:
    """Sums (M, N) to results, as plain JAX: factors are (N,), (M,) and (1,)."""
    power = left_over(product)
    if sums.dtype == jnp.int32:
        sums = sums >> power
        if product.requantiser:
            return sums
        sums = sums.astype(jnp.float32)
    elif power:
        sums = sums * np.float32(2.0**-power)
    for i, factor in enumerate(product.epilogue):
        number = factors[factor]
        sums = lax.optimization_barrier(sums) if i else sums  # else XLA may join two factors that are constants
        sums = sums * (number[:, None] if factor is Factor.TOKEN_SCALE else number[None, :])
    return sums.astype(result_dtype(product))


class _Emitter(MlirThread):
    """Emits the same for a thread's registers."""

    def __init__(
        self, product: ScaledProduct, sums: Any, row: Any, token: Any, out: Any, factors: dict[Factor, Any]
    ) -> None:
        super().__init__()
        self.product, self.sums, self.out, self.factors = product, sums, out, factors
        self.row = self.arith.addi(row.registers.item(), self.row)
        self.token = self.arith.addi(token.registers.item(), self.token)
        self.shape = self.ir.MemRefType(out.type).shape

    def pair(self, row: int, token: int) -> list[Any]:
        """The results of two neighbouring tokens."""
        register = self.sums.registers[0, token // 8, 0, 0, row // 8].item()
        return [self.finished(self.vector.extract(register, [], [i]), row, token + i) for i in range(2)]

    def packed(self, pair: list[Any]) -> Any:
        """Two 16-bit results in a word."""
        kind = self.ir.VectorType.get((2,), pair[0].type)
        return self.utils.bitcast(self.vector.from_elements(kind, pair), self.i32)

    def store_each(self) -> None:
        """Every result by itself."""
        for token in range(0, self.sums.shape[1], 8):
            for row in (0, 8):
                for i, number in enumerate(self.pair(row, token)):
                    self.store(number, row, token + i)

    def finished(self, number: Any, row: int, token: int) -> Any:
        power = left_over(self.product)
        if self.product.a == "int8":
            number = self.arith.shrsi(number, self.word(power)) if power else number
            if self.product.requantiser:
                return number
            number = self.arith.sitofp(self.f32, number)
        elif power:
            number = self.arith.mulf(number, self.number(2.0**-power))
        for factor in self.product.epilogue:
            number = self.arith.mulf(number, self.factor(factor, row, token))
        kind = self.ir.MemRefType(self.out.type).element_type
        return number if kind == self.f32 else self.arith.truncf(kind, number)

    def number(self, value: float) -> Any:
        return self.arith.constant(self.f32, self.ir.FloatAttr.get(self.f32, value))

    def factor(self, factor: Factor, row: int, token: int) -> Any:
        """The number of a row or token of the thread."""
        registers = self.factors[factor].registers
        if factor is Factor.TENSOR_SCALE:
            return registers.item()
        at, place = (row // 8, 0) if factor is Factor.WEIGHT_SCALE else (token // 8, token % 8)
        return self.vector.extract(registers.flat[at], [], [place])

    def store(self, number: Any, row: int, token: int) -> None:
        """At ``out[token, row]``, if that is there."""
        tokens, rows = self.shape
        n, m = (self.arith.addi(x, self.word(at)) for x, at in ((self.row, row), (self.token, token)))
        less = self.arith.CmpIPredicate.ult
        there = self.arith.andi(self.arith.cmpi(less, n, self.word(rows)), self.arith.cmpi(less, m, self.word(tokens)))
        branch = self.scf.IfOp(there)
        with self.ir.InsertionPoint(branch.then_block):
            place = self.arith.addi(self.arith.muli(m, self.word(rows)), n)
            address = self.utils.getelementptr(self.utils.memref_ptr(self.out), [place], number.type)
            self.llvm.store(number, address)
            self.scf.yield_([])


def shapes(product: ScaledProduct, n: int, m: int) -> dict[Factor, jax.ShapeDtypeStruct]:
    """The float32 arrays that the factors of an (M, N) result are."""
    sizes = {Factor.WEIGHT_SCALE: n, Factor.TOKEN_SCALE: m, Factor.TENSOR_SCALE: 1}
    return {factor: jax.ShapeDtypeStruct((sizes[factor],), jnp.float32) for factor in product.epilogue}
