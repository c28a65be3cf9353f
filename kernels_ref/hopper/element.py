"""Kernels for each element by itself: straight from global memory to registers and back, no shared memory.

A thread block (CTA) has 128 threads and 4096 elements. Their body is generated from the format's record
(`kernels_ref.hopper.element_nearest`, else the golden model's own code). Codes of 4 bits are stored through a reference
of 4-bit integers, which packs them two to a byte, the first in the low nibble.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from formats import Format, get
from kernels_ref.hopper import element_nearest
from kernels_ref.pallas import interpreter, pallas, store
from reference.array import decode as array_decode
from reference.array.conversion import Conversion

#: elements of one thread block: 32 for each of its 128 threads
PER_CTA = 4096
#: neighbours that a thread holds, for inputs of 4 bytes and of less: 16 bytes
_VECTOR = {4: 4, 2: 8, 1: 16}
#: the dtypes that codes are decoded into
DECODED = ("float32", "bfloat16")


def encoder(request: Conversion, size: int, *, packed: bool = False, interpret: bool = False) -> Any:
    """The kernel of a conversion, for one-dimensional operands of ``size`` elements, a multiple of `PER_CTA`.

    It maps float32, bfloat16 or float16 numbers (and uint32 random bits, if the rounding is stochastic) to uint8 codes,
    or, where ``packed``, for formats of at most 4 bits, to uint4 codes, two of which share a byte.
    """

    def codes(x: Array, *random_bits: Array) -> Array:
        found = element_nearest.encode(x, request, jnp, *random_bits)
        return found.astype(jnp.uint4) if packed else found

    return each(codes, jax.ShapeDtypeStruct((size,), jnp.uint4 if packed else jnp.uint8), interpret=interpret)


def decoder(spec: Format, size: int, dtype: str, *, packed: bool = False, interpret: bool = False) -> Any:
    """The kernel that maps ``size`` uint8 codes (uint4 where ``packed``), a multiple of `PER_CTA`, to `values`."""

    def decoded(codes: Array) -> Array:
        return values(codes.astype(jnp.uint8), spec, dtype)

    return each(decoded, jax.ShapeDtypeStruct((size,), jnp.dtype(dtype)), interpret=interpret)


def decodable(fmt: str | Format, dtype: str) -> Format:
    """The format, if every value of it is one of ``dtype``: ``ValueError`` otherwise."""
    spec = get(fmt)
    if dtype not in DECODED:
        raise ValueError(f"dtype={dtype!r} is not decoded into; choose one of: {', '.join(DECODED)}")
    if spec.bits > 8 or array_decode.target(spec) is not array_decode.BINARY32:
        raise ValueError(f"{spec.name}: the kernels decode formats of at most 8 bits whose values binary32 holds")
    return spec


def values(codes: Array, spec: Format, dtype: str) -> Array:
    """Values of uint8 codes in one of `DECODED`; at most 8 significant bits fit the upper half of binary32."""
    numbers = array_decode.decode(codes, spec, jnp)
    if dtype == "float32":
        return numbers
    return (numbers.view(jnp.int32) >> 16).astype(jnp.int16).view(jnp.bfloat16)


def each(function: Callable[..., Array], out: jax.ShapeDtypeStruct, *, interpret: bool = False) -> Any:
    """The kernel that applies a function of arrays to one-dimensional operands, `PER_CTA` elements at a time."""
    plgpu, pl = pallas()

    def body(*refs: Any) -> None:
        *operands, result = refs
        block = pl.ds(lax.axis_index("cta") * PER_CTA, PER_CTA)
        layout = plgpu.Layout.WG_STRIDED((PER_CTA,), vec_size=_VECTOR[operands[0].dtype.itemsize])
        values = [plgpu.load(ref.at[block], layout=layout, optimized=False) for ref in operands]
        store(result.at[block], function(*values))

    return plgpu.kernel(
        body,
        out_type=out,
        grid=(out.size // PER_CTA,),
        grid_names=("cta",),
        interpret=interpreter(interpret),
    )
