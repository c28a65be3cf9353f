"""Scales of groups as float32, from the words that they are stored in: four of 8 bits at once."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np

from kernels_ref.hopper.fragments import ROWS
from kernels_ref.hopper.traced import jnp, lax
from kernels_ref.pallas import pallas

#: two numbers in halves of a word, bfloat16, of the E8M0 codes in the even bytes, or in the odd ones
_E8M0 = (
    "{ .reg .b32 t, u; shl.b32 t, $1, 7; and.b32 t, t, 0x7F807F80; mov.b32 u, 0x00400040; max.u16x2 $0, t, u; }",
    "{ .reg .b32 t, u; shr.b32 t, $1, 1; and.b32 t, t, 0x7F807F80; mov.b32 u, 0x00400040; max.u16x2 $0, t, u; }",
)
#: two float16 numbers of the E4M3 codes in the lower half, or in the upper one
_E4M3 = (
    "{ .reg .b16 l, h; mov.b32 {l, h}, $1; cvt.rn.f16x2.e4m3x2 $0, l; }",
    "{ .reg .b16 l, h; mov.b32 {l, h}, $1; cvt.rn.f16x2.e4m3x2 $0, h; }",
)


def float32(bits: Any, fmt: str | None) -> Any:
    """Scales of bfloat16 or float32 from their bits, int32."""
    return lax.bitcast_convert_type(bits if fmt == "float32" else bits << 16, jnp.float32)


def quad(fmt: str | None, words: Any, interpret: bool) -> list[Any]:
    """The four float32 scales in words of E8M0 or E4M3."""
    if interpret:
        codes = lax.bitcast_convert_type(words, jnp.uint8)
        return [_interpreted(codes[:, i], fmt) for i in range(4)]
    plgpu, _ = pallas()
    of_rows = plgpu.Layout.WGMMA.reduce(1)
    numbers = plgpu.ShapeDtypeStruct((ROWS,), jnp.float32, layout=of_rows)
    emit = functools.partial(_emit_quad, fmt == "float8_e8m0fnu")
    return list(plgpu.inline_mgpu(arg_types=(of_rows,), return_type=(numbers,) * 4)(emit)(words))


def _interpreted(codes: Any, fmt: str | None) -> Any:
    """E8M0's smallest number is subnormal."""
    if fmt == "float8_e8m0fnu":
        return float32(jnp.maximum(codes.astype(jnp.int32) << 7, jnp.int32(0x40)), "bfloat16")
    return lax.bitcast_convert_type(codes, jnp.float8_e4m3fn).astype(jnp.float32)


def _emit_quad(powers: bool, _: Any, words: Any) -> tuple[Any, ...]:
    """Two numbers an instruction, exactly, then each as float32."""
    mgpu: Any = importlib.import_module("jax.experimental.mosaic.gpu")
    ir: Any = importlib.import_module("jaxlib.mlir.ir")
    arith, llvm, vector = (importlib.import_module(f"jaxlib.mlir.dialects.{x}") for x in ("arith", "llvm", "vector"))
    i32, f32 = ir.IntegerType.get_signless(32), ir.F32Type.get()
    two, number = ir.VectorType.get((2,), ir.F16Type.get()), ir.VectorType.get((1,), f32)

    def word_of(value: int) -> Any:
        return arith.constant(i32, ir.IntegerAttr.get(i32, value))

    def floats(pair: Any) -> list[Any]:
        if powers:
            return [arith.bitcast(f32, x) for x in (arith.shli(pair, word_of(16)), arith.andi(pair, word_of(-65536)))]
        halves = llvm.bitcast(two, pair)
        return [arith.extf(f32, vector.extract(halves, [], [i])) for i in range(2)]

    found: list[list[Any]] = [[], [], [], []]
    for register in words.registers.flat:
        word = vector.extract(register, [], [0])
        for first, text in enumerate(_E8M0 if powers else _E4M3):
            pair = llvm.inline_asm(i32, [word], text, "=r,r", has_side_effects=False)
            places = (first, first + 2) if powers else (2 * first, 2 * first + 1)
            for at, value in zip(places, floats(pair), strict=True):
                found[at].append(vector.from_elements(number, [value]))

    def array(registers: list[Any]) -> Any:
        shaped = np.array(registers, object).reshape(words.registers.shape)
        return mgpu.FragmentedArray(_registers=shaped, _layout=words.layout, _is_signed=None)

    return tuple(array(registers) for registers in found)
