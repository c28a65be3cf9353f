"""Ratios of times measured side by side, so that what else the machine does hits both."""

from __future__ import annotations

import time
from collections.abc import Callable

Run = Callable[[], object]


def side_by_side(runs: dict[str, Run], *, seconds: float, least: int = 5) -> dict[str, float]:
    """The shortest time of each run, in seconds: rounds of three calls each, for about ``seconds``, after a warm-up.

    Noise only ever adds time, so the minimum over many interleaved rounds is what repeats best. The first call of the
    three brings a run's operands back into the cache, from which the others may have driven them.
    """
    for run in runs.values():
        run()
    best = dict.fromkeys(runs, float("inf"))
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < least or time.perf_counter() < end:
        for name, run in runs.items():
            best[name] = min(best[name], *(_once(run) for _ in range(3)))
        rounds += 1
    return best


def _once(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
