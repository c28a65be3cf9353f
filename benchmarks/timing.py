"""Ratios of times measured side by side, so that what else the machine does hits both."""

from __future__ import annotations

import time
from collections.abc import Callable

Run = Callable[[], object]

#: how long a run is repeated before it is the next one's turn, in seconds
TURN = 0.005


def side_by_side(runs: dict[str, Run], *, seconds: float, least: int = 5) -> dict[str, float]:
    """The shortest time of each run, in seconds: turns of 5 ms and two calls at least, for about ``seconds``.

    Noise only ever adds time, so the minimum over many interleaved turns is what repeats best. The first calls of a
    turn bring the run's operands back into the cache and its threads back to the processor.
    """
    for run in runs.values():
        run()
    best = dict.fromkeys(runs, float("inf"))
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < least or time.perf_counter() < end:
        for name, run in runs.items():
            best[name] = min(best[name], _turn(run))
        rounds += 1
    return best


def _turn(run: Run) -> float:
    best, calls, begun = float("inf"), 0, time.perf_counter()
    while calls < 2 or time.perf_counter() - begun < TURN:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
        calls += 1
    return best
