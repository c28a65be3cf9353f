"""Lines that say how long a benchmark has been at work."""

from __future__ import annotations

import time

STARTED = time.monotonic()


def elapsed() -> float:
    """Seconds since the benchmark began."""
    return time.monotonic() - STARTED


def say(text: str) -> None:
    print(f"[{elapsed():6.1f} s] {text}", flush=True)
