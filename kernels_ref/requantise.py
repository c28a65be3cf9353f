"""Requantisation in JAX: the golden model's 32-bit words under jit; 64-bit types may be on or off."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from formats import Dyadic, Format, IntSpec, Rounding, Saturation
from reference.array import requantise as array_requantise
from reference.array.conversion import Conversion
from reference.array.requantise import requantisation
from reference.requantise import check_accumulator, multipliers


def requantise(
    x: ArrayLike,
    dyadic: Dyadic | Sequence[Dyadic],
    fmt: str | Format,
    *,
    rounding: Rounding | str,
    saturation: Saturation | str,
) -> Array:
    """`reference.requantise` in JAX: same arguments, same codes and errors, bit for bit; works under jit and vmap.

    The dyadic numbers are data of the compiled code: others do not compile anew.

    >>> half = Dyadic(multiplier=1, shift=1)
    >>> requantise(jnp.array([5, 7]), half, "int8", rounding="nearest_ties_to_even", saturation="sat_finite")
    Array([2, 4], dtype=uint8)
    """
    request = requantisation(fmt, rounding=rounding, saturation=saturation)
    values = x if isinstance(x, Array) else np.asarray(x)
    check_accumulator(values.dtype)
    multiplier, shift = multipliers(dyadic, values.shape)
    return _requantise(jnp.asarray(values), multiplier, shift, request)  # pyright: ignore[reportUnknownMemberType]


def _requantise_array(x: Array, multiplier: ArrayLike, shift: ArrayLike, request: tuple[IntSpec, Conversion]) -> Array:
    return array_requantise.requantise(x, multiplier, shift, request, jnp)


_requantise: Callable[..., Array] = jax.jit(  # pyright: ignore[reportUnknownMemberType]
    _requantise_array, static_argnums=3
)
