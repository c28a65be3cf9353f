"""The compiler for GPUs that are not there: its version must be jaxlib's, or jax leaves it unused."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata

PACKAGES = ("jax-cuda13-plugin", "jax-cuda13-pjrt")


def installed() -> dict[str, str]:
    """The versions at hand, of the compiler's packages and of jaxlib."""
    found = {}
    for name in (*PACKAGES, "jaxlib"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def complaint(versions: Mapping[str, str]) -> str | None:
    """What is wrong with these versions: nothing where there is no compiler, or both of its packages are jaxlib's."""
    found = {name: versions[name] for name in PACKAGES if name in versions}
    if not found or found == dict.fromkeys(PACKAGES, versions["jaxlib"]):
        return None
    stated = ", ".join(f"{name} {versions.get(name, 'absent')}" for name in (*PACKAGES, "jaxlib"))
    return f"{stated}; accepted: all of one version (make aot)"


def header(versions: Mapping[str, str]) -> str:
    return f"assay GPU compiler: {versions.get(PACKAGES[0], 'none, kernels are not compiled (make aot)')}"
