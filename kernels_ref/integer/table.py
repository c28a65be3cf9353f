"""An activation as a table of 256 integers, in JAX."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from reference.integer.network import Affine, Table
from reference.integer.ranges import integer_dtype


def look_up(x: Array, source: Affine, node: Table) -> Array:
    """The entry of each integer; the first is that of the least integer of the input's format."""
    table = np.array(node.table, integer_dtype(node.out.format))
    entries = jnp.asarray(table)  # pyright: ignore[reportUnknownMemberType]
    places = x.astype(jnp.int32) - jnp.int32(source.format.minimum)
    return entries.at[places].get(mode="promise_in_bounds")
