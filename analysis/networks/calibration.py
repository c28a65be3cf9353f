"""Calibration: the range of every node of a float network over batches of inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from analysis.networks.float_network import FloatNetwork, Floats
from analysis.networks.float_run import Parameters, evaluate, float_trace, parameters
from analysis.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers from ``low`` to ``high``, which float32 holds."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not -np.inf < self.low <= self.high < np.inf:
            raise ValueError(f"range [{self.low}, {self.high}] must be finite and not empty")


@dataclass(frozen=True, slots=True)
class NodeRange:
    """The range of a node's output, and the one before its activation; they are the same where it has none."""

    after: Range
    before: Range


#: by name of the node
Ranges = Mapping[str, NodeRange]


def calibrate(
    network: FloatNetwork,
    batches: Sequence[Any],
    *,
    percentile: float = 100.0,
    momentum: float | None = None,
    progress: Progress = silent,
) -> dict[str, NodeRange]:
    """The range of every node over ``batches``, each (batch, *shape of the input*).

    One batch gives the least and greatest number; with ``percentile`` p < 100 the number of rank ``round(n * p / 100)``
    from below, and from above. Batches are joined by minimum and maximum, or with ``momentum`` m by the moving average
    ``m * range + (1 - m) * batch`` in float32, from the first batch's range on: HAWQ's code has both (QuantAct; there,
    percentiles of tensors after ReLU have the lower end 0, which this gives as well).

    Raises ``ValueError`` for no batches, a percentile outside (50, 100], a momentum outside [0, 1), or a node that is
    not finite.

    >>> from analysis.networks.float_network import FloatInput, FloatNetwork
    >>> calibrate(FloatNetwork(name="n", nodes=(FloatInput(name="x", shape=(1,)),)), [[[2]], [[-1], [3]]])["x"].after
    Range(low=-1.0, high=3.0)
    """
    if not len(batches):
        raise ValueError("no batches to calibrate on; at least one is needed")
    if not 50 < percentile <= 100:
        raise ValueError(f"percentile={percentile} must lie in (50, 100]")
    if momentum is not None and not 0 <= momentum < 1:
        raise ValueError(
            f"momentum={momentum} must lie in [0, 1), or be None for the least and greatest of all batches"
        )
    joined: dict[str, Floats] = {}
    for index, batch in enumerate(batches):
        progress(index, len(batches), f"batch of {len(batch)}")
        for name, found in _one_batch(network, batch, percentile).items():
            joined[name] = _join(joined[name], found, momentum) if name in joined else found
    progress(len(batches), len(batches), "calibrated")
    return {node.name: _node_range(node.name, joined[node.name]) for node in network}


def _node_range(name: str, ends: Floats) -> NodeRange:
    if not np.isfinite(ends).all():
        raise ValueError(f"node {name!r} ranges over {ends.tolist()}, which is not finite")
    low, high, low_before, high_before = (float(end) for end in ends)
    return NodeRange(Range(low, high), Range(low_before, high_before))


def _join(old: Floats, new: Floats, momentum: float | None) -> Floats:
    if momentum is not None:
        return (old * np.float32(momentum) + new * np.float32(1 - momentum)).astype(np.float32)
    return np.where([True, False, True, False], np.minimum(old, new), np.maximum(old, new))


def _one_batch(network: FloatNetwork, batch: Any, percentile: float) -> dict[str, Floats]:
    """Low and high after the activation, low and high before it, of every node."""
    if percentile == 100:
        x = np.asarray(batch, np.float32)
        return {name: np.array(ends, np.float32) for name, ends in _extremes(network)(parameters(network), x).items()}
    after, before = (float_trace(network, batch, before_activation=flag) for flag in (False, True))
    return {name: np.array([*_ranks(after[name], percentile), *_ranks(before[name], percentile)]) for name in after}


def _ranks(values: Floats, percentile: float) -> NDArray[np.float32]:
    rank = max(round(values.size * percentile / 100), 1)
    ordered = np.partition(values.ravel(), (values.size - rank, rank - 1))
    return ordered[[values.size - rank, rank - 1]]


@lru_cache(maxsize=16)
def _extremes(network: FloatNetwork) -> Callable[[Parameters, Floats], dict[str, tuple[Array, ...]]]:
    def run(given: Parameters, x: Array) -> dict[str, tuple[Array, ...]]:
        after, before = evaluate(network, given, x)
        return {name: (y.min(), y.max(), before[name].min(), before[name].max()) for name, y in after.items()}

    compiled: Callable[[Parameters, Floats], dict[str, tuple[Array, ...]]] = jax.jit(run)  # pyright: ignore[reportUnknownMemberType]
    return compiled
