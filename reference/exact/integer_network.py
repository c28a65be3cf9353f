"""The judge: integer-only networks, node by node as their records say, on nested lists of Python integers.

Records are those of `reference.integer.network`, of which only attributes and the names of classes are used. One
example at a time: a picture is ``x[row][column][channel]``, features are ``x[channel]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from formats.integer_only.averages import average as average_rule
from formats.integer_only.requantisers import requantiser
from reference.exact.integer_addition import add
from reference.exact.integer_requantise import requantise
from reference.exact.rounding import round_to_integer

Tensor = list[Any]
Pair = tuple[int, int]


def quantise_input(x: Fraction | float, affine: Any) -> int:
    """``saturate(round(x / S) + z)`` for one number: the exact quotient rounded half to even.

    >>> from types import SimpleNamespace
    >>> quantise_input(2.5, SimpleNamespace(scale=1.0, zero_point=1, format=SimpleNamespace(minimum=-128, maximum=127)))
    3
    """
    rounded = round(Fraction(x) / Fraction(affine.scale)) + affine.zero_point
    return min(max(rounded, affine.format.minimum), affine.format.maximum)


def run(network: Any, x: Tensor) -> Tensor:
    """The integers of the network's output for one example of its input; ``OverflowError`` as of `accumulator`."""
    return trace(network, x)[network.output.name]


def trace(network: Any, x: Tensor) -> dict[str, Tensor]:
    """The integers of every node for one example, by name."""
    values: dict[str, Tensor] = {}
    for node in network:
        inputs = [values[name] for name in node.inputs]
        sources = [network[name].out for name in node.inputs]
        values[node.name] = evaluate(node, inputs, sources) if inputs else x
    return values


def evaluate(node: Any, inputs: list[Tensor], sources: list[Any]) -> Tensor:
    """The integers of a node from those of its inputs, whose quantisations are ``sources``."""
    x, source, out = inputs[0], sources[0], node.out
    match type(node).__name__:
        case "Convolution" | "Linear":
            scales = list(node.weight_scale) * (len(node.bias) if len(node.weight_scale) == 1 else 1)
            return by_channel(accumulator(x, source, node), lambda q, c: moved(q, source.scale, scales[c], node))
        case "Add":
            other = sources[1]
            return pairwise(x, inputs[1], lambda a, b: add(a, source, b, other, out, rule=node.rule, clamp=node.clamp))
        case "Pool":
            return pool(x, node)
        case "Requantise":
            return elementwise(x, lambda q: moved(q - source.zero_point, source.scale, 1.0, node))
        case "Clamp":
            return elementwise(x, lambda q: min(max(q, node.low), node.high))
        case "Concatenate":
            return side_by_side([placed(q, affine, node) for q, affine in zip(inputs, sources, strict=True)])
        case "Table":
            return elementwise(x, lambda q: node.table[q - source.format.minimum])
        case "Flatten":
            return list(leaves(x))
        case name:
            raise TypeError(f"node {node.name!r} is a {name}, which the judge does not know")


def accumulator(x: Tensor, source: Any, node: Any) -> Tensor:
    """``sum (q - z) * weight + bias`` for each output channel; ``OverflowError`` where int32 does not hold one."""
    weight, bias = node.weight.tolist(), node.bias.tolist()
    if type(node).__name__ == "Linear":
        return [_int32(_dot(x, source, row) + b, node) for row, b in zip(weight, bias, strict=True)]
    share, channels = len(weight) // node.groups, len(weight[0][0][0])

    def window(row: int, column: int) -> list[int]:
        sums = list(bias)
        for i, j, pixel in _pixels(x, row, column, node, (len(weight[0]), len(weight[0][0]))):
            for o, kernel in enumerate(weight):
                first = o // share * channels
                sums[o] += _dot(pixel[first : first + channels], source, kernel[i][j])
        return [_int32(total, node) for total in sums]

    return _moving(x, node, (len(weight[0]), len(weight[0][0])), window)


def pool(x: Tensor, node: Any) -> Tensor:
    """The greatest integer of each window, or the rounded average, each channel for itself; no padding counts."""
    size = (len(x), len(x[0]))
    choose: Callable[[list[int]], int] = max if node.kind == "max" else lambda window: average(window, node.kind)

    def window(row: int, column: int) -> list[int]:
        pixels = [pixel for _, _, pixel in _pixels(x, row, column, node, node.window or size)]
        return [choose([pixel[c] for pixel in pixels]) for c in range(len(x[0][0]))]

    found = _moving(x, node, node.window or size, window)
    return found[0][0] if node.window is None else found


def average(window: list[int], kind: str) -> int:
    """The mean of some integers, rounded once, as `formats.integer_only.averages` has it.

    >>> [average([a, b], "average_half_away") for a, b in ((1, 2), (-1, -2), (5, 5))]
    [2, -2, 5]
    """
    rule = average_rule(kind)
    mean = Fraction(sum(window), len(window)) + Fraction(rule.hundredths, 100)
    magnitude = round_to_integer(abs(mean), rule.rounding, negative=mean < 0)
    return -magnitude if mean < 0 else magnitude


def moved(x: int, scale: float, weight_scale: float, node: Any) -> int:
    """``clamp(rule(x) + z)`` by the ratio of ``scale * weight_scale`` to the output's scale."""
    ratio = requantiser(node.rule).ratio(scale, weight_scale, node.out.scale)
    clamp = getattr(node, "clamp", None)
    return requantise(x, ratio, rule=node.rule, fmt=node.out.format, zero_point=node.out.zero_point, clamp=clamp)


def placed(x: Tensor, source: Any, node: Any) -> Tensor:
    """One part of a concatenation: as it is where its quantisation is the output's, else requantised."""
    if source == node.out:
        return x
    return elementwise(x, lambda q: moved(q - source.zero_point, source.scale, 1.0, node))


def elementwise(x: Tensor, function: Callable[[int], int]) -> Tensor:
    """A function of each integer."""
    return [elementwise(part, function) for part in x] if _deep(x) else [function(q) for q in x]


def pairwise(a: Tensor, b: Tensor, function: Callable[[int, int], int]) -> Tensor:
    """A function of the two integers at each place of tensors of one shape."""
    pairs = zip(a, b, strict=True)
    return [pairwise(*pair, function) for pair in pairs] if _deep(a) else [function(*pair) for pair in pairs]


def by_channel(x: Tensor, function: Callable[[int, int], int]) -> Tensor:
    """A function of each integer and its place on the last axis."""
    return [by_channel(part, function) for part in x] if _deep(x) else [function(q, c) for c, q in enumerate(x)]


def side_by_side(tensors: list[Tensor]) -> Tensor:
    """Tensors one after another along the last axis."""
    if not _deep(tensors[0]):
        return [q for tensor in tensors for q in tensor]
    return [side_by_side(list(parts)) for parts in zip(*tensors, strict=True)]


def leaves(x: Tensor) -> Iterator[int]:
    """Every integer, row by row."""
    for part in x:
        if _deep(x):
            yield from leaves(part)
        else:
            yield part


def _deep(x: Tensor) -> bool:
    return isinstance(x[0], list)


def _moving(x: Tensor, node: Any, window: Pair, function: Callable[[int, int], list[int]]) -> Tensor:
    """A function of the first row and column of each window, which may lie in the padding."""
    (top, bottom), (left, right) = node.padding
    rows = range(-top, len(x) + bottom - window[0] + 1, node.strides[0])
    columns = range(-left, len(x[0]) + right - window[1] + 1, node.strides[1])
    return [[function(row, column) for column in columns] for row in rows]


def _pixels(x: Tensor, row: int, column: int, node: Any, window: Pair) -> Iterator[tuple[int, int, list[int]]]:
    """The pixels of the picture in a window, each with its place there; those of the padding are left out."""
    for i in range(window[0]):
        for j in range(window[1]):
            if 0 <= row + i < len(x) and 0 <= column + j < len(x[0]):
                yield i, j, x[row + i][column + j]


def _dot(x: list[int], source: Any, weight: list[int]) -> int:
    return sum((q - source.zero_point) * w for q, w in zip(x, weight, strict=True))


def _int32(total: int, node: Any) -> int:
    if not -(1 << 31) <= total < 1 << 31:
        raise OverflowError(f"node {node.name!r}: the accumulator {total} leaves int32")
    return total
