"""Speed of packing in JAX as ratios to XLA's bare uint8 -> uint8 pass, measured in the same run.

    python benchmarks/packing.py                 # a minute
    python benchmarks/packing.py --seconds 5 --record benchmarks/records/cpu_packing.json

The bare pass is ``jit(lambda c: c ^ 1)`` on as many uint8 as there are codes: it reads and writes each once. Counts
are 2^22 and 2^24, in base 3 the multiples of 5 * 2^12 below: XLA shares a loop among its threads only where the
number of its turns divides well. ``--strict`` makes the exit status 1 if a ratio misses its target.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from targets import Result, conclude, heard, parser, show
from timing import side_by_side

import formats
import kernels_ref
import reference

LAYOUTS = ("4bit_low_first", "4bit_high_first", "6bit_high_first", "2bit_low_first", "ternary_base3")
SIZES = (1 << 22, 1 << 24)
TARGET = 0.4


def main() -> int:
    options = parser(__doc__, seconds=3.0).parse_args()
    results = list(heard(measurements(options)))
    show(results, "packing on this CPU")
    return conclude(results, options, {})


def measurements(options: argparse.Namespace) -> Iterator[Result]:
    bare = jax.jit(lambda c: c ^ 1)
    for size in SIZES:
        for name in LAYOUTS:
            host = codes_for(name, size)
            codes, words = jnp.asarray(host), jnp.asarray(reference.pack(host, name))
            pack = jax.jit(lambda c, name=name: kernels_ref.pack(c, name))
            unpack = jax.jit(lambda w, name=name: kernels_ref.unpack(w, name))
            runs = {
                "bare": lambda codes=codes: bare(codes).block_until_ready(),
                "pack": lambda codes=codes, pack=pack: pack(codes).block_until_ready(),
                "unpack": lambda words=words, unpack=unpack: unpack(words).block_until_ready(),
            }
            best = side_by_side(runs, seconds=options.seconds)
            for verb in ("pack", "unpack"):
                what = f"{verb} {name} {len(host)}"
                yield Result(what, "XLA uint8 -> uint8", best["bare"] / best[verb], TARGET)


def codes_for(name: str, size: int) -> np.ndarray:
    drawn = np.random.default_rng(0).integers(0, 1 << formats.layout(name).code_bits, size, dtype=np.uint8)
    return np.where(drawn == 2, 0, drawn)[: size // 20480 * 20480].astype(np.uint8) if "ternary" in name else drawn


if __name__ == "__main__":
    raise SystemExit(main())
