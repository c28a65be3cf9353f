"""Speed of requantisation in JAX as ratios to XLA's bare int32 -> int8 conversion, measured in the same run.

    python benchmarks/requantise.py                 # two minutes
    python benchmarks/requantise.py --seconds 5 --record benchmarks/records/cpu_requantise.json

The bare conversion is ``jit(lambda x: x.astype(int8))`` on as many int32 as there are accumulators: it reads and writes
each once. There are 2^22, of a size that fills the range of int8: with one multiplier, and with one for each of 1024
channels along the last axis. Two more rows have ratios for which a product in binary64 is inexact, where HAWQ-V3's and
I-BERT's models take the long way. ``--strict`` makes the exit status 1 if a ratio misses its target.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from targets import Result, conclude, heard, parser, show
from timing import side_by_side

from formats.integer_only.requantisers import requantisers
from kernels_ref.integer.requantise import requantise

CHANNELS = 1024
SHAPE = ((1 << 22) // CHANNELS, CHANNELS)
RATIO = 0.007247427341846
#: of a magnitude where the products of accumulators that do not saturate pass 2^53
SMALL_RATIO = RATIO / 1024
TARGET = 0.4
AGAINST = "XLA int32 -> int8"


def main() -> int:
    options = parser(__doc__, seconds=2.0).parse_args()
    results = list(heard(measurements(options)))
    show(results, "requantisation on this CPU")
    return conclude(results, options, {})


def measurements(options: argparse.Namespace) -> Iterator[Result]:
    for name in requantisers():
        yield from measured(name, RATIO, "", options)
    for name in ("hawq_v3_pytorch", "ibert"):
        yield from measured(name, SMALL_RATIO, " small ratio", options)


def measured(name: str, ratio: float, note: str, options: argparse.Namespace) -> Iterator[Result]:
    """One multiplier, and one for each channel, of about the same size."""
    bare = jax.jit(lambda x: x.astype(jnp.int8))
    wanted = {"one": ratio, "channels": (ratio * np.linspace(0.9, 1.1, CHANNELS)).tolist()}
    furthest = min(int(128 / ratio), (1 << 31) - 1)
    x = jnp.asarray(np.random.default_rng(0).integers(-furthest, furthest, SHAPE, dtype=np.int32))
    runs = {"bare": lambda: bare(x).block_until_ready()}
    for what, ratios in wanted.items():
        run = jax.jit(lambda x, ratios=ratios: requantise(x, ratios, rule=name, fmt="int8", zero_point=3))
        runs[what] = lambda run=run: run(x).block_until_ready()
    best = side_by_side(runs, seconds=options.seconds)
    for what in wanted:
        yield Result(f"{name}{note}, {what}", AGAINST, best["bare"] / best[what], TARGET)


if __name__ == "__main__":
    raise SystemExit(main())
