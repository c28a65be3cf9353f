"""XLA's own matrix products and copies: what the kernels are compared with, on operands of their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import ml_dtypes
import numpy as np
from jax import Array

_JAX: Any = jax
_NUMPY: Any = jax.numpy

Call = Callable[[], Array]

#: dtype of the operands -> dtype of the result
PRODUCTS = {"bfloat16": "bfloat16", "float8_e4m3fn": "float32", "int8": "int32"}


def product_calls(dtype: str, m: int, n: int, k: int, buffers: int, seed: int = 0) -> list[Call]:
    """``(M, K)`` times ``(N, K)`` in one of `PRODUCTS`, each call on weights of its own; compiled once."""
    if dtype not in PRODUCTS:
        raise ValueError(f"dtype is {dtype!r}; XLA's products are timed for {', '.join(PRODUCTS)}")
    keys = _JAX.random.split(_JAX.random.key(seed), buffers + 1)
    x = drawn(keys[0], (m, k), dtype)
    return [partial(_product, x, drawn(key, (n, k), dtype), PRODUCTS[dtype]) for key in keys[1:]]


def copy_call(elements: int) -> Call:
    """Reads and writes ``elements`` float32 numbers: the ceiling of what moves."""
    return partial(_add_one, _NUMPY.ones(elements, "float32"))


def read_call(elements: int) -> Call:
    """Reads ``elements`` float32 numbers: the ceiling of what streams weights."""
    return partial(_largest, _NUMPY.ones(elements, "float32"))


def _draw(key: Array, shape: tuple[int, ...], dtype: str) -> Array:
    """Random numbers: power depends on them, and with it the clock."""
    if dtype == "int8":
        return _JAX.lax.bitcast_convert_type(_JAX.random.bits(key, shape, "uint8"), "int8")
    return _JAX.random.normal(key, shape, "bfloat16").astype(np.dtype(getattr(ml_dtypes, dtype)))


def _multiply(x: Array, w: Array, out: str) -> Array:
    return _JAX.lax.dot_general(x, w, (((1,), (1,)), ((), ())), preferred_element_type=np.dtype(_dtype(out)))


def _dtype(name: str) -> Any:
    return getattr(ml_dtypes, name, None) or name


def _plus_one(x: Array) -> Array:
    return x + 1


def _most(x: Array) -> Array:
    return _NUMPY.max(x)


drawn: Callable[..., Array] = _JAX.jit(_draw, static_argnums=(1, 2))
_product: Callable[..., Array] = _JAX.jit(_multiply, static_argnums=2)
_add_one: Callable[..., Array] = _JAX.jit(_plus_one)
_largest: Callable[..., Array] = _JAX.jit(_most)
