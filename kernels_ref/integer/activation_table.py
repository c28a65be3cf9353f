"""TFLite's table of 513 int16 entries with a line between them, in JAX. Tables of int8: `kernels_ref.integer.table`."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from reference.integer.activation_table import checked_entries


def look_up16(q: Array, table: tuple[int, ...]) -> Array:
    """`reference.integer.activation_table.look_up16` in JAX: same integers and errors; integers of 32 bits; jit, vmap.

    >>> look_up16(jnp.array([-32768, -64, 64, 32767], jnp.int16), tuple(range(-256, 257)))
    Array([-256,    0,    1,  256], dtype=int16)
    """
    if q.dtype != jnp.int16:
        raise TypeError(f"q has dtype {q.dtype.name}; a table of int16 is read by int16")
    entries = jnp.asarray(checked_entries(table).astype("int32"))  # pyright: ignore[reportUnknownMemberType]
    wide = q.astype(jnp.int32)
    place = (wide >> 7) + 256
    base = entries.at[place].get(mode="promise_in_bounds")
    slope = entries.at[place + 1].get(mode="promise_in_bounds") - base
    return (base + ((slope * (wide & 127) + 64) >> 7)).astype(jnp.int16)
