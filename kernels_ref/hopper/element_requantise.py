"""Requantisation by one dyadic number of a tensor, which is compiled into the kernel.

With the number known, half of the golden model's 32-bit steps are constants, and what is left is bound by memory. One
number for each channel is data: that is `kernels_ref.requantise`, by XLA.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from formats import Dyadic, Format, IntSpec, Rounding, Saturation
from kernels_ref.hopper import element
from kernels_ref.hopper.element_arguments import whole_blocks
from kernels_ref.pallas import pallas
from reference.array import requantise as array_requantise
from reference.array.conversion import Conversion
from reference.array.requantise import requantisation


def requantise(
    x: ArrayLike,
    dyadic: Dyadic,
    fmt: str | Format,
    *,
    rounding: Rounding | str,
    saturation: Saturation | str,
    interpret: bool = False,
) -> Array:
    """`kernels_ref.requantise` by one number as a Mosaic GPU kernel: the same codes, bit for bit.

    ``x``: int32, any shape; a size that is no multiple of 4096 is padded in front of the kernel and cut behind it.
    ``dyadic``: one number, which other than in `kernels_ref.requantise` is part of the compiled code. ``fmt``: an
    integer format of at most 8 bits. ``interpret``: run on any backend by Pallas' GPU interpreter, slowly.

    Returns uint8 codes in the shape of ``x``. Works under jit. Raises ``TypeError`` and ``ValueError`` as
    `reference.requantise`, and for what only `kernels_ref.requantise` takes; ``ImportError`` without Mosaic GPU.

    >>> requantise(jnp.array([5, 7]), Dyadic(multiplier=1, shift=1), "int8", rounding="nearest_ties_to_even",
    ...            saturation="sat_finite", interpret=True)  # doctest: +SKIP
    Array([2, 4], dtype=uint8)
    """
    request = requantisation(fmt, rounding=rounding, saturation=saturation)
    values: Any = x if isinstance(x, Array) else np.asarray(x)
    if request[0].bits > 8:
        raise ValueError(f"{request[0].name} has {request[0].bits} bits; the kernel writes codes of at most 8")
    if values.dtype.name != "int32":
        raise TypeError(f"x has dtype {values.dtype.name}; the kernel takes int32, kernels_ref.requantise more")
    if not isinstance(dyadic, Dyadic):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError("dyadic must be one formats.Dyadic; kernels_ref.requantise takes one for each channel")
    pallas()
    return _requantise(values, dyadic, request, interpret)


def requantiser(dyadic: Dyadic, request: tuple[IntSpec, Conversion], size: int, *, interpret: bool = False) -> Any:
    """The kernel that maps ``size`` int32 numbers, a multiple of `element.PER_CTA`, to uint8 codes."""

    def codes(x: Array) -> Array:
        multiplier, shift = (lax.full(x.shape, number, jnp.uint32) for number in (dyadic.multiplier, dyadic.shift))
        return array_requantise.requantise(x, multiplier, shift, request, jnp)

    return element.each(codes, jax.ShapeDtypeStruct((size,), jnp.uint8), interpret=interpret)


def _requantise_array(x: Array, dyadic: Dyadic, request: tuple[IntSpec, Conversion], interpret: bool) -> Array:
    size = math.prod(x.shape)
    if size == 0:
        return x.astype(jnp.uint8)
    row = whole_blocks(x, size)
    return requantiser(dyadic, request, row.size, interpret=interpret)(row)[:size].reshape(x.shape)


_requantise: Callable[..., Array] = jax.jit(_requantise_array, static_argnums=(1, 2, 3))  # pyright: ignore[reportUnknownMemberType]
