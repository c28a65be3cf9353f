"""Shapes of a network's tensors, from its input on: what does not fit is refused here, before anything runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from formats.integer_only.averages import average
from reference.integer.network import (
    Concatenate,
    Convolution,
    Flatten,
    Input,
    Linear,
    Network,
    Node,
    Pool,
)

Shape = tuple[int, ...]
Pair = tuple[int, int]


def shapes(network: Network) -> dict[str, Shape]:
    """The shape of each node's output, without the batch, by name.

    A window that moves by ``stride`` over ``size`` pixels, padded ones included, has ``(size - window) // stride + 1``
    places; what is left at the end is in none.

    Raises ``ValueError`` with the node and what does not fit: channels, groups, windows, padding, strides, shapes of
    terms, the number of inputs.

    >>> import formats
    >>> from reference.integer.network import Affine
    >>> out = Affine(format=formats.get("int8"), scale=1.0)
    >>> x = Input(name="x", out=out, shape=(7, 7, 3))
    >>> y = Pool(name="y", inputs=("x",), out=out, kind="max", window=(3, 3), strides=(2, 2))
    >>> shapes(Network(name="pool", nodes=(x, y, Flatten(name="z", inputs=("y",), out=out))))
    {'x': (7, 7, 3), 'y': (3, 3, 3), 'z': (27,)}
    """
    input_node(network)
    found: dict[str, Shape] = {}
    for node in network:
        found[node.name] = _shape(node, [found[name] for name in node.inputs])
    return found


def input_node(network: Network) -> Input:
    """The one input of a network; ``ValueError`` where it has none or several."""
    found = [node for node in network if isinstance(node, Input)]
    if len(found) != 1:
        raise ValueError(f"network {network.name!r} has {len(found)} inputs; one is accepted")
    return found[0]


def _shape(node: Node, given: Sequence[Shape]) -> Shape:
    match node:
        case Input():
            if len(node.shape) not in (1, 3) or min(node.shape) < 1:
                raise _misfit(node, f"shape={node.shape} must be (features,) or (height, width, channels), positive")
            return node.shape
        case Convolution():
            return _convolution(node, given[0])
        case Linear():
            if node.weight.ndim != 2 or given[0] != node.weight.shape[1:]:
                raise _misfit(node, f"weight of shape {node.weight.shape}, (out, in), does not take {given[0]}")
            return (len(node.weight),)
        case Pool():
            return _pool(node, given[0])
        case Concatenate():
            if len({shape[:-1] for shape in given}) != 1:
                raise _misfit(node, f"inputs of shapes {list(given)} differ before the last axis")
            return (*given[0][:-1], sum(shape[-1] for shape in given))
        case Flatten():
            return (math.prod(given[0]),)
        case _:
            if len(set(given)) != 1:
                raise _misfit(node, f"inputs of shapes {list(given)} must have one shape")
            return given[0]


def _convolution(node: Convolution, given: Shape) -> Shape:
    weight, groups = node.weight, node.groups
    if weight.ndim != 4:
        raise _misfit(node, f"weight of shape {weight.shape} must be (out, height, width, in / groups)")
    size, channels = _picture(node, given)
    if groups < 1 or channels % groups or len(weight) % groups:
        raise _misfit(node, f"groups={groups} must divide {channels} channels in and {len(weight)} out")
    if weight.shape[3] != channels // groups:
        raise _misfit(
            node, f"weight of shape {weight.shape} has {weight.shape[3]} channels; {channels} / {groups} come in"
        )
    return (*_moving(node, size, (weight.shape[1], weight.shape[2]), node.strides, node.padding), len(weight))


def _pool(node: Pool, given: Shape) -> Shape:
    size, channels = _picture(node, given)
    window = size if node.window is None else node.window
    if node.window is None and (node.padding != ((0, 0), (0, 0)) or node.strides != (1, 1)):
        raise _misfit(node, f"strides={node.strides} and padding={node.padding} mean nothing for the whole picture")
    if any(side >= extent for sides, extent in zip(node.padding, window, strict=True) for side in sides):
        raise _misfit(node, f"padding={node.padding} must be less than the window {window}")
    if node.kind != "max":
        greatest = average(node.kind).greatest_window
        if greatest is not None and math.prod(window) > greatest:
            raise _misfit(node, f"a window of {math.prod(window)} pixels; {node.kind} takes at most {greatest}")
    moving = _moving(node, size, window, node.strides, node.padding)
    return (channels,) if node.window is None else (*moving, channels)


def _picture(node: Node, given: Shape) -> tuple[Pair, int]:
    if len(given) != 3:
        raise _misfit(node, f"input of shape {given} must be (height, width, channels)")
    return (given[0], given[1]), given[2]


def _moving(node: Node, size: Pair, window: Pair, strides: Pair, padding: tuple[Pair, Pair]) -> Pair:
    if min(strides) < 1 or min(window) < 1 or min(*padding[0], *padding[1]) < 0:
        raise _misfit(node, f"window={window} and strides={strides} must be positive, padding={padding} not negative")
    rows, columns = (length + sum(sides) for length, sides in zip(size, padding, strict=True))
    if rows < window[0] or columns < window[1]:
        raise _misfit(node, f"a picture of {(rows, columns)}, padded, has no window of {window}")
    return (rows - window[0]) // strides[0] + 1, (columns - window[1]) // strides[1] + 1


def _misfit(node: Node, what: str) -> ValueError:
    return ValueError(f"node {node.name!r}: {what}")
