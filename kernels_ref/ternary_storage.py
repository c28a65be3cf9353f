"""Ternary storages in JAX: the golden model's bytes under jit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from formats import parse_enum
from formats.ternary.storage import Foreign, TernaryStorage, ternary_storage
from reference.array import ternary_storage as array_storage
from reference.ternary_storage import check_elements, check_words, refuse_elements, refuse_words


def pack_trits(elements: ArrayLike, storage: str | TernaryStorage) -> Array:
    """`reference.ternary_storage.pack_trits` in JAX: same arguments, same bytes; works under jit and vmap.

    Elements out of range are refused where they can be seen; under a transformation that is the caller's part.

    >>> pack_trits(jnp.array([1, 0, -1, 1, 1]), "ternary_base3_multiply")
    Array([[208]], dtype=uint8)
    """
    spec, array = ternary_storage(storage), _array(elements)
    check_elements(array, spec)
    if not isinstance(array, Tracer):
        refuse_elements(np.asarray(array), spec)
    return _pack(array.astype(np.int8), spec)


def unpack_trits(words: ArrayLike, storage: str | TernaryStorage, *, foreign: Foreign | str) -> Array:
    """`reference.ternary_storage.unpack_trits` in JAX: same arguments, same elements; works under jit and vmap.

    Foreign bytes are refused where they can be seen; under a transformation they are decoded.

    >>> unpack_trits(jnp.array([[208]]), "ternary_base3_multiply", foreign="refuse")
    Array([ 1,  0, -1,  1,  1], dtype=int8)
    """
    spec, fate, array = ternary_storage(storage), parse_enum(Foreign, foreign, "foreign"), _array(words)
    check_words(array, spec)
    if not isinstance(array, Tracer):
        refuse_words(np.asarray(array), spec, fate)
    return _unpack(array.astype(np.uint8), spec)


def _array(values: ArrayLike) -> Any:
    return values if isinstance(values, Array) else np.asarray(values)


def _pack_array(elements: Array, storage: TernaryStorage) -> Array:
    return array_storage.pack(elements, storage, jnp)


def _unpack_array(words: Array, storage: TernaryStorage) -> Array:
    return array_storage.unpack(words, storage, jnp)


_pack: Callable[..., Array] = jax.jit(_pack_array, static_argnums=1)  # pyright: ignore[reportUnknownMemberType]
_unpack: Callable[..., Array] = jax.jit(_unpack_array, static_argnums=1)  # pyright: ignore[reportUnknownMemberType]
