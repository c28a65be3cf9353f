"""Between which integers each node's output lies, whatever the input: every operator is monotone, or a sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats.results import INT32
from reference.array.integer.pooling import average
from reference.integer.accumulator import check_accumulator, reachable
from reference.integer.addition import add
from reference.integer.network import (
    Add,
    Affine,
    Clamp,
    Concatenate,
    Input,
    Network,
    Node,
    Pool,
    Requantise,
    Table,
    Weighted,
)
from reference.integer.rescaling import moved, rescaled
from reference.integer.shapes import shapes

Interval = tuple[int, int]


def intervals(network: Network) -> dict[str, Interval]:
    """The least and the greatest integer that each node may give, by name, for inputs of the whole format.

    Requantisers, additions and averages are monotone in each term: their ends are their values at the ends. An
    accumulator's ends come from its weights (`reference.integer.accumulator`). So nothing is estimated but that the
    integers of a tensor are taken as free of each other.

    Raises ``OverflowError`` where an accumulator, a sum or a step of a rule may leave its width, ``ValueError`` where a
    rule does not take a ratio, both with the node.
    """
    sizes = shapes(network)
    found: dict[str, Interval] = {}
    for node in network:
        given = [found[name] for name in node.inputs]
        sources = [network[name].out for name in node.inputs]
        try:
            if isinstance(node, Pool) and node.kind != "max":
                found[node.name] = _averages(node, given[0], sizes[node.inputs[0]])
            else:
                found[node.name] = _interval(node, given, sources)
        except (OverflowError, ValueError) as error:
            if str(error).startswith("node "):
                raise
            raise type(error)(f"node {node.name!r}: {error}") from None
    return found


def _interval(node: Node, given: Sequence[Interval], sources: Sequence[Affine]) -> Interval:
    match node:
        case Input():
            return node.out.format.minimum, node.out.format.maximum
        case Weighted():
            check_accumulator(node, sources[0], limits=given[0])
            ends = np.stack(reachable(node, sources[0], limits=given[0])).astype(np.int32)
            return _ends(rescaled(ends, sources[0], node))
        case Add():
            a, b = (np.array(ends) for ends in given)
            return _ends(add(a, sources[0], b, sources[1], node.out, rule=node.rule, clamp=node.clamp))
        case Requantise():
            return _ends(moved(np.array(given[0]), sources[0], node.out, node.rule, node.clamp))
        case Concatenate():
            ends = [
                interval if source == node.out else _ends(moved(np.array(interval), source, node.out, node.rule))
                for interval, source in zip(given, sources, strict=True)
            ]
            return min(low for low, _ in ends), max(high for _, high in ends)
        case Clamp():
            return min(max(given[0][0], node.low), node.high), min(max(given[0][1], node.low), node.high)
        case Table():
            first = sources[0].format.minimum
            entries = node.table[given[0][0] - first : given[0][1] - first + 1]
            return min(entries), max(entries)
        case _:
            return given[0]


def _ends(integers: NDArray[np.integer[Any]]) -> Interval:
    return int(integers.min()), int(integers.max())


def _averages(node: Pool, given: Interval, size: tuple[int, ...]) -> Interval:
    """Averages of windows of any size up to the whole one, whose ends a rule may move: HAWQ-V3's of -1 alone is 0.

    Raises ``OverflowError`` where the sum of a window may leave int32.
    """
    count = math.prod(size[:2] if node.window is None else node.window)
    low, high = count * min(given[0], 0), count * max(given[1], 0)
    if low < INT32.minimum or high > INT32.maximum:
        raise OverflowError(
            f"node {node.name!r}: the sum of a window may lie anywhere from {low} to {high}, which int32 does not hold"
        )
    counts = np.arange(1, count + 1)
    return _ends(average(np.outer(given, counts), counts, node.kind, np))
