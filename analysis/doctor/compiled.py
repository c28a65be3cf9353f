"""Functions through ``jax.jit``, and the bits of what comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

#: long enough for a vectorised loop with a remainder
LENGTH = 67

#: 2^-126 and 2^-127: binary32's smallest normal value and the largest power of two below it
NORMAL, SUBNORMAL = (np.array([bits], np.uint32).view(np.float32) for bits in (0x00800000, 0x00400000))


@overload
def compiled(function: Callable[[], Array]) -> NDArray[Any]: ...
@overload
def compiled(function: Callable[[Array], Array], x: NDArray[Any], /) -> NDArray[Any]: ...
@overload
def compiled(function: Callable[[Array, Array], Array], x: NDArray[Any], y: NDArray[Any], /) -> NDArray[Any]: ...
@overload
def compiled(
    function: Callable[[Array, Array, Array], Array], x: NDArray[Any], y: NDArray[Any], z: NDArray[Any], /
) -> NDArray[Any]: ...
def compiled(function: Callable[..., Array], *arguments: NDArray[Any]) -> NDArray[Any]:
    """``function`` under jit on the default device; arguments are arguments there, not constants."""
    run: Any = jax.jit(function)  # pyright: ignore[reportUnknownMemberType]
    return np.asarray(run(*arguments))


def row(value: float | np.float32 | NDArray[np.float32]) -> NDArray[np.float32]:
    """`LENGTH` copies of a number."""
    return np.full(LENGTH, value, np.float32)


def bytes_of(x: Array) -> Array:
    """The codes of an 8-bit type, inside jit."""
    return lax.bitcast_convert_type(x, jnp.uint8)


def words(x: NDArray[np.float32]) -> list[int]:
    """The distinct bit patterns of a float32 array."""
    return sorted({int(bits) for bits in x.reshape(-1).view(np.uint32)})


def hexadecimal(codes: list[int]) -> str:
    """Codes as text."""
    return ", ".join(f"{code:#04x}" for code in codes)
