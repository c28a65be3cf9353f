"""Rows of the record: one kernel, copy or product of another library, at one shape."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

from analysis.bench import kernel_calls, matrix_rate, torch_calls, xla_calls
from analysis.bench.cost import bfloat16_bytes, moved, operations
from analysis.bench.timing import timed
from kernels_ref.contracts import Shape, contract
from kernels_ref.contracts.products import STREAMED

#: bytes of weights that calls are rotated over: more than three times the L2 of a Hopper GPU
ROTATED = 192 << 20


def buffers(size: float) -> int:
    """How many operands of ``size`` bytes calls are rotated over: three at the least.

    >>> buffers(28672 * 8192 / 2), buffers(4096 * 4096 / 2)
    (3, 24)
    """
    return max(3, math.ceil(ROTATED / size))


def ceilings(elements: int) -> list[dict[str, Any]]:
    """Copy and read of float32 numbers, from a size that no cache holds."""
    copied, read = timed([xla_calls.copy_call(elements)] * 3), timed([xla_calls.read_call(elements)] * 3)
    return [
        {"what": "copy", "bytes": 8 * elements, **copied.to_json()},
        {"what": "read", "bytes": 4 * elements, **read.to_json()},
    ]


def xla(dtype: str, shape: Shape) -> dict[str, Any]:
    """XLA's product."""
    m, n, k = shape.m, shape.n, shape.k
    width = 2 if dtype == "bfloat16" else 1
    timing = timed(xla_calls.product_calls(dtype, m, n, k, buffers(n * k * width)))
    return {"what": f"XLA {dtype}", **_sizes(shape), "operations": 2 * m * n * k, **timing.to_json()}


def rates(batches: Iterable[int]) -> list[dict[str, Any]]:
    """The matrix unit alone, weights in registers, by operands and batch: `matrix_rate`."""
    rows: list[dict[str, Any]] = []
    for dtype in matrix_rate.DTYPES:
        for tokens in sorted({8 * math.ceil(m / 8) for m in batches}):
            timing = timed([matrix_rate.rate_call(dtype, tokens)])
            operations = matrix_rate.operations(tokens)
            rows.append({"what": f"wgmma {dtype}", "m": tokens, "operations": operations, **timing.to_json()})
    return rows


def peer(name: str, shape: Shape) -> dict[str, Any]:
    """A product of cuBLAS or Triton, through torch."""
    make, size = torch_calls.peers()[name], _peer_bytes(name, shape)
    calls = [make(shape.m, shape.n, shape.k) for _ in range(buffers(size))]
    timing = timed(calls, finish=torch_calls.wait)
    return {"what": name, **_sizes(shape), "operations": 2 * shape.m * shape.n * shape.k, **timing.to_json()}


def kernel(name: str, shape: Shape, *, way: str, variant: Any = None, interpret: bool = False) -> dict[str, Any]:
    """A kernel of a contract; ``way`` says which: see `kernel_calls.WAYS`."""
    return prepared_kernel(name, shape, way=way, variant=variant, interpret=interpret)()


def prepared_kernel(name: str, shape: Shape, *, way: str, variant: Any = None, interpret: bool = False) -> Any:
    """`kernel`, compiled; the call that it returns measures."""
    claim = kernel_calls.cut(contract(name), shape, way)
    size = moved(claim, shape)
    prepared = kernel_calls.prepared(claim, shape, way=way, variant=variant, interpret=interpret)

    def measure() -> dict[str, Any]:
        timing = timed(prepared.calls(2 if interpret else buffers(size)), least=2 if interpret else 21)
        row: dict[str, Any] = {"what": name, "way": way, **_sizes(shape), "variant": layout(variant)}
        if way == STREAMED and claim.split_k:
            row["split"] = dataclasses.asdict(claim.split_k)
        row["operand"] = claim.operands[0].format
        row |= {"bytes": size, "operations": operations(claim, shape), "bfloat16_bytes": bfloat16_bytes(shape)}
        return row | timing.to_json()

    return measure


def layout(variant: Any) -> str:
    """The fields of a layout that are not as by default.

    >>> from kernels_ref.hopper.dense_variant import DenseVariant
    >>> layout(DenseVariant(stages=3, cluster=1)), layout(None)
    ('stages=3, cluster=1', 'default')
    """
    if variant is None:
        return "default"
    usual = type(variant)()
    fields = [field.name for field in dataclasses.fields(variant)]
    changed = [name for name in fields if getattr(variant, name) != getattr(usual, name)]
    return ", ".join(f"{name}={getattr(variant, name)!r}" for name in changed) or "default"


def _sizes(shape: Shape) -> dict[str, int]:
    return {"m": shape.m, "n": shape.n, "k": shape.k}


def _peer_bytes(name: str, shape: Shape) -> float:
    width = 2 if "bfloat16" in name else 0.5 if "W4" in name else 1
    return shape.n * shape.k * width
