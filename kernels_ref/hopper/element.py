"""Kernels for each element by itself: straight from global memory to registers and back, no shared memory.

A thread block (CTA) has 128 threads and 4096 elements. Their body is generated from the format's record
(`kernels_ref.hopper.element_nearest`, else the golden model's own code), and for two bfloat16 numbers at a time where
that has such a form (`kernels_ref.hopper.element_pairs`). Codes of 4 bits are packed two to a byte, the first in the
low nibble.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from formats import Format, get
from kernels_ref.hopper import element_nearest, element_pairs, element_words
from kernels_ref.hopper.element_words import Layouts, Program
from kernels_ref.pallas import interpreter, pallas, store, without_barriers
from reference.array import decode as array_decode
from reference.array.conversion import Conversion

#: elements of one thread block: 32 for each of its 128 threads
PER_CTA = 4096
#: 32-bit words of one thread block, each of two bfloat16 numbers
WORDS_PER_CTA = PER_CTA // 2
_THREADS = 128
#: neighbours that a thread holds, for inputs of 4 bytes and of less: 16 bytes
_VECTOR = {4: 4, 2: 8, 1: 16}
#: the dtypes that codes are decoded into
DECODED = ("float32", "bfloat16")


def encoder(request: Conversion, size: int, *, packed: bool = False, interpret: bool = False) -> Any:
    """The kernel of a conversion, for one-dimensional operands of ``size`` elements, a multiple of `PER_CTA`.

    It maps float32, bfloat16 or float16 numbers (and uint32 random bits, if the rounding is stochastic) to uint8 codes,
    or, where ``packed``, for formats of at most 4 bits, to bytes of two codes each.
    """
    in_pairs = element_pairs.is_short(request)

    def encode(x: Array, *random_bits: Array) -> Array:
        if in_pairs and x.dtype == jnp.bfloat16:
            return _encode_pairs(x, request, packed, interpret)
        codes = _alone(request, size, packed, interpret)(x, *random_bits)
        return lax.bitcast_convert_type(codes.reshape(size // 2, 2), jnp.uint8) if packed else codes

    return encode


def _alone(request: Conversion, size: int, packed: bool, interpret: bool) -> Any:
    """The kernel where each element is for itself."""

    def codes(x: Array, *random_bits: Array) -> Array:
        found = element_nearest.encode(x, request, jnp, *random_bits)
        return found.astype(jnp.uint4) if packed else found

    return each(codes, jax.ShapeDtypeStruct((size,), jnp.uint4 if packed else jnp.uint8), interpret=interpret)


def _encode_pairs(x: Array, request: Conversion, packed: bool, interpret: bool) -> Array:
    words = lax.bitcast_convert_type(x.reshape(-1, 2), jnp.int32)
    codes = by_words(element_pairs.encoder(request, packed=packed), words.size, interpret=interpret)(words)
    return lax.bitcast_convert_type(codes, jnp.uint8).reshape(-1)


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
    """Values of uint8 codes in one of `DECODED`."""
    return narrowed(array_decode.decode(codes, spec, jnp), dtype)


def narrowed(numbers: Array, dtype: str) -> Array:
    """Float32 values of a format in one of `DECODED`: at most 8 significant bits fit the upper half of binary32.

    An NVIDIA GPU's conversion to bfloat16 would make another NaN of theirs, 0x7fff.
    """
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
        compiler_params=without_barriers(),
        interpret=interpreter(interpret),
    )


def words_per_cta(program: Program) -> int:
    """Words that a thread block takes: it has at most `WORDS_PER_CTA` before and after."""
    return WORDS_PER_CTA // max(program.before, program.after) * program.before


def by_words(program: Program, size: int, *, interpret: bool = False) -> Any:
    """The kernel that applies a program to ``size`` int32 words in a row, a multiple of `words_per_cta`.

    A thread has as many words side by side as the program asks for. Where these are no vector, or one of more than 16
    bytes that is written, they pass through shared memory, so that what goes to and from global memory is contiguous.
    """
    plgpu, pl = pallas()
    before = words_per_cta(program)
    after, groups = program.size(before), max(1, _VECTOR[4] // max(program.before, program.after))
    taken, given = _sizes(program, before, groups)
    layouts = Layouts(_side_by_side(*taken), _side_by_side(*given))
    staged = [before] * (not _is_vector(taken[1])) + [after] * (not _is_vector(given[1]) or given[1] > _VECTOR[4])

    def loaded(x: Any, layout: Any) -> Any:
        return plgpu.load(x, layout=layout, optimized=False)

    def body(x: Any, out: Any, *shared: Any) -> None:
        cta = lax.axis_index("cta")
        source, target = x.at[pl.ds(cta * before, before)], out.at[pl.ds(cta * after, after)]
        if staged == [before]:
            store(shared[0], loaded(source, _side_by_side(before, _widest(before))))
            source = shared[0]
        found = element_words.applied(program, loaded(source, layouts.before), [], layouts, interpret=interpret)
        if staged == [after]:
            store(shared[0], found)
            found = loaded(shared[0], _side_by_side(after, _widest(after)))
        store(target, found)

    return plgpu.kernel(
        body,
        out_type=jax.ShapeDtypeStruct((program.size(size),), jnp.int32),
        scratch_types=[plgpu.SMEM((count,), jnp.int32) for count in staged],
        grid=(size // before,),
        grid_names=("cta",),
        interpret=interpreter(interpret),
    )


def _sizes(program: Program, before: int, groups: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Words of a thread block and neighbours of a thread, before and after."""
    return (before, groups * program.before), (program.size(before), groups * program.after)


def _side_by_side(words: int, neighbours: int) -> Any:
    plgpu, _ = pallas()
    return plgpu.Layout.WG_STRIDED((words,), vec_size=neighbours)


def _is_vector(neighbours: int) -> bool:
    return neighbours & (neighbours - 1) == 0


def _widest(words: int) -> int:
    """The widest vector, of up to 16 bytes, that all threads of a block take alike."""
    return math.gcd(words // _THREADS, _VECTOR[4])
