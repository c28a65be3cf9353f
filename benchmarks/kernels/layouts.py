"""Layouts of the streaming kernel that are timed beside its own choice."""

from __future__ import annotations

from typing import Any


def streaming_variants() -> list[Any]:
    """One field changed at a time."""
    from kernels_ref.hopper import Variant

    changes: list[dict[str, Any]] = [
        {"stages": 3},
        {"stages": 5},
        {"stages": 6},
        {"stages": 8},
        {"join": "planes"},
        {"flight": 2},
        {"sums": 48},
        {"memory_registers": 24},
    ]
    return [Variant(**change) for change in changes]
