"""Pallas for GPUs: the modules, and what differs between the versions of jax that have them."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Generator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import jax

#: the first jax whose Mosaic GPU has what the kernels need
OLDEST = (0, 11, 2)
_NUMBERS = itertools.count()


def is_available() -> bool:
    """Whether this jax has Mosaic GPU as the kernels need it."""
    return jax.__version_info__ >= OLDEST


def pallas() -> tuple[Any, Any]:
    """``jax.experimental.pallas.mosaic_gpu`` and ``jax.experimental.pallas``.

    Raises ``ImportError`` that says what is needed where jax is too old for them.
    """
    if not is_available():
        raise ImportError(
            f"Mosaic GPU kernels need jax >= {'.'.join(map(str, OLDEST))}, which needs Python >= 3.12; this is jax"
            f" {jax.__version__}. On a GPU machine: pip install 'jax[cuda13]>=0.11.2'"
        )
    return tuple(importlib.import_module(f"jax.experimental.{name}") for name in ("pallas.mosaic_gpu", "pallas"))  # pyright: ignore[reportReturnType]


def interpreter(interpret: bool) -> Any:
    """The argument ``interpret`` of a kernel: Pallas' GPU interpreter, or None for the GPU."""
    return pallas()[0].InterpretGPUParams() if interpret else None


def without_barriers() -> Any:
    """The argument ``compiler_params`` of a kernel whose threads share no memory: they do not wait for each other.

    Without it all threads of a thread block meet before and after whatever they store.
    """
    return pallas()[0].CompilerParams(unsafe_no_auto_barriers=True)


@contextmanager
def compiled_anew() -> Generator[None]:
    """Every kernel that is lowered inside is compiled, even one that this process compiled before.

    From jax 0.12 on, Mosaic compiles a kernel once in a process and writes its PTX only then. It knows a kernel by
    its digest; here each digest is of the kernel and of a number that is never the same.
    """
    core: Any = importlib.import_module("jax.experimental.mosaic.gpu.core")
    before = core.hashlib

    def digest(kernel: bytes) -> Any:
        return before.sha256(kernel + next(_NUMBERS).to_bytes(8))

    core.hashlib = SimpleNamespace(sha256=digest)
    try:
        yield
    finally:
        core.hashlib = before


def store(reference: Any, value: Any) -> None:
    """Stores an array in a layout of its own choice, which jax 0.12 on takes only where it is said to be meant."""
    chosen = getattr(pallas()[0], "store", None)
    if chosen is None:
        reference[...] = value
    else:
        chosen(reference, value, optimized=False)
