"""Training of the digits network in JAX: in floats, then as the integer network that it is to become."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from analysis.networks.calibration import calibrate
from analysis.networks.digits import Digits
from analysis.networks.digits_resnet import EPSILON, Parameters, digits_resnet, initial
from analysis.networks.fake_quantisation import fake_activation, fake_weight
from analysis.networks.float_network import (
    FloatAdd,
    FloatConvolution,
    FloatInput,
    FloatLinear,
    FloatNetwork,
    FloatPool,
    fold,
)
from analysis.progress import Progress, silent

#: the part of a target that is spread over all classes
SMOOTHING = 0.1
#: the part of the old running statistics that a step keeps
MOMENTUM = 0.9
BATCH = 64

Arrays = Mapping[str, Any]
Weighted = FloatConvolution | FloatLinear
#: a layer before its activation, from its node and its input
Apply = Callable[[Weighted, Array], Array]
#: loss and new running statistics, from parameters, calibrated magnitudes, pictures and labels
Loss = Callable[[Arrays, Arrays, Array, Array], tuple[Array, dict[str, Array]]]


def train(seed: int, data: Digits, *, epochs: int = 40, rate: float = 3e-3, progress: Progress = silent) -> Parameters:
    """Parameters after ``epochs`` of Adam: cross-entropy with smoothed targets, pictures moved by up to a pixel.

    Batch norms take the statistics of each batch of 64 and keep running ones. Everything random comes from ``seed``;
    equal arguments give equal bits on one machine, and XLA's sums depend on the machine.
    """
    network = digits_resnet(initial(seed))

    def loss(given: Arrays, _: Arrays, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        seen: dict[str, Array] = {}

        def apply(node: Weighted, x: Array) -> Array:
            if isinstance(node, FloatLinear):
                return x @ given["head.weight"].T + given["head.bias"]
            x = _convolve(node, x, given[f"{node.name}.weight"])
            mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
            seen.update({f"{node.name}.mean": mean, f"{node.name}.variance": variance})
            gain = given[f"{node.name}.gamma"] / jnp.sqrt(variance + EPSILON)
            return (x - mean) * gain + given[f"{node.name}.beta"]

        return cross_entropy(_logits(network, apply, x), y), seen

    return _descend(loss, initial(seed), lambda _: {}, data, seed, epochs, rate, progress)


def fine_tune(
    start: Parameters,
    bits: Mapping[str, int],
    seed: int,
    data: Digits,
    *,
    epochs: int = 15,
    rate: float = 5e-4,
    progress: Progress = silent,
) -> Parameters:
    """Parameters after training on as the integer network of scheme ``hawq_v3`` with these bits, 8 for other layers.

    Weights with their batch norm folded in, by frozen statistics, and what layers read are rounded as that scheme
    does; gradients pass straight through. Ranges are calibrated on the training pictures before every epoch. What
    the simulation leaves out: 16 bits between blocks, rounded biases, and the sums' own roundings.
    """
    network = digits_resnet(start)

    def loss(given: Arrays, magnitudes: Arrays, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        def apply(node: Weighted, x: Array) -> Array:
            k = bits.get(node.name, 8)
            x = fake_activation(x, magnitudes[node.inputs[0]], k)
            weight, bias = _folded(given, node)
            if isinstance(node, FloatLinear):
                return x @ fake_weight(weight, k).T + bias
            return _convolve(node, x, fake_weight(weight, k)) + bias

        return cross_entropy(_logits(network, apply, x), y), {}

    def magnitudes(parameters: Parameters) -> Arrays:
        ranges = calibrate(fold(digits_resnet(parameters)), [data.train_x])
        return {name: np.float32(max(-one.after.low, one.after.high)) for name, one in ranges.items()}

    return _descend(loss, start, magnitudes, data, seed, epochs, rate, progress)


def _folded(given: Arrays, node: Weighted) -> tuple[Array, Array]:
    name = node.name
    if isinstance(node, FloatLinear):
        return given[f"{name}.weight"], given[f"{name}.bias"]
    mean, variance = (jax.lax.stop_gradient(given[f"{name}.{kind}"]) for kind in ("mean", "variance"))
    gain = given[f"{name}.gamma"] / jnp.sqrt(variance + EPSILON)
    return given[f"{name}.weight"] * gain[:, None, None, None], given[f"{name}.beta"] - mean * gain


def _logits(network: FloatNetwork, apply: Apply, x: Array) -> Array:
    """The network's nodes in order, its layers by ``apply``."""
    found: dict[str, Array] = {}
    for node in network:
        inputs = [found[name] for name in node.inputs]
        match node:
            case FloatInput():
                found[node.name] = x
            case FloatConvolution() | FloatLinear():
                found[node.name] = jnp.clip(apply(node, inputs[0]), *node.bounds)
            case FloatAdd():
                found[node.name] = jnp.clip(inputs[0] + inputs[1], *node.bounds)
            case FloatPool():
                found[node.name] = inputs[0].mean((1, 2))
            case _:
                raise TypeError(f"node {node.name!r} is a {type(node).__name__}, which is not trained here")
    return found[network.nodes[-1].name]


def _convolve(node: FloatConvolution, x: Array, weight: Array) -> Array:
    """One matrix product with the windows side by side: its gradients are quick on CPUs, a convolution's are not."""
    outputs, height, width, _ = weight.shape
    x = jnp.pad(x, ((0, 0), *node.padding, (0, 0)))  # pyright: ignore[reportUnknownMemberType]
    rows, columns = ((size - kernel) + 1 for size, kernel in zip(x.shape[1:3], (height, width), strict=True))
    down, right = node.strides
    windows = [x[:, i : i + rows : down, j : j + columns : right] for i in range(height) for j in range(width)]
    return jnp.concatenate(windows, -1) @ weight.reshape(outputs, -1).T


def cross_entropy(logits: Array, y: Array) -> Array:
    """Against targets of which `SMOOTHING` is spread over all classes."""
    logs = jax.nn.log_softmax(logits)
    return -(1 - SMOOTHING) * jnp.take_along_axis(logs, y[:, None], 1).mean() - SMOOTHING * logs.mean()


def _descend(
    loss: Loss,
    start: Parameters,
    context: Callable[[Parameters], Arrays],
    data: Digits,
    seed: int,
    epochs: int,
    rate: float,
    progress: Progress,
) -> Parameters:
    """Adam with a rate that falls as a cosine; ``context`` is asked before every epoch."""
    rng = np.random.default_rng(seed)
    flat, named = ravel_pytree(dict(start))
    m = v = flat * 0
    step, steps = _stepper(loss, named), len(data.train_x) // BATCH
    for epoch in range(epochs):
        given = context(_arrays(named(flat)))
        order = rng.permutation(len(data.train_x))[: steps * BATCH].reshape(steps, BATCH)
        value: Any = 0.0
        for index, chosen in enumerate(order):
            count = epoch * steps + index
            now = rate * 0.5 * (1 + np.cos(np.pi * count / (epochs * steps)))
            x, y = moved(data.train_x[chosen], rng), data.train_y[chosen]
            flat, m, v, value = step(flat, m, v, given, x, y, np.float32(now), np.float32(count + 1))
        progress(epoch + 1, epochs, f"loss {float(value):.4f}")
    return _arrays(named(flat))


def _stepper(loss: Loss, named: Callable[[Array], dict[str, Array]]) -> Callable[..., tuple[Array, ...]]:
    def step(flat: Array, m: Array, v: Array, given: Arrays, x: Array, y: Array, rate: Array, count: Array) -> Any:
        def of_flat(flat: Array) -> tuple[Array, dict[str, Array]]:
            return loss(named(flat), given, x, y)

        graded: Any = jax.value_and_grad(of_flat, has_aux=True)  # pyright: ignore[reportUnknownMemberType]
        (value, seen), gradient = graded(flat)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        flat = flat - rate * (m / (1 - 0.9**count)) / (jnp.sqrt(v / (1 - 0.999**count)) + 1e-8)
        parameters = named(flat)
        for name, fresh in seen.items():
            parameters[name] = MOMENTUM * parameters[name] + (1 - MOMENTUM) * fresh
        return ravel_pytree(parameters)[0], m, v, value

    compiled: Callable[..., tuple[Array, ...]] = jax.jit(step)  # pyright: ignore[reportUnknownMemberType]
    return compiled


def moved(x: np.ndarray[Any, Any], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Each picture moved by -1, 0 or 1 pixel down and to the right, zeros coming in."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    corners = rng.integers(0, 3, (2, len(x)))
    parts = [
        picture[i : i + x.shape[1], j : j + x.shape[2]]
        for picture, i, j in zip(padded, corners[0].tolist(), corners[1].tolist(), strict=True)
    ]
    return np.stack(parts)


def _arrays(parameters: Arrays) -> dict[str, Any]:
    return {name: np.asarray(values, np.float32) for name, values in parameters.items()}
