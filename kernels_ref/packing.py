"""Packing in JAX: the golden model's bytes under jit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

import formats
from formats import Layout
from reference.array import packing as array_packing
from reference.packing import check_codes, check_words, refuse_codes, refuse_words


def pack(codes: ArrayLike, layout: str | Layout) -> Array:
    """`reference.pack` in JAX: same arguments, same bytes; works under jit and vmap.

    Codes that the layout does not store are refused where they can be seen; under a transformation that is the
    caller's part.

    >>> pack(jnp.array([0, 1, 3, 1]), "ternary_2bit")
    Array([137], dtype=uint8)
    """
    spec = formats.layout(layout)
    array: Any = codes if isinstance(codes, Array) else np.asarray(codes)
    check_codes(array, spec)
    if not isinstance(array, Tracer):
        refuse_codes(np.asarray(array), spec)
    return _pack(array.astype(np.uint8), spec)


def unpack(words: ArrayLike, layout: str | Layout) -> Array:
    """`reference.unpack` in JAX: same arguments, same codes; works under jit and vmap.

    Bytes that `pack` never produces are refused where they can be seen; under a transformation that is the caller's
    part.

    >>> unpack(jnp.array([137]), "ternary_2bit")
    Array([0, 1, 3, 1], dtype=uint8)
    """
    spec = formats.layout(layout)
    array: Any = words if isinstance(words, Array) else np.asarray(words)
    check_words(array)
    if not isinstance(array, Tracer):
        refuse_words(np.asarray(array), spec)
    return _unpack(array.astype(np.uint8), spec)


def _pack_array(codes: Array, layout: Layout) -> Array:
    return array_packing.pack(codes, layout, jnp)


def _unpack_array(words: Array, layout: Layout) -> Array:
    return array_packing.unpack(words, layout, jnp)


_pack: Callable[..., Array] = jax.jit(_pack_array, static_argnums=1)  # pyright: ignore[reportUnknownMemberType]
_unpack: Callable[..., Array] = jax.jit(_unpack_array, static_argnums=1)  # pyright: ignore[reportUnknownMemberType]
