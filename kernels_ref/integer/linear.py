"""Integer matrix products in JAX: int8 by int8 into int32."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from kernels_ref.integer.words import accumulators
from reference.integer.network import Affine, Linear


def linear(x: Array, affine: Affine, node: Linear) -> Array:
    """The accumulators of a linear layer, int32: (batch, in) by the node's weight (out, in).

    ``sum (x - z) * weight + bias`` over the inputs, modulo ``2^32``. ``affine``: the quantisation of ``x``.
    """
    return accumulators(x, affine, node, lambda values, _: product(values, node.weight))


def product(x: Array, weight: ArrayLike) -> Array:
    """int8 (..., in) by int8 (out, in) -> int32 (..., out)."""
    dimensions = (((x.ndim - 1,), (1,)), ((), ()))
    return lax.dot_general(  # pyright: ignore[reportUnknownMemberType]
        x, weight, dimensions, preferred_element_type=jnp.int32
    )
