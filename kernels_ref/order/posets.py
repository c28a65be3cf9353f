"""Poset filters and poset pooling in JAX: integers as in the golden model, floats with the gradient of the winner."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from formats.order.poset import Poset
from reference.array import posets as array_posets
from reference.order.posets import check, check_picture

FLOATS = ("float16", "bfloat16", "float32", "float64")


def poset_filter(x: ArrayLike, poset: Poset, *, zero_point: int = 0) -> Array:
    """`reference.order.poset_filter` in JAX: same integers and errors; floats are taken too, and have a gradient.

    Floats have zero point 0; their gradient is the indicator vector of the up-set that wins, the first of several.

    >>> from formats.order.poset import four_point_poset
    >>> jax.grad(lambda x: poset_filter(x, four_point_poset(2)))(jnp.float32([3, -1, -4, 2]))
    Array([1., 1., 0., 1.], dtype=float32)
    """
    values: Any = x if isinstance(x, Array) else np.asarray(x)
    if values.shape[-1:] != (poset.size,):
        raise ValueError(f"x of shape {values.shape} has no last axis of {poset.size}, the points of {poset.name}")
    return _largest(_differences(values, poset, zero_point, check), poset)


def poset_pool(x: ArrayLike, poset: Poset, *, zero_point: int = 0) -> Array:
    """`reference.order.poset_pool` in JAX: same integers and errors; floats are taken too, and have a gradient.

    >>> from formats.order.poset import four_point_poset
    >>> poset_pool(jnp.int8([[[5], [-3]], [[1], [-2]]]), four_point_poset(1)).item()
    6
    """
    values: Any = x if isinstance(x, Array) else np.asarray(x)
    differences = _differences(values, poset, zero_point, check_picture)
    return _largest(array_posets.windows(differences, jnp), poset)  # pyright: ignore[reportArgumentType]


def _differences(x: Any, poset: Poset, zero_point: int, check_integers: Any) -> Array:
    """``x - z`` in the type that holds the sums."""
    if x.dtype.name in FLOATS:
        if zero_point:
            raise ValueError(f"zero_point={zero_point} is for integers; x has dtype {x.dtype.name}")
        check_integers(np.broadcast_to(np.int8(0), x.shape), poset, 0)  # shapes are as for integers
        return jnp.asarray(x)  # pyright: ignore[reportUnknownMemberType]
    wide = check_integers(x, poset, zero_point)
    return jnp.asarray(x).astype(wide) - wide.type(zero_point)  # pyright: ignore[reportUnknownMemberType]


def _largest_sum(points: Array, poset: Poset) -> Array:
    return array_posets.sums(points, poset, jnp).max(axis=-1)  # pyright: ignore[reportArgumentType]


def _largest_jvp(poset: Poset, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (points,), (moved,) = primals, tangents
    totals = array_posets.sums(points, poset, jnp)  # pyright: ignore[reportArgumentType]
    won = np.array(array_posets.indicators(poset), moved.dtype)
    chosen = jnp.take(won, totals.argmax(axis=-1), axis=0)  # pyright: ignore[reportUnknownMemberType]
    return totals.max(axis=-1), (moved * chosen).sum(axis=-1)


_largest: Any = jax.custom_jvp(_largest_sum, nondiff_argnums=(1,))
_largest.defjvp(_largest_jvp)
