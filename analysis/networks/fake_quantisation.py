"""HAWQ-V3's quantisation simulated in float32, with straight-through gradients, for training."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def fake_weight(weight: Array, bits: int) -> Array:
    """The weight at the nearest integer multiples of its channel's scale ``max |w| / (2^(bits-1) - 1)``.

    ``weight``: output channels along the first axis. The gradient is that of the identity.

    >>> fake_weight(jnp.array([[0.7, -0.32, 0.1], [0.0, 0.0, 0.0]]), 4).round(6).tolist()[0]
    [0.699999988079071, -0.30000001192092896, 0.10000000149011612]
    """
    magnitude = jnp.abs(weight).max(tuple(range(1, weight.ndim)), keepdims=True)
    scale = jnp.maximum(magnitude, 1e-8) / (2 ** (bits - 1) - 1)
    return _straight_through(weight, jnp.round(weight / scale) * scale)


def fake_activation(x: Array, high: Array, bits: int) -> Array:
    """Activations of 8 bits in [-128, 127] by ``high / 127``, of 4 bits in [0, 15] by ``high / 15``.

    ``high``: the largest magnitude that was calibrated. The gradient is that of clipping.

    >>> fake_activation(jnp.array([-1.0, 0.5, 1.4, 20.0]), jnp.float32(15), 4).tolist()
    [0.0, 0.0, 1.0, 15.0]
    """
    low, top = (-128, 127) if bits == 8 else (0, 15)
    scale = jnp.maximum(high, 1e-8) / top
    clipped = jnp.clip(x, low * scale, top * scale)
    return _straight_through(clipped, jnp.round(clipped / scale) * scale)


def _straight_through(x: Array, value: Array) -> Array:
    return x + jax.lax.stop_gradient(value - x)
