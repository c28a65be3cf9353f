"""The Mosaic kernel for Hopper's FP8 product on an H100: every bit against golden models and the chip, and its speed.

    PYTHONPATH=. python benchmarks/hardware_matmul.py --out benchmarks/records/h100_matmul.json

1. small products of every pair of formats and five families of operands, with C, against `reference.matmul`;
2. ``--size`` cubed: a block of 64 x 128 results against `reference.matmul`, and every result against the chip itself
   (``torch._scaled_mm``, fast accumulation) and against mmaemu's CUDA kernel, where those are installed;
3. a program without the stretch of its operands, and one changed code, which must be noticed;
4. MAC/s of each variant of the kernel alone and of the whole call, with mmaemu's kernel in the same run.

Exit status: 0 all equal and all faults noticed, 1 not, 2 no GPU. ``--interpret`` walks 1 and 3 on NumPy lanes.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # torch lives on the same card

import jax
import jax.numpy as jnp
import numpy as np
import record
from clock import elapsed, say

import formats
import reference
from kernels_ref.mosaic_matmul import Variant, layout, matmul, operands
from kernels_ref.mosaic_matmul.kernel import kernel
from reference.matmul import matmul as golden

PAIRS = list(itertools.product(("e4m3", "e5m2"), repeat=2))
FAMILIES = ("any", "near one", "tiny", "zeros and extremes", "cancelling")
TOP = {"e4m3": 0x7E, "e5m2": 0x7B}
ONE = {"e4m3": 0x38, "e5m2": 0x3C}
Words = np.ndarray[Any, np.dtype[np.uint32]]


def main() -> int:
    options = arguments()
    if jax.default_backend() != "gpu" and not options.interpret:
        say(f"no GPU: the backend is {jax.default_backend()}; --interpret runs a small part without one")
        return 2
    say(str(jax.devices()[0].device_kind))
    small = check_small(options)
    faults = planted_faults(options)
    content: dict[str, Any] = {"small": small, "planted_faults_noticed": faults, "interpreted": options.interpret}
    compared = [small]
    if not options.interpret:
        content["large"], content["speed"] = large(options)
        compared += [part for part in content["large"].values() if isinstance(part, dict)]
    holds = all(part["mismatches"] == 0 for part in compared) and all(faults.values())
    content = {"holds": holds, **content, "seed": options.seed, "seconds": round(elapsed())}
    record.write(options.out, content)
    say(f"{'HOLDS' if holds else 'FAILS'}: {sum(part['outputs'] for part in compared):,} results compared")
    return 0 if holds else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the record, JSON")
    parser.add_argument("--size", type=int, default=4096, help="M = N = K of the large product")
    parser.add_argument("--small", type=int, nargs=3, default=(128, 512, 256), help="M, K, N of the small ones")
    parser.add_argument("--variants", nargs="+", default=["2:8", "3:8", "2:16"], help="stages:unroll, timed in turn")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of 5 calls; the median counts")
    parser.add_argument("--seconds", type=float, default=120, help="start no further comparison after this time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--interpret", action="store_true", help="no GPU: NumPy lanes, slow")
    return parser.parse_args()


def name_of(pair: tuple[str, str]) -> str:
    return f"hopper.wgmma.k32.f32.{pair[0]}.{pair[1]}"


def codes(rng: np.random.Generator, shape: tuple[int, int], fmt: str, family: str) -> np.ndarray:
    """Finite codes of either sign."""
    top = TOP[fmt]
    magnitude: Any
    match family:
        case "any":
            magnitude = rng.integers(0, top + 1, shape)
        case "near one":
            magnitude = np.clip(rng.normal(ONE[fmt], 6, shape), 0, top).astype(int)
        case "tiny":
            magnitude = rng.integers(0, 12, shape)
        case "zeros and extremes":
            magnitude = rng.choice([0, 0, 0, 0, 1, ONE[fmt], top], shape)
        case _:
            magnitude = rng.choice([top, top - 1, 3, ONE[fmt]], shape)
    return (magnitude | rng.integers(0, 2, shape) << 7).astype(np.uint8)


def words_of_c(rng: np.random.Generator, shape: tuple[int, int]) -> Words:
    """Half any word at all, half normal values over 70 binades."""
    c = (rng.standard_normal(shape) * 2.0 ** rng.integers(-45, 25, shape)).astype(np.float32).view(np.uint32)
    any_word = rng.integers(0, 1 << 32, shape, dtype=np.uint64).astype(np.uint32)
    return np.where(rng.random(shape) < 0.5, any_word, c)


def small_operands(case: tuple[tuple[str, str], str], index: int, options: argparse.Namespace) -> tuple[Any, ...]:
    (m, k, n), (pair, family) = options.small, case
    rng = np.random.default_rng([options.seed, index])
    a, b = codes(rng, (m, k), pair[0], family), codes(rng, (k, n), pair[1], family)
    return a, b, words_of_c(rng, (m, n))


def check_small(options: argparse.Namespace) -> dict[str, Any]:
    """Kernel against `reference.matmul`, with C."""
    m, k, n = options.small
    cases = list(itertools.product(PAIRS, FAMILIES))
    inputs = [small_operands(case, i, options) for i, case in enumerate(cases)]
    failures: dict[str, int] = {}
    with ThreadPoolExecutor(12) as pool:  # the golden model on the CPU, the kernel beside it
        expected = [
            pool.submit(golden, *x, accumulator=name_of(case[0])) for x, case in zip(inputs, cases, strict=True)
        ]
        for (pair, family), x, want in zip(cases, inputs, expected, strict=True):
            got = np.asarray(matmul(*x, accumulator=name_of(pair), interpret=options.interpret))
            wrong = int((got != want.result()).sum())
            if wrong:
                failures[f"{pair[0]} {pair[1]}, {family}"] = wrong
    say(f"small products: {len(cases)} of {m} x {k} x {n}, failures {failures or 'none'}")
    return {
        "outputs": len(cases) * m * n,
        "mismatches": sum(failures.values()),
        "failures": failures,
        "shape": [m, k, n],
    }


def planted_faults(options: argparse.Namespace) -> dict[str, bool]:
    """Whether the comparison sees a result that is wrong on purpose."""
    m, k, n = options.small
    rng = np.random.default_rng([options.seed, 1000])
    a, b = codes(rng, (m, k), "e4m3", "near one"), codes(rng, (k, n), "e4m3", "near one")
    want = golden(a, b, accumulator=name_of(PAIRS[0]))
    zero = np.zeros((m, n), np.uint32)
    changed = a.copy()
    changed[5, 7] ^= 0x81
    exact = jnp.matmul(*(jnp.asarray(reference.decode(x, "float8_e4m3fn")) for x in (a, b)), precision="highest")
    subjects = {
        "one code": np.asarray(matmul(changed, b, zero, accumulator=name_of(PAIRS[0]), interpret=options.interpret)),
        "float32 sums": np.asarray(exact).view(np.uint32),
        "no stretch": without_stretch(a, b, options.interpret),
    }
    noticed = {what: bool((got != want).any()) for what, got in subjects.items()}
    say(f"planted faults noticed: {noticed}")
    return noticed


def without_stretch(a: np.ndarray, b: np.ndarray, interpret: bool) -> Words:
    """The kernel fed operands that are not stretched: negative multiples of the unit come out one too high."""
    stretched = operands.STRETCH
    operands.table.cache_clear()
    operands.STRETCH = 1.0
    try:
        padded = np.pad(a, ((0, layout.ROWS), (0, 0)))  # another shape, so that it is compiled anew
        result = matmul(padded, b, accumulator=name_of(PAIRS[0]), interpret=interpret)
        return np.asarray(result)[: len(a)]
    finally:
        operands.STRETCH = stretched
        operands.table.cache_clear()


def large(options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Equality and speed at size^3."""
    size = options.size
    rng = np.random.default_rng([options.seed, 2000])
    a, b = codes(rng, (size, size), "e4m3", "near one"), codes(rng, (size, size), "e4m3", "near one")
    on_device = jnp.asarray(a), jnp.asarray(b)
    got = np.asarray(matmul(*on_device, accumulator=name_of(PAIRS[0])))
    speed: dict[str, Any] = {"unit": f"MAC/s at {size}^3, median of {options.rounds} rounds of 5 calls"}
    speed["whole call"] = rate(lambda: matmul(*on_device, accumulator=name_of(PAIRS[0])), options)
    say(f"{size}^3, codes to codes: {speed['whole call']:.4g} MAC/s")
    for text in options.variants:
        stages, unroll = (int(x) for x in text.split(":"))
        variant = Variant(stages=stages, unroll=unroll)
        speed[f"stages {stages}, unroll {unroll}"] = attempt(lambda v=variant: time_variant(a, b, got, v, options))
    rows, columns = rng.choice(size, 64, replace=False), rng.choice(size, 128, replace=False)
    want = golden(a[rows], b[:, columns], accumulator=name_of(PAIRS[0]))
    equal: dict[str, Any] = {"reference.matmul": differing(got[np.ix_(rows, columns)], want)}
    say(f"reference.matmul: {equal['reference.matmul']}")
    equal["torch._scaled_mm"] = attempt(lambda: differing(got, chip(a, b)))
    say(f"torch._scaled_mm: {equal['torch._scaled_mm']}")
    peer: Any = attempt(lambda: mmaemu(a, b, options))
    if isinstance(peer, str):
        speed["mmaemu"] = peer
    else:
        speed["mmaemu"], theirs = peer
        equal["mmaemu"] = differing(got, theirs)
    say(f"mmaemu: {speed['mmaemu']}, {equal.get('mmaemu')}")
    for pair, family in (
        (("e4m3", "e5m2"), "near one"),
        (("e5m2", "e4m3"), "any"),
        (PAIRS[0], "any"),
        (PAIRS[0], "tiny"),
        (PAIRS[0], "cancelling"),
    ):
        if elapsed() > options.seconds:
            break
        what = f"torch._scaled_mm, {pair[0]} {pair[1]}, {family}"
        equal[what] = attempt(lambda p=pair, f=family: compare_with_chip(rng, size, p, f))
        say(f"{what}: {equal[what]}")
    return equal, speed


def attempt(work: Callable[[], Any]) -> Any:
    """The result, or what went wrong in words: one part's failure must not lose the others."""
    try:
        return work()
    except Exception as error:
        return f"not run: {type(error).__name__}: {str(error)[:400]}"


def differing(got: Words, want: Words) -> dict[str, int]:
    return {"outputs": got.size, "mismatches": int((got != want).sum())}


def time_variant(a: np.ndarray, b: np.ndarray, got: Words, variant: Variant, options: argparse.Namespace) -> Any:
    """MAC/s of the kernel on words already laid out."""
    size = options.size
    fmt: Any = formats.get("float8_e4m3fn")
    weights = operands.weights_for(fmt, fmt)
    left = jax.jit(lambda x: operands.left(x, operands.table(fmt, weights, left=True)))(a)
    right = jax.jit(lambda x: operands.right(x.T, operands.table(fmt, weights, left=False)))(b)
    rows, columns = size // layout.ROWS, size // layout.COLUMNS
    start = jnp.zeros((rows, columns, layout.ROWS * layout.COLUMNS), jnp.float32)
    run = jax.jit(kernel(rows, columns, size // layout.DEPTH, weights, variant))
    alone = rate(lambda: run(left, right, start), options)
    tiles = operands.from_tiles(run(left, right, start))
    wrong = int((np.asarray(tiles).view(np.uint32) != got).sum())
    say(f"{variant}: kernel {alone:.4g} MAC/s, {wrong} results unlike the whole call's")
    return {"kernel": alone, "unlike_the_whole_call": wrong}


def rate(call: Callable[[], jax.Array], options: argparse.Namespace) -> float:
    call().block_until_ready()
    seconds: list[float] = []
    for _ in range(options.rounds):
        start = time.perf_counter()
        for _ in range(5):
            result = call()
        result.block_until_ready()
        seconds.append((time.perf_counter() - start) / 5)
    return float(f"{options.size**3 / statistics.median(seconds):.4g}")


def torch_operands(a: np.ndarray, b: np.ndarray, pair: tuple[str, str]) -> tuple[Any, Any, Any]:
    """torch, a (M, K) and b as (N, K), on the GPU."""
    import torch

    dtypes = {"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}
    left = torch.from_numpy(a).cuda().view(dtypes[pair[0]])
    right = torch.from_numpy(np.ascontiguousarray(b.T)).cuda().view(dtypes[pair[1]])
    return torch, left, right


def chip(a: np.ndarray, b: np.ndarray, pair: tuple[str, str] = PAIRS[0]) -> Words:
    """cuBLAS on the tensor cores: one chain of wgmma."""
    torch, left, right = torch_operands(a, b, pair)
    one = torch.ones((), device="cuda")
    result = torch._scaled_mm(left, right.t(), one, one, out_dtype=torch.float32, use_fast_accum=True)
    return result.cpu().numpy().view(np.uint32)


def compare_with_chip(rng: np.random.Generator, size: int, pair: tuple[str, str], family: str) -> dict[str, int]:
    a, b = codes(rng, (size, size), pair[0], family), codes(rng, (size, size), pair[1], family)
    return differing(np.asarray(matmul(a, b, accumulator=name_of(pair))), chip(a, b, pair))


def mmaemu(a: np.ndarray, b: np.ndarray, options: argparse.Namespace) -> tuple[dict[str, Any], Words]:
    """The peer's CUDA kernel: its speed and its results."""
    import mmaemu

    torch, left, right = torch_operands(a, b, PAIRS[0])

    def call() -> Any:
        return mmaemu.accumulate(left, right, use_fast_accum=True, splitk=1, profile="hopper")

    result = call()
    torch.cuda.synchronize()
    seconds: list[float] = []
    for _ in range(options.rounds):
        start = time.perf_counter()
        for _ in range(5):
            call()
        torch.cuda.synchronize()
        seconds.append((time.perf_counter() - start) / 5)
    speed = float(f"{options.size**3 / statistics.median(seconds):.4g}")
    return {"whole_call": speed, "version": mmaemu.__version__}, result.cpu().numpy().view(np.uint32)


if __name__ == "__main__":
    raise SystemExit(main())
