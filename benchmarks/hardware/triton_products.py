"""Triton's ``tl.dot`` on large and small tiles."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
import triton
import triton.language as tl
from numpy.typing import NDArray

from formats import Rounding
from formats.schedule import Schedule
from hardware.products import Candidate, Product
from hardware.torch_products import SHORT, TYPES, codes, tensor

M, N, K = 128, 128, 256
LARGE, SMALL = (64, 64), (16, 16)


@triton.jit
def dot_kernel(
    a,
    b,
    d,
    M: tl.constexpr,
    N: tl.constexpr,
    K: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    OUT: tl.constexpr,
    IMPRECISE: tl.constexpr,
):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros((ROWS, COLUMNS), dtype=OUT)
    for start in range(0, K, DEPTH):
        ks = start + tl.arange(0, DEPTH)
        left = tl.load(a + rows[:, None] * K + ks[None, :])
        right = tl.load(b + columns[None, :] * K + ks[:, None])
        total = tl.dot(left, right, total, input_precision="tf32", max_num_imprecise_acc=IMPRECISE, out_dtype=OUT)
    tl.store(d + rows[:, None] * N + columns[None, :], total)


def products() -> Iterator[Product]:
    for tile in (LARGE, SMALL):
        large = tile is LARGE
        for name in ("float16", "bfloat16"):
            shape = "wgmma.k16" if large else "mma.m16n8k16"
            yield _product(name, name, tile, [Candidate("k16 chain", f"hopper.{shape}.f32.{SHORT[name]}")])
        shape = "wgmma.k16" if large else "mma.m16n8k16"
        half = [Candidate("k16 chain in float16", f"hopper.{shape}.f16.f16")]
        yield _product("float16", "float16", tile, half, out="float16")
        yield _product("float32", "float32", tile, list(_tf32("wgmma.k8" if large else "mma.m16n8k8")))
        for a in ("float8_e4m3fn", "float8_e5m2"):
            yield from _narrow(a, tile, large)
        integers = "wgmma.k32.s32.s8.s8" if large else "mma.m16n8k32.s32.s8.s8.sat"
        yield _product("int8", "int8", tile, [Candidate("k32 steps", f"hopper.{integers}")], out="int32")


def _tf32(shape: str) -> Iterator[Candidate]:
    for rounding in (Rounding.TOWARD_ZERO, Rounding.NEAREST_TIES_TO_EVEN):
        text = f"k8 chain, operands {rounding.value}"
        yield Candidate(text, f"hopper.{shape}.f32.tf32", operands="tf32", rounding=rounding)


def _narrow(name: str, tile: tuple[int, int], large: bool) -> Iterator[Product]:
    """FP8; ``max_num_imprecise_acc`` says how often Hopper's sums are restarted, 0 that its FP8 units are not used."""
    native = f"hopper.wgmma.k32.f32.{SHORT[name]}.{SHORT[name]}"
    pairs = {"schedule": Schedule(order="pairs_of_four")}
    widened = Candidate("widened to float16, pairs of four", "hopper.mma.m16n8k16.f32.f16", pairs, operands="float16")
    natural = Candidate("widened to float16, K in order", "hopper.wgmma.k16.f32.f16", operands="float16")
    if not large:
        yield _product(name, name, tile, [widened, natural, Candidate("k32 chain", native)])
        return
    yield _product(name, name, tile, [Candidate("k32 chain", native), widened, natural])
    for every in (32, 64):
        text = f"k32 chain restarted every {every}"
        yield _product(name, name, tile, [Candidate(text, f"{native}.promote{every}"), widened], imprecise=every)
    yield _product(name, name, tile, [widened, natural, Candidate("k32 chain", native)], imprecise=0)


def _product(
    a: str, b: str, tile: tuple[int, int], found: list[Candidate], *, out: str = "float32", imprecise: int | None = None
) -> Product:
    extra = "" if imprecise is None else f", max_num_imprecise_acc={imprecise}"
    label = f"tl.dot {tile[0]} x {tile[1]} {a} -> {out}{extra}"
    return Product(label, a, b, M, N, K, partial(_dot, a, b, tile, out, imprecise), found)


def _dot(
    a_type: str, b_type: str, tile: tuple[int, int], out: str, imprecise: int | None, a: NDArray[Any], b: NDArray[Any]
) -> NDArray[Any]:
    (m, k), n = a.shape, b.shape[1]
    left, right = tensor(a, a_type), tensor(b.T, b_type)
    result = torch.empty((m, n), dtype={**TYPES, "int32": torch.int32}[out], device="cuda")
    kind = {"float32": tl.float32, "float16": tl.float16, "int32": tl.int32}[out]
    grid = (m // tile[0], n // tile[1])
    depth = 64 if a_type != "float32" else 32
    dot_kernel[grid](left, right, result, m, n, k, *tile, depth, kind, imprecise, num_warps=4)  # type: ignore[index]
    return codes(result)
