"""Pallas Mosaic GPU kernels that encode and decode, their bodies generated from the format's record.

The doors to `kernels_ref.hopper.element`: checks, and sizes that are no whole number of thread blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from formats import Format, NanRule, Rounding, Saturation
from kernels_ref.codec import as_jax
from kernels_ref.hopper.element import PER_CTA, decodable, decoder
from kernels_ref.hopper.element import encoder as kernel
from kernels_ref.hopper.element_arguments import DTYPES, checked, drawn, whole_blocks
from kernels_ref.pallas import pallas
from reference.array.conversion import Conversion, conversion

__all__ = ["DTYPES", "PER_CTA", "decode", "encode", "kernel"]


def encode(
    x: ArrayLike,
    fmt: str | Format,
    *,
    rounding: Rounding | str,
    saturation: Saturation | str,
    nan: NanRule | str | None = None,
    random_bits: ArrayLike | None = None,
    random_bit_count: int | None = None,
    interpret: bool = False,
) -> Array:
    """`reference.encode` as one Mosaic GPU kernel: same arguments, same codes, bit for bit.

    Arguments:
        x: float32, bfloat16 or float16, any shape. The kernel works on whole blocks of 4096 elements: a size that
            is no multiple is padded with zeros in front of it and the codes of the padding are cut off behind it
            (two more passes over the data, by XLA).
        fmt: a registered or own format of at most 8 bits.
        nan: must be stated for a format that has no NaN, since a kernel refuses no element.
        random_bits: for the stochastic modes, as in `kernels_ref.encode`.
        interpret: run on any backend by Pallas' GPU interpreter, slowly; else a Hopper GPU (H100) or newer.

    Returns uint8 codes in the shape of ``x``. Works under jit.

    Raises ``ImportError`` where Mosaic GPU is missing (it needs jax 0.11.2, so Python 3.12), ``TypeError`` or
    ``ValueError`` as `reference.encode`, for other dtypes, and for formats above 8 bits.

    >>> encode(jnp.array([1.0, 500.0]), "float8_e4m3fn", rounding="nearest_ties_to_even", saturation="sat_finite",
    ...        interpret=True)  # doctest: +SKIP
    Array([ 56, 126], dtype=uint8)
    """
    request = checked(
        conversion(fmt, rounding=rounding, saturation=saturation, nan=nan, random_bit_count=random_bit_count)
    )
    values = as_jax(x)
    if values.dtype.name not in DTYPES:
        raise TypeError(f"x has dtype {values.dtype.name}; the kernel takes {', '.join(DTYPES)}")
    bits = drawn(random_bits, request, values.shape)
    return _encode(values, bits, request, interpret)


def _encode_array(x: Array, random_bits: Array | None, request: Conversion, interpret: bool) -> Array:
    size = math.prod(x.shape)
    if size == 0:
        return lax.full(x.shape, 0, jnp.uint8)
    operands = [whole_blocks(operand, size) for operand in (x, random_bits) if operand is not None]
    codes = kernel(request, operands[0].size, interpret=interpret)(*operands)
    return codes[:size].reshape(x.shape)


_encode: Callable[..., Array] = jax.jit(_encode_array, static_argnums=(2, 3))  # pyright: ignore[reportUnknownMemberType]


def decode(codes: ArrayLike, fmt: str | Format, *, dtype: str = "float32", interpret: bool = False) -> Array:
    """`reference.decode` as one Mosaic GPU kernel, bit for bit: every value of a format of at most 8 bits is exact.

    Arguments:
        codes: 8-bit integers, a code in each, any shape; a size that is no multiple of 4096 is padded and cut.
        fmt: a registered or own format of at most 8 bits. Codes that it does not have are the caller's to avoid.
        dtype: of the values, float32 or bfloat16.
        interpret: run on any backend by Pallas' GPU interpreter, slowly; else a Hopper GPU (H100) or newer.

    Returns numbers in the shape of ``codes``. Works under jit.

    Raises ``ImportError`` where Mosaic GPU is missing, ``TypeError`` for other dtypes of codes, and ``ValueError`` for
    formats with a value that ``dtype`` lacks and for other dtypes of values.

    >>> decode(jnp.array([56, 126], jnp.uint8), "float8_e4m3fn", dtype="bfloat16", interpret=True)  # doctest: +SKIP
    Array([1, 448], dtype=bfloat16)
    """
    spec, array = decodable(fmt, dtype), as_jax(codes)
    if array.dtype.name not in ("uint8", "int8"):
        raise TypeError(f"codes have dtype {array.dtype.name}; the kernel takes uint8 and int8")
    pallas()
    return _decode(array, spec, dtype, interpret)


def _decode_array(codes: Array, spec: Format, dtype: str, interpret: bool) -> Array:
    if codes.size == 0:
        return lax.full(codes.shape, 0, jnp.dtype(dtype))
    row = whole_blocks(lax.bitcast_convert_type(codes, jnp.uint8), codes.size)
    return decoder(spec, row.size, dtype, interpret=interpret)(row)[: codes.size].reshape(codes.shape)


_decode: Callable[..., Array] = jax.jit(_decode_array, static_argnums=(1, 2, 3))  # pyright: ignore[reportUnknownMemberType]
