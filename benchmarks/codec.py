"""Speed of encode and decode on this CPU, as ratios against peers and ceilings measured in the same run.

    python benchmarks/codec.py                # every registered format of at most 8 bits; about 20 minutes
    python benchmarks/codec.py --quick        # a few formats; about 2 minutes
    python benchmarks/codec.py --record benchmarks/records/cpu_codec.json

The peer is ml_dtypes' ``astype``; the ceilings are XLA's bare conversions float32 -> uint8 and uint8 -> float32, which
read and write the same bytes. ``--strict`` makes the exit status 1 if a ratio misses its target.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from targets import Result, conclude, heard, parser, show
from timing import side_by_side

import formats
import kernels_ref
import reference
from analysis.sweep import carry_out, cells
from formats import Rounding, Saturation

QUICK = ("float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float6_e3m2fn", "float4_e2m1fn", "Binary8p3se", "int8")
SMALL, LARGE = 1 << 20, 1 << 24
RNE: dict[str, Any] = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite", "nan": "zero"}


def main() -> int:
    options = arguments()
    names = QUICK if options.quick else tuple(n for n in formats.names() if formats.get(n).bits <= 8)
    results = list(heard(measurements(names, options)))
    show(results, "speed on this CPU")
    return conclude(results, options, {"quick": options.quick})


def arguments() -> argparse.Namespace:
    made = parser(__doc__, seconds=1.0)
    made.add_argument("--quick", action="store_true", help="a few formats instead of all")
    return made.parse_args()


def measurements(names: tuple[str, ...], options: argparse.Namespace) -> Iterator[Result]:
    yield from import_time()
    yield from every_float32("float8_e4m3fn")
    for name in names:
        yield from encode(name, SMALL, 40, options.seconds)
        yield from encode(name, LARGE, 20, options.seconds)
        yield from decode(name, SMALL, 20, options.seconds)
        yield from decode(name, LARGE, 4, options.seconds)
    for name in QUICK:
        yield from modes(name, options.seconds)
    for name in ("float8_e4m3fn", "float8_e5m2"):
        yield from golden(name, options.seconds)


def encode(name: str, size: int, over_peer: float, seconds: float) -> Iterator[Result]:
    host = normal(size)
    x = jnp.asarray(host)
    bare = jax.jit(lambda v: v.astype(jnp.uint8))
    runs = {"ours": lambda: done(kernels_ref.encode(x, name, **RNE)), "xla": lambda: done(bare(x))}
    if peer := narrow_float(name):
        runs["peer"] = lambda: host.astype(peer)
    best = side_by_side(runs, seconds=seconds)
    what = f"JAX encode {name} 2^{size.bit_length() - 1}"
    yield Result(what, "XLA float32 -> uint8", best["xla"] / best["ours"], 0.6)
    if peer:
        yield Result(what, "ml_dtypes astype", best["peer"] / best["ours"], over_peer)


def decode(name: str, size: int, over_peer: float, seconds: float) -> Iterator[Result]:
    host = np.random.default_rng(0).integers(0, 1 << formats.get(name).bits, size, dtype=np.uint8)
    codes = jnp.asarray(host)
    bare = jax.jit(lambda c: c.astype(jnp.float32))
    runs = {"ours": lambda: done(kernels_ref.decode(codes, name)), "xla": lambda: done(bare(codes))}
    if peer := narrow_float(name):
        runs["peer"] = lambda: host.view(peer).astype(np.float32)
    best = side_by_side(runs, seconds=seconds)
    what = f"JAX decode {name} 2^{size.bit_length() - 1}"
    yield Result(what, "XLA uint8 -> float32", best["xla"] / best["ours"], 0.75)
    if peer:
        yield Result(what, "ml_dtypes astype", best["peer"] / best["ours"], over_peer)


def modes(name: str, seconds: float) -> Iterator[Result]:
    """Every rounding mode against ties-to-even, inputs (and random bits) in cache."""
    x = jnp.asarray(normal(SMALL))
    bits = jnp.asarray(np.random.default_rng(1).integers(0, 1 << 16, SMALL, dtype=np.uint32))
    runs = {}
    for mode in Rounding:
        drawn = {"random_bits": bits, "random_bit_count": 16} if mode.is_stochastic else {}
        policy = {"rounding": mode, "saturation": Saturation.SAT_FINITE, "nan": "zero", **drawn}
        compiled = jax.jit(lambda v, policy=policy: kernels_ref.encode(v, name, **policy))
        runs[mode.value] = lambda compiled=compiled: done(compiled(x))
    best = side_by_side(runs, seconds=3 * seconds)
    for mode in list(Rounding)[1:]:
        ratio = best[Rounding.NEAREST_TIES_TO_EVEN.value] / best[mode.value]
        yield Result(f"JAX encode {name} {mode.value}", "ties to even", ratio, 0.5)


def golden(name: str, seconds: float) -> Iterator[Result]:
    """The NumPy golden model."""
    peer = narrow_float(name)
    x, codes = normal(SMALL), np.random.default_rng(0).integers(0, 256, SMALL, dtype=np.uint8)
    best = side_by_side(
        {
            "encode": lambda: reference.encode(x, name, **RNE),
            "decode": lambda: reference.decode(codes, name),
            "peer encode": lambda: x.astype(peer),
            "peer decode": lambda: codes.view(peer).astype(np.float32),
        },
        seconds=seconds,
    )
    for verb, target in (("encode", 1), ("decode", 3)):
        yield Result(f"NumPy {verb} {name} 2^20", "ml_dtypes astype", best[f"peer {verb}"] / best[verb], target)


def every_float32(name: str) -> Iterator[Result]:
    """All 2^32 inputs, JAX compared with the golden model, in one process a core: 15 s over the time it takes."""
    policy = (Rounding.NEAREST_TIES_TO_EVEN, Saturation.SAT_FINITE)
    halves = [cell for cell in cells("float32") if cell.fmt == name and (cell.rounding, cell.saturation) == policy]
    start = time.perf_counter()
    outcomes = [outcome for _, outcome, _ in carry_out(halves, jobs=2, heard=lambda cell, fraction: None)]
    elapsed = time.perf_counter() - start
    if sum(o.compared for o in outcomes) != 1 << 32 or any(o.mismatches for o in outcomes):
        raise SystemExit(f"{name}: {outcomes}")
    yield Result(f"all 2^32 float32 -> {name}, compared", f"15 s ({elapsed:.1f} s taken)", 15 / elapsed, 1)


def import_time() -> Iterator[Result]:
    """Importing `formats`, beyond the interpreter's own start: 30 ms over the time it takes."""
    program = "import time; s = time.perf_counter(); import formats; print(time.perf_counter() - s)"
    command = [sys.executable, "-c", program]
    cached = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def once() -> float:
        return float(subprocess.run(command, capture_output=True, text=True, check=True, env=cached).stdout)

    taken = min(once() for _ in range(20))
    yield Result("import formats", f"30 ms ({1e3 * taken:.1f} ms taken)", 0.030 / taken, 1)


def normal(size: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(size, dtype=np.float32)


def done(array: jax.Array) -> jax.Array:
    return array.block_until_ready()


def narrow_float(name: str) -> type | None:
    """ml_dtypes' scalar type for an FP8, FP6 or FP4 format, if it has one."""
    return getattr(ml_dtypes, name, None) if name.startswith("float") and formats.get(name).bits <= 8 else None


if __name__ == "__main__":
    raise SystemExit(main())
