"""Integer-only networks as records: nodes name their inputs, weights are arrays of integers.

Activations are NHWC, weights of convolutions OHWI, of linear layers OI. A node's output is in integers ``q`` of one
affine quantisation, whose numbers are ``S * (q - z)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats import IntSpec
from reference.integer.graph import Graph

Integers = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """The quantisation of a tensor: ``scale * (q - zero_point)`` for integers ``q`` of ``format``.

    ``scale``: a positive binary64 number, taken exactly. Source: Jacob et al., arXiv 1712.05877, equation 1.

    >>> import formats
    >>> Affine(format=formats.get("int8"), scale=0.5, zero_point=-3).value(7)
    5.0
    """

    format: IntSpec
    scale: float
    zero_point: int = 0

    def __post_init__(self) -> None:
        if self.format.fraction_bits or not self.format.has_zero:
            raise ValueError(f"{self.format.name} is scaled or lacks zero; an affine quantisation takes plain integers")
        if not 0 < self.scale < float("inf"):
            raise ValueError(f"scale={self.scale} must be positive and finite")
        if not self.format.minimum <= self.zero_point <= self.format.maximum:
            raise ValueError(f"zero_point={self.zero_point} is no integer of {self.format.name}")

    def value(self, q: int) -> float:
        """The number of an integer, in binary64."""
        return self.scale * (q - self.zero_point)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """What every node has: a name, the names of its inputs, and the quantisation of its output."""

    name: str
    inputs: tuple[str, ...] = ()
    out: Affine


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Input(Node):
    """What the network is given. ``shape``: without the batch, (height, width, channels) or (features,)."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weighted(Node):
    """What convolutions and linear layers share.

    ``accumulator = sum (q_x - z_x) * weight + bias`` in int32; ``q = clamp(rule(accumulator) + z)``, where the rule
    (a name of `formats.requantisers`) multiplies by ``S_x * weight_scale / S``.

    ``weight``: int8, whose first axis counts output channels. ``weight_scale``: one number, or one for each output
    channel. ``bias``: int32, of scale ``S_x * weight_scale``. ``clamp``: the least and greatest integer of the output,
    a fused activation; the whole format where it is None.
    """

    weight: NDArray[np.int8]
    weight_scale: tuple[float, ...]
    bias: NDArray[np.int32]
    weight_format: IntSpec
    rule: str
    clamp: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Convolution(Weighted):
    """Two-dimensional convolution, as cross-correlation; padding has the value 0, so the integer ``z_x``.

    ``weight``: (out, height, width, in / groups). ``strides``: rows, columns. ``padding``: (top, bottom),
    (left, right). ``groups = in`` is a depthwise convolution.
    """

    strides: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    groups: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linear(Weighted):
    """A matrix product: (batch, in) by ``weight`` (out, in)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Add(Node):
    """The sum of two tensors of one shape with scales of their own, by a rule of `formats.addition_rules`."""

    rule: str
    clamp: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool(Node):
    """Pooling over windows; the quantisation of the output is that of the input.

    ``kind``: ``max``, or the rounding of an average: see `reference.integer.pooling`. ``window``: rows, columns; None
    is the whole picture, and the output then has no rows and columns. Padding counts in no average.
    """

    kind: str
    window: tuple[int, int] | None
    strides: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Requantise(Node):
    """The input in another quantisation: ``clamp(rule(q_x - z_x) + z)``, by ``S_x / S``."""

    rule: str
    clamp: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clamp(Node):
    """ReLU, ReLU6 and the like on integers: ``min(max(q, low), high)``; the quantisation stays."""

    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Concatenate(Node):
    """Inputs side by side along the last axis, each requantised by the rule where its quantisation is another one."""

    rule: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table(Node):
    """An activation as 256 integers, one for each 8-bit code of the input, in the order of the input's integers."""

    table: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flatten(Node):
    """All axes after the batch as one, row by row."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network(Graph[Node]):
    """An integer-only network: a `reference.integer.graph.Graph` of the nodes above."""
