"""Work that says how far it is."""

from __future__ import annotations

from collections.abc import Callable

#: hears how much of the work is done, of how much, and what is next
Progress = Callable[[int, int, str], None]


def silent(done: int, total: int, label: str) -> None:
    """Report nothing."""
