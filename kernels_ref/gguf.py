"""Blocks of GGUF tensors in JAX: the golden model's codes and values under jit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from formats.gguf.record import GgufType
from formats.gguf.types import gguf_type
from reference.array import gguf as array_gguf
from reference.gguf import check_data, rows


def unpack_gguf(data: ArrayLike, kind: str | GgufType) -> dict[str, Array]:
    """`reference.unpack_gguf` in JAX: same arguments, same codes; works under jit and vmap.

    >>> unpack_gguf(np.uint8([0, 0x3C, 0x2F, *range(15)]), "Q4_0")["scales"]
    Array([15360], dtype=uint16)
    """
    spec, array = gguf_type(kind), _array(data)
    check_data(array, spec)
    return _unpack(array, spec)


def dequantize_gguf(data: ArrayLike, kind: str | GgufType) -> Array:
    """`reference.dequantize_gguf` in JAX: same arguments, same bits, subnormals included; works under jit and vmap.

    >>> dequantize_gguf(np.uint8([0, 0x38, 0x2F, *range(15)]), "Q4_0")[:3]
    Array([ 3.5, -4. , -3.5], dtype=float32)
    """
    spec, array = gguf_type(kind), _array(data)
    check_data(array, spec)
    return _dequantize(array, spec)


def _array(data: ArrayLike) -> Any:
    return data if isinstance(data, Array) else np.asarray(data)


def _unpack_array(data: Array, spec: GgufType) -> dict[str, Array]:
    blocks = data.reshape(-1, spec.nbytes)
    return {name: rows(array_gguf.codes(blocks, field, jnp), data, spec) for name, field in spec.fields}


def _dequantize_array(data: Array, spec: GgufType) -> Array:
    values, _ = array_gguf.values(data.reshape(-1, spec.nbytes), spec, jnp)
    return rows(array_gguf.canonical(values, jnp), data, spec)


_unpack: Callable[..., dict[str, Array]] = jax.jit(_unpack_array, static_argnums=1)  # pyright: ignore[reportUnknownMemberType]
_dequantize: Callable[..., Array] = jax.jit(_dequantize_array, static_argnums=1)  # pyright: ignore[reportUnknownMemberType]
