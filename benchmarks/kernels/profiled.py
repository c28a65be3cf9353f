"""The process that is profiled: kernels compiled and run once, then each launched once inside a range of its own."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

import jax
import numpy as np
from clock import elapsed, say

from analysis.bench import kernel_calls
from analysis.bench.plan import Case, plan
from analysis.evidence import provenance
from kernels.times import PACKAGES
from kernels_ref.contracts import Operation, Shape, contract

_JAX: Any = jax

#: what is profiled unless something else is asked for
KERNELS = (
    "w4a16_g128", "mxfp4_e4m3", "nvfp4_e4m3", "fp6_e3m2_bf16", "ternary_int8", "w4a8_qqq_g128", "w8a8_int8",
    "quantise_int4_g128_bfloat16", "quantise_mxfp4_bfloat16", "quantise_nvfp4_bfloat16",
    "encode_float8_e4m3fn_bfloat16",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One kernel at one shape."""

    label: str
    case: Case

    def to_json(self) -> dict[str, Any]:
        """Contract, kernel, sizes, and the bytes that have to move."""
        return {
            "what": self.case.name,
            "way": self.case.way,
            **asdict(self.case.shape),
            "bytes": self.case.bytes,
            "operations": self.case.operations,
        }


def subjects(patterns: Sequence[str], shapes: Sequence[Shape], plane: Shape, way: str | None) -> list[Subject]:
    """Kernels whose contracts match a pattern; the first one written for GPUs of each, or those that ``way`` matches.

    Raises ``ValueError`` where nothing matches.
    """
    cases = dict.fromkeys(case for pattern in patterns for case in plan(pattern, shapes, plane=plane))
    chosen = [case for case in cases if _is_chosen(case, way)]
    if not chosen:
        raise ValueError(f"no kernel of {', '.join(patterns)} is called {way!r}")
    return [Subject(label=_label(case, way), case=case) for case in chosen]


def _is_chosen(case: Case, way: str | None) -> bool:
    ways = contract(case.name).kernels
    return case.way == ways[min(1, len(ways) - 1)] if way is None else fnmatchcase(case.way, way)


def _label(case: Case, way: str | None) -> str:
    product = contract(case.name).operation is Operation.SCALED_PRODUCT
    size = f" M={case.shape.m}" if product else ""
    return f"{case.name}{size}" + ("" if way is None else f" {case.way.removeprefix('kernels_ref.')}")


def profile(chosen: Sequence[Subject], *, until: float) -> dict[str, Any]:
    """Launch each subject once, in order, each after a marker; what was launched, and what could not be.

    All are compiled before the first is launched, and each runs once unseen: ranges hold a marker and a subject alone.
    No subject is begun later than ``until`` seconds after this process.
    """
    mark = _marker()
    mark()
    with ThreadPoolExecutor(4) as pool:
        ahead = [pool.submit(_prepared, subject) for subject in chosen]
    launched: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for subject, future in zip(chosen, ahead, strict=True):
        row = {"label": subject.label, **subject.to_json()}
        try:
            if elapsed() > until:
                raise TimeoutError(f"not begun within {until:.0f} s")
            call = _warm(future)
        except Exception as error:
            say(f"{subject.label}: {type(error).__name__}: {error}"[:300])
            failed.append(row | {"not_run": f"{type(error).__name__}: {error}"[:500]})
            continue
        with profiled():
            mark()
            _JAX.block_until_ready(call())
        launched.append(row)
        say(f"{subject.label}: launched")
    return {**provenance(PACKAGES), "launched": launched, "failed": failed}


def _prepared(subject: Subject) -> kernel_calls.Prepared:
    case = subject.case
    claim = kernel_calls.cut(contract(case.name), case.shape, case.way)
    prepared = kernel_calls.prepared(claim, case.shape, way=case.way)
    say(f"{subject.label}: compiled")
    return prepared


def _warm(future: Future[kernel_calls.Prepared]) -> kernel_calls.Call:
    """A call on operands that no call before it has had in the cache, after one on others."""
    first, second = future.result().calls(2)
    _JAX.block_until_ready(first())
    return second


def _marker() -> kernel_calls.Call:
    """A kernel of one element, like no other: the profiler's table has no other sign of where a subject begins."""
    count = _JAX.jit(_JAX.lax.population_count)
    one = _JAX.numpy.asarray(np.ones(1, np.uint8))
    return lambda: _JAX.block_until_ready(count(one))


@contextmanager
def profiled() -> Iterator[None]:
    """What the profiler sees, if it is told to see nothing from the start."""
    driver = ctypes.CDLL("libcuda.so.1")
    _enter(driver)
    _checked(driver.cuProfilerStart())
    try:
        yield
    finally:
        _checked(driver.cuProfilerStop())


def _enter(driver: ctypes.CDLL) -> None:
    """The primary context of the first GPU, which JAX works in, for this thread."""
    context = ctypes.c_void_p()
    _checked(driver.cuInit(0))
    _checked(driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0))
    _checked(driver.cuCtxSetCurrent(context))


def _checked(status: int) -> None:
    if status:
        raise OSError(f"the CUDA driver returned {status}")
