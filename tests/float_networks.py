"""Small float networks with residual blocks: random ones, and one whose quantisation loses nothing."""

import numpy as np

from analysis.networks.calibration import NodeRange, Range
from analysis.networks.float_network import (
    BatchNorm,
    FloatAdd,
    FloatConvolution,
    FloatInput,
    FloatLinear,
    FloatNetwork,
    FloatPool,
)

F32 = np.float32


def convolution(rng, name, source, inputs, outputs, kernel=3, *, stride=1, activation="none"):
    norm = BatchNorm(
        gamma=rng.uniform(0.5, 1.5, outputs).astype(F32),
        beta=rng.normal(size=outputs).astype(F32),
        mean=rng.normal(size=outputs).astype(F32),
        variance=rng.uniform(0.5, 2, outputs).astype(F32),
        epsilon=1e-5,
    )
    pad = (kernel // 2, kernel // 2)
    return FloatConvolution(
        name=name,
        inputs=(source,),
        weight=(rng.normal(size=(outputs, kernel, kernel, inputs)) / kernel / inputs**0.5).astype(F32),
        batch_norm=norm,
        strides=(stride, stride),
        padding=(pad, pad),
        activation=activation,
    )


def residual_network(seed, *, pool=False):
    """A stem, an identity block, a transition block, an average, a classifier; a max pool after the stem if wanted."""
    rng = np.random.default_rng(seed)
    start = "pool" if pool else "stem"
    picture = FloatInput(name="x", shape=(8, 8, 1))
    nodes = [picture, convolution(rng, "stem", "x", 1, 8, activation="relu")]
    if pool:
        nodes.append(FloatPool(name="pool", inputs=("stem",), kind="max", window=(2, 2), strides=(2, 2)))
    nodes += [
        convolution(rng, "one.a", start, 8, 8, activation="relu"),
        convolution(rng, "one.b", "one.a", 8, 8),
        FloatAdd(name="one.sum", inputs=("one.b", start), activation="relu"),
        convolution(rng, "two.a", "one.sum", 8, 12, stride=2, activation="relu"),
        convolution(rng, "two.b", "two.a", 12, 12),
        convolution(rng, "two.short", "one.sum", 8, 12, 1, stride=2),
        FloatAdd(name="two.sum", inputs=("two.b", "two.short"), activation="relu"),
        FloatPool(name="mean", inputs=("two.sum",), kind="average", window=None),
        FloatLinear(
            name="logits",
            inputs=("mean",),
            weight=rng.normal(size=(5, 12)).astype(F32),
            bias=rng.normal(size=5).astype(F32),
        ),
    ]
    return FloatNetwork(name="residual", nodes=tuple(nodes))


def whole_network(largest):
    """Layers of small whole weights: scales are 1 in `whole_ranges`, and integers equal floats.

    ``largest`` is a weight of every output channel, which fixes its scale; it meets an input that is always 0.
    """
    rng = np.random.default_rng(largest)

    def layer(name, source, *, activation="none"):
        weight = rng.integers(-1, 2, (4, 1, 1, 4)).astype(F32)
        weight[0], weight[:, :, :, 0] = 0, largest  # channel 0 of every tensor stays 0
        return FloatConvolution(
            name=name,
            inputs=(source,),
            weight=weight,
            bias=np.array([0, 1, -2, 3], F32),
            activation=activation,
        )

    linear = np.concatenate([np.full((3, 1), 127), rng.integers(-3, 4, (3, 3))], 1).astype(F32)
    nodes = (
        FloatInput(name="x", shape=(2, 2, 4)),
        layer("stem", "x", activation="relu"),
        layer("a", "stem", activation="relu"),
        layer("b", "a"),
        FloatAdd(name="sum", inputs=("b", "stem"), activation="relu6"),
        FloatPool(name="max", inputs=("sum",), kind="max", window=None),
        FloatLinear(name="y", inputs=("max",), weight=linear, bias=np.array([5, -6, 7], F32)),
    )
    return FloatNetwork(name="whole", nodes=nodes)


def whole_ranges(network, ends, before):
    """The same range for every node, so that scales are the same as well."""
    return {node.name: NodeRange(Range(*ends), Range(*before)) for node in network}
