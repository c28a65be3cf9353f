"""A residual network of 78 thousand parameters for digits, as a float network, and its trained weights."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from analysis.networks.float_network import (
    BatchNorm,
    FloatAdd,
    FloatConvolution,
    FloatInput,
    FloatLinear,
    FloatNetwork,
    FloatNode,
    FloatPool,
)

Floats = NDArray[np.float32]
#: by name: ``LAYER.weight``, and ``LAYER.gamma``, ``.beta``, ``.mean``, ``.variance``, or ``head.bias``
Parameters = Mapping[str, Floats]

EPSILON = 1e-5
FEATURES, CLASSES = 64, 10
#: what `trained` knows: the float network, and those that were fine-tuned as integer networks of these layers' bits
TRAINED = ("float", "int4", "mixed_75", "mixed_50", "mixed_25")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A convolution with batch norm, without a bias, padded so that a stride of 1 keeps the size."""

    name: str
    inputs: int
    outputs: int
    kernel: int = 3
    stride: int = 1

    @property
    def weight(self) -> tuple[int, int, int, int]:
        """(out, height, width, in)."""
        return (self.outputs, self.kernel, self.kernel, self.inputs)


def _block(name: str, inputs: int, outputs: int, stride: int) -> tuple[Shape, ...]:
    main = (
        Shape(name=f"{name}.conv1", inputs=inputs, outputs=outputs, stride=stride),
        Shape(name=f"{name}.conv2", inputs=outputs, outputs=outputs),
    )
    shortcut = Shape(name=f"{name}.shortcut", inputs=inputs, outputs=outputs, kernel=1, stride=stride)
    return main if inputs == outputs else (*main, shortcut)


STEM = Shape(name="stem", inputs=1, outputs=16)
#: two 3x3 convolutions, and a 1x1 convolution as the shortcut where the shape changes
BLOCKS = {
    "block1": _block("block1", 16, 16, 1),
    "block2": _block("block2", 16, 32, 2),
    "block3": _block("block3", 32, 64, 2),
}
CONVOLUTIONS = (STEM, *(shape for block in BLOCKS.values() for shape in block))


def digits_resnet(parameters: Parameters) -> FloatNetwork:
    """The network with these parameters, its batch norms unfolded.

    Pictures (8, 8, 1) in [0, 1]; a 3x3 convolution to 16 channels; blocks of 16, 32 and 64 channels, the latter two
    with strides of 2 and a 1x1 convolution as the shortcut, each with a ReLU after its first convolution and after its
    sum; the average of the whole picture; a linear layer. Nodes: ``x``, ``stem``, ``BLOCK.conv1``, ``BLOCK.conv2``,
    ``BLOCK.shortcut``, ``BLOCK`` (the sum), ``pool``, ``head``.

    >>> [node.name for node in trained("float")][:5]
    ['x', 'stem', 'block1.conv1', 'block1.conv2', 'block1']
    """
    nodes: list[FloatNode] = [FloatInput(name="x", shape=(8, 8, 1)), _convolution(parameters, STEM, "x", "relu")]
    before = STEM.name
    for name, (first, second, *shortcut) in BLOCKS.items():
        nodes.append(_convolution(parameters, first, before, "relu"))
        nodes.append(_convolution(parameters, second, first.name, "none"))
        nodes += [_convolution(parameters, shape, before, "none") for shape in shortcut]
        other = shortcut[0].name if shortcut else before
        nodes.append(FloatAdd(name=name, inputs=(second.name, other), activation="relu"))
        before = name
    nodes.append(FloatPool(name="pool", inputs=(before,), kind="average", window=None))
    weight, bias = parameters["head.weight"], parameters["head.bias"]
    nodes.append(FloatLinear(name="head", inputs=("pool",), weight=weight, bias=bias))
    return FloatNetwork(name="digits_resnet", nodes=tuple(nodes))


def _convolution(parameters: Parameters, shape: Shape, source: str, activation: str) -> FloatConvolution:
    name, pad = shape.name, shape.kernel // 2
    norm = BatchNorm(
        gamma=parameters[f"{name}.gamma"],
        beta=parameters[f"{name}.beta"],
        mean=parameters[f"{name}.mean"],
        variance=parameters[f"{name}.variance"],
        epsilon=EPSILON,
    )
    return FloatConvolution(
        name=name,
        inputs=(source,),
        weight=parameters[f"{name}.weight"],
        batch_norm=norm,
        activation=activation,
        strides=(shape.stride, shape.stride),
        padding=((pad, pad), (pad, pad)),
    )


def initial(seed: int) -> dict[str, Floats]:
    """Untrained parameters: He's normal distribution, and zero as the last gain of each block's main path."""
    rng = np.random.default_rng(seed)
    found: dict[str, Floats] = {}
    for shape in CONVOLUTIONS:
        deviation = (2 / (shape.kernel**2 * shape.inputs)) ** 0.5
        found[f"{shape.name}.weight"] = _normal(rng, deviation, shape.weight)
        one, zero = np.ones(shape.outputs, np.float32), np.zeros(shape.outputs, np.float32)
        found[f"{shape.name}.gamma"] = zero if shape.name.endswith("conv2") else one
        found |= {f"{shape.name}.beta": zero, f"{shape.name}.mean": zero, f"{shape.name}.variance": one}
    found["head.weight"] = _normal(rng, FEATURES**-0.5, (CLASSES, FEATURES))
    found["head.bias"] = np.zeros(CLASSES, np.float32)
    return found


def _normal(rng: np.random.Generator, deviation: float, shape: tuple[int, ...]) -> Floats:
    return (rng.standard_normal(shape) * deviation).astype(np.float32)


def trained(name: str) -> FloatNetwork:
    """The network with trained weights, which float16 holds: one of `TRAINED`.

    Made by ``python -m analysis.hawq --train``. Raises ``KeyError`` for an unknown name.
    """
    return digits_resnet(trained_parameters(name))


def trained_parameters(name: str) -> dict[str, Floats]:
    """The arrays behind `trained`, in float32."""
    if name not in TRAINED:
        raise KeyError(f"unknown weights {name!r}; known: {', '.join(TRAINED)}")
    content = (files("analysis.networks") / "data" / f"digits_resnet_{name}.npz").read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {key: arrays[key].astype(np.float32) for key in arrays.files}
