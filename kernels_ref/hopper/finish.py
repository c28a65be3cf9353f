"""From finished sums to the result: the factors of the record in float32, the one rounding, the transposed store."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from formats.products import Factor, ScaledProduct
from kernels_ref.hopper.decoder import left_over
from kernels_ref.hopper.fragments import ROWS
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
    interpret: bool

    def __call__(self, sums: Any, factors: dict[Factor, Any], out: Any, row: Any, token: Any) -> None:
        """``row`` and ``token`` are where the sums begin; what is beyond ``out`` is not written."""
        plgpu, pl = pallas()
        if self.interpret:
            numbers = epilogue(self.product, sums.T, {f: _read(f, ref, row, token, self) for f, ref in factors.items()})
            out[pl.ds(token, self.tokens), pl.ds(row, ROWS)] = numbers
            return
        splat = plgpu.Layout.WG_SPLAT
        references = [plgpu.RefType() for _ in range(len(factors) + 1)]
        inline = plgpu.inline_mgpu(arg_types=(plgpu.Layout.WGMMA, splat, splat, *references))
        inline(functools.partial(self._emit, list(factors)))(sums, row, token, out, *factors.values())

    def _emit(self, names: list[Factor], _: Any, sums: Any, row: Any, token: Any, out: Any, *factors: Any) -> None:
        emitter = _Emitter(self.product, sums, row, token, out, dict(zip(names, factors, strict=True)))
        for index in np.ndindex(*sums.registers.shape):
            emitter.register(index)


def _read(factor: Factor, ref: Any, row: Any, token: Any, finish: Finish) -> Any:
    """The interpreter's factors, as `epilogue` takes them."""
    _, pl = pallas()
    match factor:
        case Factor.WEIGHT_SCALE:
            return ref[pl.ds(row, ROWS)]
        case Factor.TOKEN_SCALE:
            return ref[pl.ds(token, finish.tokens)]
        case _:
            return ref[...]


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


class _Emitter:
    """Emits the same for a thread's registers."""

    def __init__(
        self, product: ScaledProduct, sums: Any, row: Any, token: Any, out: Any, factors: dict[Factor, Any]
    ) -> None:
        names = ("arith", "gpu", "llvm", "memref", "scf", "vector")
        dialects = (importlib.import_module(f"jaxlib.mlir.dialects.{name}") for name in names)
        self.arith, self.gpu, self.llvm, self.memref, self.scf, self.vector = dialects
        self.ir: Any = importlib.import_module("jaxlib.mlir.ir")
        self.utils: Any = importlib.import_module("jax.experimental.mosaic.gpu.utils")
        self.i32, self.f32 = self.ir.IntegerType.get_signless(32), self.ir.F32Type.get()
        self.product, self.sums, self.out = product, sums, out
        thread = self.arith.remui(
            self.arith.index_cast(self.i32, self.gpu.thread_id(self.gpu.Dimension.x)), self.word(128)
        )
        warp, lane = self.arith.divui(thread, self.word(32)), self.arith.remui(thread, self.word(32))
        first = self.arith.addi(self.arith.muli(warp, self.word(16)), self.arith.divui(lane, self.word(4)))
        second = self.arith.muli(self.arith.remui(lane, self.word(4)), self.word(2))
        self.row = self.arith.addi(row.registers.item(), first)
        self.token = self.arith.addi(token.registers.item(), second)
        self.shape = self.ir.MemRefType(out.type).shape
        self.factors = factors
        self.cache: dict[Any, Any] = {}

    def word(self, value: int) -> Any:
        return self.arith.constant(self.i32, self.ir.IntegerAttr.get(self.i32, value))

    def register(self, index: tuple[int, ...]) -> None:
        """Two sums, of neighbouring tokens."""
        for i in range(2):
            row, token = 8 * index[4], 8 * index[1] + i
            number = self.vector.extract(self.sums.registers[index], [], [i])
            self.store(self.finished(number, row, token), row, token)

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
        """Loaded once for each row or token of the thread."""
        at = {Factor.WEIGHT_SCALE: row, Factor.TOKEN_SCALE: token}.get(factor, 0)
        if (factor, at) not in self.cache:
            axis = {Factor.WEIGHT_SCALE: self.row, Factor.TOKEN_SCALE: self.token}.get(factor)
            place = self.word(0) if axis is None else self.arith.addi(axis, self.word(at))
            reference = self.factors[factor]
            last = self.word(self.ir.MemRefType(reference.type).shape[0] - 1)
            address = self.utils.getelementptr(
                self.utils.memref_ptr(reference), [self.arith.minui(place, last)], self.f32
            )
            self.cache[factor, at] = self.llvm.load(self.f32, address)
        return self.cache[factor, at]

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
