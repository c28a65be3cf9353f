"""Integer-valued networks in JAX."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from formats.order.ivnn import Ivnn
from reference.order.ivnn import LARGEST, check, int32_layers, refuse_overflow


def run_ivnn(network: Ivnn, numerators: ArrayLike, *, denominator: int, largest: int = LARGEST) -> Array:
    """`reference.order.run_ivnn` in JAX: same arguments, same integers; works under jit and vmap.

    ``largest``: the largest numerator that occurs; needed under a transformation, where the numbers cannot be looked
    at. Elsewhere they are.

    >>> from formats.order.ivnn import IvnnLayer
    >>> net = Ivnn(layers=(IvnnLayer(weights=((1, -2),), bias=(0,), thresholds=(0,)),))
    >>> run_ivnn(net, np.int32([[7, 2]]), denominator=3).tolist()
    [[3]]
    """
    x = numerators if isinstance(numerators, Array) else np.asarray(numerators)
    check(network, x, denominator)
    if not isinstance(x, Tracer):
        largest = int(np.abs(np.asarray(x).astype(np.int64)).max(initial=0))
    refuse_overflow(network, largest, denominator)
    values: Array = jnp.asarray(x)  # pyright: ignore[reportUnknownMemberType]
    for weights, bias, thresholds in int32_layers(network, denominator):
        values = jnp.maximum((values[..., None, :] * weights).sum(axis=-1, dtype=jnp.int32) + bias, thresholds)
    return values
