"""One small product through one kernel, before all else: a kernel that hangs is found in seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from analysis.bench import kernel_calls
from kernels.settings import Settings
from kernels.tiles import golden
from kernels_ref.contracts import Shape, contract, operands
from kernels_ref.contracts.products import DENSE, STREAMED

#: kind of the kernel -> its dotted name and a product of integers, whose sums no order changes
SUBJECTS = {"streamed": (STREAMED, "w8a8_int8"), "dense": (DENSE, "w8a8_int8")}


def prepared(kind: str, settings: Settings) -> Callable[[], Any]:
    """The kernel, compiled; the call compares it with NumPy's golden model."""
    way, name = SUBJECTS[kind]
    claim, shape = contract(name), Shape(m=16, n=min(settings.n, 640), k=min(settings.k, 1024))
    run = kernel_calls.several(
        claim, shape, way=way, variant=settings.variant(way), interpret=settings.interpret
    )  # fmt: skip

    def compare() -> dict[str, int]:
        drawn = operands(claim, shape, family="random", seed=settings.seed)
        wrong = np.asarray(run(run.pack(drawn))) != golden(claim, drawn, shape, None)
        return {"outputs": wrong.size, "mismatches": int(wrong.sum())}

    return compare
