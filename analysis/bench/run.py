"""A benchmark on this machine's GPU: ceilings first, then each kernel beside its rivals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from analysis.bench import measured, torch_calls
from analysis.bench.plan import Case
from analysis.evidence import driver, provenance
from kernels_ref.contracts import Shape

#: elements of the copy: 2 GiB read and written
COPIED = 1 << 29
#: of the product whose rate is the matrix unit's ceiling
CUBE = Shape(m=8192, n=8192, k=8192)
PACKAGES = ("jax", "jaxlib", "numpy", "ml_dtypes", "torch", "triton")

Row = dict[str, Any]
Say = Callable[[str], None]


def require_gpu() -> None:
    """``OSError`` that says what is missing, where JAX has no NVIDIA GPU."""
    if jax.default_backend() != "gpu" or driver() is None:
        raise OSError(
            f"kernels are timed on an NVIDIA GPU; JAX has the backend {jax.default_backend()!r} here. --dry-run lists"
            " what would be measured. On a GPU machine: pip install 'jax[cuda13]>=0.11.2'"
        )


def run(cases: Sequence[Case], *, with_peers: bool, say: Say = print) -> dict[str, Any]:
    """The record: where and with what, and a row for each ceiling, kernel and rival.

    A kernel that fails is a row with ``not_run`` in place of times. Raises ``OSError`` without a GPU.
    """
    require_gpu()
    shapes = list(dict.fromkeys(case.shape for case in cases if case.operations))
    rows: list[Row] = []
    for what, work in [*_ceilings(), *_rivals(shapes, with_peers), *_kernels(cases)]:
        say(what)
        rows += attempt(what, work)
    return {**provenance(PACKAGES), "rows": rows}


def attempt(what: str, work: Callable[[], Any]) -> list[Row]:
    """The rows of some work, or one that says what went wrong: the others are measured all the same.

    >>> attempt("a product", lambda: 1 / 0)
    [{'what': 'a product', 'not_run': 'ZeroDivisionError: division by zero'}]
    """
    try:
        found = work()
    except Exception as error:
        return [{"what": what, "not_run": f"{type(error).__name__}: {error}"[:500]}]
    return found if isinstance(found, list) else [found]  # pyright: ignore[reportUnknownVariableType]


def _ceilings() -> list[tuple[str, Callable[[], Any]]]:
    kinds = ("bfloat16", "float8_e4m3fn", "int8")
    cubes = [(f"XLA {dtype} {CUBE.m}^3", lambda dtype=dtype: measured.xla(dtype, CUBE)) for dtype in kinds]
    return [("copy and read", lambda: measured.ceilings(COPIED)), *cubes]


def _rivals(shapes: Sequence[Shape], with_peers: bool) -> list[tuple[str, Callable[[], Any]]]:
    found = [(f"XLA bfloat16 M={shape.m}", lambda shape=shape: measured.xla("bfloat16", shape)) for shape in shapes]
    names = torch_calls.peers() if with_peers else {}
    more = [
        (f"{name} M={shape.m}", lambda name=name, shape=shape: measured.peer(name, shape))
        for name in names
        for shape in shapes
    ]
    return [*found, *more]


def _kernels(cases: Sequence[Case]) -> list[tuple[str, Callable[[], Any]]]:
    return [
        (f"{case.name} M={case.shape.m}", lambda case=case: measured.kernel(case.name, case.shape, way=case.way))
        for case in cases
    ]
