"""Float networks as records: what is calibrated and then quantised to a `reference.integer.network.Network`.

The records mirror the integer ones: NHWC activations, OHWI and OI weights, nodes that name their inputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

import formats
from reference.integer.folding import fold_batch_norm
from reference.integer.graph import Graph

Floats = NDArray[np.float32]
Padding = tuple[tuple[int, int], tuple[int, int]]
NO_PADDING: Padding = ((0, 0), (0, 0))


class Activation(Enum):
    """What follows an operator: nothing, ``max(x, 0)``, or ``min(max(x, 0), 6)``."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and greatest number that it lets through."""
        return {"none": (-np.inf, np.inf), "relu": (0.0, np.inf), "relu6": (0.0, 6.0)}[self.value]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchNorm:
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` with frozen statistics, one of each for each channel."""

    gamma: Floats
    beta: Floats
    mean: Floats
    variance: Floats
    epsilon: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatNode:
    """A node: its name and the names of its inputs."""

    name: str
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatInput(FloatNode):
    """What the network is given. ``shape``: without the batch, (height, width, channels) or (features,)."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatActivated(FloatNode):
    """An operator and what follows it: an `Activation` or its lower-case name."""

    activation: Activation | str = Activation.NONE

    def __post_init__(self) -> None:
        chosen = formats.parse_enum(Activation, self.activation, "activation")
        object.__setattr__(self, "activation", chosen)

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and greatest number that the activation lets through."""
        return Activation(self.activation).bounds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatWeighted(FloatActivated):
    """What convolutions and linear layers share. ``weight``: its first axis counts output channels, as ``bias`` does.

    ``batch_norm`` follows the bias and precedes the activation; `fold` removes it.
    """

    weight: Floats
    bias: Floats | None = None
    batch_norm: BatchNorm | None = None

    @property
    def biases(self) -> Floats:
        """The bias, zeros where there is none."""
        return np.zeros(self.weight.shape[:1], np.float32) if self.bias is None else self.bias


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatConvolution(FloatWeighted):
    """Two-dimensional convolution, as cross-correlation with zero padding: see `reference.integer.network.Convolution`.

    ``weight``: (out, height, width, in / groups). ``padding``: (top, bottom), (left, right).
    """

    strides: tuple[int, int] = (1, 1)
    padding: Padding = NO_PADDING
    groups: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatLinear(FloatWeighted):
    """A matrix product: (batch, in) by ``weight`` (out, in)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatAdd(FloatActivated):
    """The sum of two tensors of one shape."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatPool(FloatNode):
    """Pooling. ``kind``: ``max`` or ``average``; ``window`` None: the whole picture, whose two axes then vanish.

    Padding counts in no average and wins no maximum.
    """

    kind: str
    window: tuple[int, int] | None
    strides: tuple[int, int] = (1, 1)
    padding: Padding = NO_PADDING

    def __post_init__(self) -> None:
        if self.kind not in ("max", "average"):
            raise ValueError(f"pool {self.name!r}: kind={self.kind!r}; accepted: max, average")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatConcatenate(FloatNode):
    """Inputs side by side along the last axis."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatFlatten(FloatNode):
    """All axes after the batch as one, row by row."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatNetwork(Graph[FloatNode]):
    """A float network: a `reference.integer.graph.Graph` of the nodes above.

    >>> picture = FloatInput(name="x", shape=(8, 8, 1))
    >>> mean = FloatPool(name="mean", inputs=("x",), kind="average", window=None)
    >>> FloatNetwork(name="means", nodes=(picture, mean)).consumers("x")
    ('mean',)
    """

    def consumers(self, name: str) -> tuple[str, ...]:
        """The nodes that take the output of this one, once for each time they take it."""
        return tuple(node.name for node in self.nodes for taken in node.inputs if taken == name)

    @property
    def weighted(self) -> tuple[FloatWeighted, ...]:
        """The convolutions and linear layers, in order."""
        return tuple(node for node in self.nodes if isinstance(node, FloatWeighted))


def fold(network: FloatNetwork) -> FloatNetwork:
    """The network with every batch norm folded into its weights and bias: in binary64, then rounded to float32."""
    return replace(network, nodes=tuple(_folded(node) for node in network.nodes))


def _folded(node: FloatNode) -> FloatNode:
    if not isinstance(node, FloatWeighted) or node.batch_norm is None:
        return node
    norm = node.batch_norm
    weight, bias = fold_batch_norm(
        node.weight, node.bias, norm.gamma, norm.beta, norm.mean, norm.variance, norm.epsilon
    )
    return replace(node, weight=weight.astype(np.float32), bias=bias.astype(np.float32), batch_norm=None)
