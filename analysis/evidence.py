"""Evidence of a run: what was measured, on what, with which versions, from which formats."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import formats

PACKAGES = ("jax", "jaxlib", "numpy", "ml_dtypes")


def spec_digest(names: Iterable[str] | None = None) -> str:
    """SHA-256 of the records of the named formats (all by default): the evidence holds for these and no others.

    >>> spec_digest(["int4"]) == spec_digest(["int4"]) != spec_digest(["int8"])
    True
    """
    text = "\n".join(repr(formats.get(name)) for name in (names or formats.names()))
    return hashlib.sha256(text.encode()).hexdigest()


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Installed versions by distribution name; absent packages are left out."""
    found: dict[str, str] = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def provenance(packages: Iterable[str] = PACKAGES) -> dict[str, Any]:
    """Date, machine and versions."""
    import jax

    devices: Any = jax.devices()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": versions(packages),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "device": devices[0].device_kind,
        "driver": driver(),
        "spec_digest": spec_digest(),
    }


def driver() -> str | None:
    """Version of the NVIDIA driver, if there is one."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.split("\n")[0]
    except (OSError, subprocess.SubprocessError):
        return None


def write(path: Path, content: dict[str, Any]) -> None:
    """The record as JSON, its folder made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**provenance(), **content}, indent=1) + "\n")
