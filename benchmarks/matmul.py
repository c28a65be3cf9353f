"""Speed of the golden matrix product in JAX, against peers and ceilings measured in the same run.

    python benchmarks/matmul.py                                          # about 2 minutes on two cores
    python benchmarks/matmul.py --record benchmarks/records/cpu_matmul.json

256 x 2048 times 2048 x 512, normal operands. Peers: mmaemu's reference for FP8 on Hopper, where torch and mmaemu are
installed, and XLA's own int8 dot, which wraps. Where no peer does the same, the target is a number of multiply-adds a
second. Both are shortest wall times of interleaved turns. ``--strict`` makes the exit status 1 if a target is missed.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table
from targets import Result, conclude, parser
from timing import side_by_side

import formats
import reference
from kernels_ref.matmul import matmul

M, K, N = 256, 2048, 512
MILLION = 1e6
FP8 = "hopper.wgmma.k32.f32.e4m3.e4m3"


@dataclass(frozen=True, kw_only=True)
class Rate(Result):
    #: million multiply-adds a second
    rate: float


def main() -> int:
    options = parser(__doc__, seconds=8.0).parse_args()
    results: list[Rate] = []
    for result in measurements(options.seconds):
        results.append(result)
        print(f"{result.what:46} {result.rate:8.0f} MMAC/s {result.ratio:6.2f} of {result.against}", file=sys.stderr)
    show(results)
    return conclude(results, options, {"M": M, "K": K, "N": N})


def measurements(seconds: float) -> Iterator[Rate]:
    yield from fp8(seconds)
    yield from int8(seconds)
    for name, pair, target in (
        ("hopper.wgmma.k32.f32.e5m2.e5m2", None, 300),
        ("hopper.mma.m16n8k32.f32.e4m3.e4m3", None, 300),
        ("hopper.wgmma.k16.f32.bf16", None, 300),
        ("hopper.wgmma.k16.f32.f16", None, 300),
        ("hopper.wgmma.k16.f16.f16", None, 300),
        ("exact.f32", ("float8_e4m3fn", "float8_e4m3fn"), 300),
        ("exact.f32", ("float8_e5m2", "float8_e5m2"), 300),
        ("exact.f32", ("bfloat16", "bfloat16"), 0),
        ("fma.f32", ("float16", "float16"), 0),
    ):
        yield absolute(name, pair, target, seconds / 4)


def fp8(seconds: float) -> Iterator[Rate]:
    """Hopper's FP8 product, one chain and promoted every 128, against mmaemu."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mmaemu
            import torch
    except ImportError:
        print("mmaemu or torch is missing: FP8 without its peer", file=sys.stderr)
        yield from (absolute(name, None, 300, seconds / 4) for name in (FP8, f"{FP8}.promote128"))
        return
    a, b = operands(FP8, None)
    x, y = (torch.from_numpy(np.ascontiguousarray(v)).view(torch.float8_e4m3fn) for v in (a, np.asarray(b).T))
    for name, fast in ((FP8, True), (f"{FP8}.promote128", False)):
        runs = {
            "ours": ours(name, None, a, b),
            "mmaemu": lambda fast=fast: mmaemu.accumulate(x, y, use_fast_accum=fast, splitk=1),
        }
        best = side_by_side(runs, seconds=seconds)
        yield Rate(
            what=name,
            rate=rate(best["ours"]),
            against="mmaemu.accumulate",
            ratio=best["mmaemu"] / best["ours"],
            target=3,
        )


def int8(seconds: float) -> Iterator[Rate]:
    """Integer sums against XLA's int8 dot."""
    pair = ("int8", "int8")
    for name, target in (("int32.wrap", 0.5), ("hopper.wgmma.k32.s32.s8.s8", 0.5), ("int32.sat_finite", 0.5)):
        a, b = operands(name, pair)
        x, y = (jnp.asarray(codes.view(np.int8)) for codes in (a, b))
        bare = jax.jit(lambda x, y: jnp.matmul(x, y, preferred_element_type=jnp.int32))
        runs = {"ours": ours(name, pair, a, b), "xla": lambda x=x, y=y, bare=bare: bare(x, y).block_until_ready()}
        best = side_by_side(runs, seconds=seconds / 2)
        yield Rate(
            what=name,
            rate=rate(best["ours"]),
            against="XLA int8 dot",
            ratio=best["xla"] / best["ours"],
            target=target,
        )


def absolute(name: str, pair: tuple[str, str] | None, target: float, seconds: float) -> Rate:
    best = side_by_side({"ours": ours(name, pair, *operands(name, pair))}, seconds=seconds)
    found = rate(best["ours"])
    what = name if pair is None else f"{name} {pair[0]} {pair[1]}"
    return Rate(
        what=what,
        rate=found,
        against=f"{target or 1} million multiply-adds a second",
        ratio=found / (target or 1),
        target=bool(target),
    )


def operands(name: str, pair: tuple[str, str] | None) -> tuple[np.ndarray, np.ndarray]:
    """Codes of normal numbers."""
    rule, rng = formats.accumulator(name), np.random.default_rng(0)
    specs = [formats.get(spec) for spec in pair] if pair else [rule.a, rule.b]
    found = []
    for spec, shape in zip(specs, ((M, K), (K, N)), strict=True):
        x = rng.standard_normal(shape, dtype=np.float32) * (40 if isinstance(spec, formats.IntSpec) else 1)
        found.append(reference.encode(x, spec, rounding="nearest_ties_to_even", saturation="sat_finite"))
    return found[0], found[1]


def ours(name: str, pair: tuple[str, str] | None, a: np.ndarray, b: np.ndarray) -> Callable[[], object]:
    x, y = jnp.asarray(a), jnp.asarray(b)
    stated = {"a_format": pair[0], "b_format": pair[1]} if pair else {}
    return lambda: matmul(x, y, accumulator=name, **stated).block_until_ready()


def rate(seconds: float) -> float:
    return M * K * N / seconds / MILLION


def show(results: list[Rate]) -> None:
    table = Table(title="golden matrix products on this CPU")
    table.add_column("what", overflow="fold")
    for name in ("MMAC/s", "ratio", "target", "against"):
        table.add_column(name)
    for r in results:
        measure = (f"{r.ratio:.2f}", f"{r.target:g}", r.against) if r.target else ("", "", "")
        table.add_row(r.what, f"{r.rate:.0f}", *measure, style="" if r.reached else "bold red")
    Console().print(table)


if __name__ == "__main__":
    raise SystemExit(main())
