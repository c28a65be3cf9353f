"""Versions, processors, backends and devices."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from typing import Any

import jax
import jax.numpy as jnp

from analysis.doctor.finding import Finding, Probe

GROUP = "machine"
PACKAGES = ("numpy", "jax", "jaxlib", "ml_dtypes")
PLATFORMS = ("cpu", "gpu", "tpu")


def facts() -> list[Finding]:
    """What can be read off: versions, threads, and the devices of each live backend."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    found = [
        _fact("Python", platform.python_version(), f"{platform.system()} {platform.machine()}"),
        *(_fact(name, version, "") for name, version in versions.items()),
        _fact("threads", str(_threads()), f"usable, of {os.cpu_count()} processors"),
        _fact("XLA_FLAGS", os.environ.get("XLA_FLAGS", "") or "not set", ""),
    ]
    for backend in backends():
        kinds: list[str] = [device.device_kind for device in _devices(backend)]
        detail = ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds))
        default = "JAX's default" if backend == jax.default_backend() else ""
        found.append(_fact(f"{backend} backend", "live", detail, meaning=default))
    return found


def _threads() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _fact(name: str, answer: str, detail: str, meaning: str = "") -> Finding:
    return Finding(group=GROUP, name=name, backend="", answer=answer, detail=detail, meaning=meaning)


def _devices(backend: str) -> list[Any]:
    return jax.devices(backend)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def backends() -> dict[str, Any]:
    """The first device of each backend that answers."""
    found: dict[str, Any] = {}
    for name in PLATFORMS:
        try:
            found[name] = _devices(name)[0]
        except RuntimeError:  # JAX's way of saying that there is none
            continue
    return found


def x64() -> tuple[str, str]:
    """The dtype that JAX gives to a Python float."""
    name = jnp.zeros(()).dtype.name  # pyright: ignore[reportUnknownMemberType]
    return ("on" if name == "float64" else "off"), f"jnp.zeros(()) is {name}"


PROBES = (
    Probe(
        group=GROUP,
        name="64-bit types in JAX",
        answers={
            "on": "float64 and int64 arrays stay what they are",
            "off": "JAX narrows 64-bit arrays; kernels_ref refuses them (enable jax_enable_x64)",
        },
        measure=x64,
    ),
)
