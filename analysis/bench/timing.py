"""Times of calls on a GPU, operands rotated so that no call finds its own in the cache."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import jax

Call = Callable[[], Any]

#: calls of one measurement at the least
CALLS = 21


@dataclass(frozen=True, slots=True)
class Timing:
    """Microseconds of one call: the median, the quartiles, how many calls, and by what clock."""

    median: float
    lower: float  #: first quartile
    upper: float  #: third quartile
    calls: int
    clock: str  #: ``"cupti"``: the kernels' own time, added up; ``"wall"``: between calls queued without a wait
    kernels: int  #: of one call; 0 where the clock cannot say

    def to_json(self) -> dict[str, Any]:
        """Its fields, times to the nanosecond."""
        return {key: round(value, 3) if isinstance(value, float) else value for key, value in asdict(self).items()}


def timed(calls: Sequence[Call], *, least: int = CALLS, finish: Callable[[Any], Any] | None = None) -> Timing:
    """The calls in turn, ``least`` at the least and each as often as the others, after one round to warm up.

    Each call has its own operands; together they are to be larger than the cache. ``finish`` waits for results; JAX's
    are waited for without it.

    >>> timed([lambda: 1, lambda: 2], least=3, finish=lambda x: x).calls
    4
    """
    if not calls:
        raise ValueError("nothing to time: no calls")
    wait = finish or ready
    rounds = -(-least // len(calls))
    wait([call() for call in calls])
    samples, clock, kernels = _by_cupti(calls, rounds, wait) or (_by_wall(calls, rounds, wait), "wall", 0)
    quartiles = statistics.quantiles(samples, n=4) if len(samples) > 1 else [samples[0]] * 3
    return Timing(statistics.median(samples), quartiles[0], quartiles[2], rounds * len(calls), clock, kernels)


def ready(results: Any) -> Any:
    """JAX arrays, once they are there."""
    modules: Any = jax
    return modules.block_until_ready(results)


def _by_cupti(calls: Sequence[Call], rounds: int, finish: Callable[[Any], Any]) -> tuple[list[float], str, int] | None:
    """The summed time of each call's kernels; None where there is no CUPTI, or where calls differ in kernels."""
    profiler = cupti()
    if profiler is None:
        return None
    count, results, kernels = rounds * len(calls), None, []
    try:
        profiler._cupti_init()
        for _ in range(rounds):
            results = [call() for call in calls]
        finish(results)
        kernels = profiler._cupti_get_timings(True)
    except RuntimeError:  # another profiler holds CUPTI, or the machine forbids it
        return None
    if not kernels or len(kernels) % count:
        return None
    each = len(kernels) // count
    parts = [kernels[i * each : (i + 1) * each] for i in range(count)]
    return [1e3 * sum(milliseconds for _, milliseconds in part) for part in parts], "cupti", each


def cupti() -> Any:
    """The CUPTI reader of jaxlib, if it has one and there is a GPU."""
    if jax.default_backend() != "gpu":
        return None
    try:
        from jax._src.lib import mosaic_gpu  # pyright: ignore[reportMissingImports, reportPrivateImportUsage]
    except ImportError:
        return None
    return getattr(mosaic_gpu, "_mosaic_gpu_ext", None)


def _by_wall(calls: Sequence[Call], rounds: int, finish: Callable[[Any], Any]) -> list[float]:
    """For each round the mean of its calls; the queue is long enough to hide the time that Python takes."""
    samples: list[float] = []
    for _ in range(rounds):
        begun = time.perf_counter()
        results = [call() for call in calls]
        finish(results)
        samples.append(1e6 * (time.perf_counter() - begun) / len(calls))
    return samples
