"""Pallas for GPUs: the modules, and what differs between the versions of jax that have them."""

from __future__ import annotations

import importlib
from typing import Any

import jax

#: the first jax whose Mosaic GPU has what the kernels need
OLDEST = (0, 11, 2)


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
