"""What this machine's processor offers."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def features() -> frozenset[str]:
    """Names of an x86 processor's features as Linux lists them, among other words; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    return frozenset(path.read_text().split()) if path.exists() else frozenset()
