"""How long a product that streams its weights takes to load them: the same kernel without decoding and multiplying.

    PYTHONPATH=. python benchmarks/load_rate.py --out benchmarks/records/h200_load_rate.json

The kernel of `kernels_ref.hopper.streaming` loads all units of N = 28672 and K = 8192 by TMA, gives each back at once,
and writes results of zeros, parts of K joined; the kernel as it is runs beside it, and XLA's largest element of as many
bytes, a plain read. Weights are rotated past the L2. Exit status: 0 measured, 2 no GPU; ``--list`` needs none.
"""

from __future__ import annotations

import math
from typing import Any
from unittest import mock

import by_batch
from clock import say

from analysis.bench import measured, xla_calls
from analysis.bench.timing import timed
from formats.products import scaled_products
from kernels_ref.contracts import Shape
from kernels_ref.contracts.products import STREAMED
from kernels_ref.hopper.streaming import Body

#: those of the table in docs/bench.md whose weights have few bits
PRODUCTS = (
    "w4a16_g128",
    "w4a8_qqq_g128",
    "w4a8_qqq_channel",
    "mxfp4_e4m3",
    "nvfp4_e4m3",
    "fp6_e3m2_bf16",
    "ternary_int8",
)
TOKENS = (1, 16, 64)
N, K = 28672, 8192


def rated(name: str, tokens: int) -> dict[str, Any]:
    """A row of the record; times in microseconds."""
    shape = Shape(m=tokens, n=N, k=K)
    whole = measured.prepared_kernel(name, shape, way=STREAMED)
    with mock.patch.object(Body, "unit", _untouched):
        loading = measured.prepared_kernel(name, shape, way=STREAMED)
    row = whole()
    times = {"kernel": row["median"], "loading": loading()["median"], "read": _read(row["bytes"])}
    say(f"{name} M={tokens}: " + ", ".join(f"{what} {time:.1f} us" for what, time in times.items()))
    return {"what": name, "m": tokens, "bytes": row["bytes"], **times}


def _untouched(_: Body, refs: dict[str, Any], warpgroup: Any, carry: Any) -> Any:
    return carry


def _read(size: int) -> float:
    calls = [xla_calls.read_call(math.ceil(size / 4)) for _ in range(measured.buffers(size))]
    return round(timed(calls).median, 3)


if __name__ == "__main__":
    raise SystemExit(by_batch.run("load_rate", __doc__, rated, PRODUCTS, TOKENS, known=scaled_products(), n=N, k=K))
