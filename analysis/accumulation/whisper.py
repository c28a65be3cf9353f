"""Real activations: the encoder of Whisper tiny.en, run in float32 on thirty seconds of sound.

The weights are the FP16 ones of `analysis.tensors.default`. Source: Radford et al., arXiv 2212.04356.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from analysis.accumulation.sound import log_mel

#: of types unknown to a strict checker
jnp: Any = jax.numpy

Array = NDArray[np.float32]
Weights = dict[str, Array]
HEADS = 6


@functools.cache
def weights() -> Weights:
    """All the encoder's numbers by name, biases and norms included, widened to float32."""
    from analysis.tensors import default, load

    loaded = load(default()[0].source, names="encoder/*")
    return {tensor.name.removeprefix("encoder/"): tensor.values.astype(np.float32) for tensor in loaded}


def hidden(sound: Array) -> Iterator[Array]:
    """For each layer in turn, what its second MLP matrix multiplies: (1500 positions, 1536)."""
    w = weights()
    x = _gelu(_convolved(jnp.asarray(log_mel(sound)), "conv1", 1))
    x = _gelu(_convolved(x, "conv2", 2)) + w["position_encodings/encodings"]
    for layer in range(layers()):
        name = f"layer_{layer}"
        heads = _linear(_normed(x, f"{name}/self_attention"), f"{name}/self_attention/linear_0")
        x = x + _linear(_attention(heads), f"{name}/self_attention/linear_1")
        inner = _gelu(_linear(_normed(x, f"{name}/ffn"), f"{name}/ffn/linear_0"))
        yield np.asarray(inner)
        x = x + _linear(inner, f"{name}/ffn/linear_1")


def layers() -> int:
    """Layers of the encoder."""
    return sum(name.endswith("/ffn/linear_1/weight") for name in weights())


def _gelu(x: Any) -> Any:
    return jax.nn.gelu(x, approximate=False)


def _linear(x: Any, name: str) -> Any:
    w = weights()
    return x @ w[f"{name}/weight"].T + w[f"{name}/bias"]


def _normed(x: Any, name: str) -> Any:
    w, norm = weights(), f"{name}/layer_norm"
    centred = x - x.mean(-1, keepdims=True)
    return centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * w[f"{norm}/gamma"] + w[f"{norm}/beta"]


def _attention(heads: Any) -> Any:
    """Scaled dot products of each head's positions, all with all."""
    q, k, v = (part.reshape(len(part), HEADS, -1).swapaxes(0, 1) for part in jnp.split(heads, 3, axis=1))
    shares = jax.nn.softmax(q @ k.swapaxes(1, 2) * q.shape[-1] ** -0.5, axis=-1)
    return (shares @ v).swapaxes(0, 1).reshape(len(heads), -1)


def _convolved(x: Any, name: str, stride: int) -> Any:
    """A convolution over time, three taps wide; (time, channels)."""
    kernel, padded = weights()[f"{name}/weight"], jnp.pad(x, ((1, 1), (0, 0)))
    taps = [padded[tap : tap + len(x) : stride] @ kernel[:, :, tap].T for tap in range(3)]
    return sum(taps) + weights()[f"{name}/bias"]
