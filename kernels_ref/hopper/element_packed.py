"""Codes in packed words and back, in one pass: elements to words, words to values.

Nibbles, the first one low, are a Mosaic kernel, and so are, from bfloat16, four 6-bit codes in three bytes
(`kernels_ref.hopper.element_sixes`) and, from there and back, 2-bit integers from the lowest bit on
(`kernels_ref.hopper.element_twos`), since XLA, where it was measured, does not reach the memory's speed: it encodes
trits of 2 bits at 0.82 of the copy's bandwidth on an H200. All else is left to XLA: on an H100 five trits in a byte
take 3.05 TB/s, where a copy takes 3.03. There `kernels_ref`'s own functions, or `dense` below, are the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike

import formats
from formats import Format, Layout, NanRule, Rounding, Saturation
from formats.layouts.bits import BitLayout, SplitLayout
from kernels_ref import packing
from kernels_ref.codec import as_jax
from kernels_ref.hopper import element, element_nearest, element_pairs, element_sixes, element_twos
from kernels_ref.hopper.element_arguments import DTYPES, checked, drawn, is_dense, through, whole_blocks, word_bits
from kernels_ref.hopper.element_words import Program
from kernels_ref.pallas import pallas
from reference.array.conversion import Conversion, conversion
from reference.array.packing import digits_of_codes
from reference.packing import check_codes, check_words, refuse_words

_NIBBLES = "4bit_low_first"


def one_region(name: str | Layout | BitLayout) -> Layout | BitLayout:
    """The layout called ``name``; ``ValueError`` for one of several regions."""
    spec = formats.layout(name)
    if isinstance(spec, SplitLayout):
        raise ValueError(f"{spec.name} has several regions; kernels_ref.pack and kernels_ref.unpack take it")
    return spec


def encode_packed(
    x: ArrayLike,
    fmt: str | Format,
    layout: str | Layout | BitLayout,
    *,
    rounding: Rounding | str,
    saturation: Saturation | str,
    nan: NanRule | str | None = None,
    random_bits: ArrayLike | None = None,
    random_bit_count: int | None = None,
    interpret: bool = False,
) -> Array:
    """``reference.pack(reference.encode(x, fmt, ...), layout)`` without the codes in between, bit for bit.

    Arguments:
        x: float32, bfloat16 or float16; the last axis (axes, if the tile of the layout has several) must fill words.
        fmt: a format of at most 8 bits, as many as the layout stores.
        nan: must be stated for a format that has no NaN, since a kernel refuses no element.
        interpret: run a Mosaic kernel on any backend by Pallas' GPU interpreter, slowly.

    Returns the words of the layout. Works under jit. A tensor whose size is no multiple of 4096 is padded in front of
    a Mosaic kernel and cut behind it.

    Raises ``TypeError`` and ``ValueError`` as `reference.encode` and `reference.pack`; ``ImportError`` where a Mosaic
    kernel is asked for and Mosaic GPU is missing.

    >>> encode_packed(jnp.array([1.0, -6.0, 0.0, 2.0]), "e2m3", "compressed_tensors_fp6",
    ...               rounding="nearest_ties_to_even", saturation="sat_finite", nan="zero")
    Array([ 8, 15, 64], dtype=uint8)
    """
    request = checked(
        conversion(fmt, rounding=rounding, saturation=saturation, nan=nan, random_bit_count=random_bit_count)
    )
    values, spec = as_jax(x), one_region(layout)
    if values.dtype.name not in DTYPES:
        raise TypeError(f"x has dtype {values.dtype.name}; the kernel takes {', '.join(DTYPES)}")
    if spec.code_bits != request.spec.bits:
        raise ValueError(
            f"{spec.name} stores codes of {spec.code_bits} bits; {request.spec.name} has {request.spec.bits}"
        )
    check_codes(np.empty(values.shape, np.uint8), spec)
    return _encode(values, drawn(random_bits, request, values.shape), request, spec, interpret)


def _encode_array(
    x: Array, random_bits: Array | None, request: Conversion, layout: Layout | BitLayout, interpret: bool
) -> Array:
    operands = [operand for operand in (x, random_bits) if operand is not None]
    size = math.prod(x.shape)
    program = _program(request, layout) if x.dtype == jnp.bfloat16 and size else None
    if program is not None:
        made = through(program, x, f"uint{word_bits(layout)}", interpret=interpret)
        return made.reshape(*x.shape[:-1], -1)
    if layout.name != _NIBBLES or size == 0:
        return words(element_nearest.encode(x, request, jnp, *operands[1:]), layout)
    rows = [whole_blocks(operand, size) for operand in operands]
    pairs = element.encoder(request, rows[0].size, packed=True, interpret=interpret)(*rows)
    return pairs[: size // 2].reshape(*x.shape[:-1], -1)


_encode: Callable[..., Array] = jax.jit(_encode_array, static_argnums=(2, 3, 4))  # pyright: ignore[reportUnknownMemberType]


def _program(request: Conversion, layout: Layout | BitLayout) -> Program | None:
    """How a kernel packs codes of bfloat16 numbers that are no nibbles; None where XLA does."""
    if element_sixes.is_sixes(layout) and element_pairs.is_short(request):
        return element_sixes.encoder(request)
    if _is_twos(layout) and element_twos.is_short(request):
        return element_twos.encoder(request, layout)
    return None


def _is_twos(layout: Layout | BitLayout) -> bool:
    return layout.code_bits == 2 and is_dense(layout) and word_bits(layout) <= 32


def words(codes: Array, layout: Layout | BitLayout) -> Array:
    """`kernels_ref.pack` of codes that are known to be right, as XLA writes it fastest on a GPU."""
    if codes.size == 0:
        return packing.pack(codes, layout)
    if isinstance(layout, Layout) and layout.radix & (layout.radix - 1):
        digits = digits_of_codes(codes, layout).reshape(*codes.shape[:-1], -1, layout.per_byte)
        return sum(digits[..., i] * jnp.uint8(place) for i, place in enumerate(layout.places))  # pyright: ignore[reportReturnType]
    if not is_dense(layout):
        return packing.pack(codes, layout)
    return dense(codes, layout)


def dense(codes: Array, layout: Layout | BitLayout) -> Array:
    """Words of a dense layout by way of 32-bit words, wherever a row of codes fills these."""
    width, bits = layout.code_bits, word_bits(layout)
    many = math.lcm(32, width) // width
    if codes.shape[-1] % many:
        return packing.pack(codes, layout)
    digits = (
        (codes.astype(jnp.uint32) + layout.offset) & ((1 << width) - 1) if layout.offset else codes.astype(jnp.uint32)
    )
    columns = [digits.reshape(*codes.shape[:-1], -1, many)[..., i] for i in range(many)]
    made = jnp.stack([_word(columns, width, low) for low in range(0, many * width, 32)], axis=-1)
    made = made.reshape(*codes.shape[:-1], -1)
    if bits == 32:
        return made
    return lax.bitcast_convert_type(made, jnp.dtype(f"uint{bits}")).reshape(*codes.shape[:-1], -1)


def _word(columns: list[Array], width: int, low: int) -> Array:
    """The 32 bits from ``low`` on of codes side by side."""
    word = columns[0] & 0
    for i, column in enumerate(columns):
        up = i * width - low
        if -width < up < 32:
            word = word | (column << up if up >= 0 else column >> -up)
    return word


def decode_packed(
    words: ArrayLike,
    fmt: str | Format,
    layout: str | Layout | BitLayout,
    *,
    dtype: str = "float32",
    interpret: bool = False,
) -> Array:
    """``reference.decode(reference.unpack(words, layout), fmt)`` without the codes in between, bit for bit.

    ``words``: of the layout, any shape it has. ``dtype``: float32 or bfloat16, which holds every value of a format of
    at most 8 bits. Nibbles, the first one low, are a Mosaic kernel, padded where ``words`` fills no thread blocks of
    2048 bytes, and so are 2-bit integers from the lowest bit on into bfloat16, with 1024 bytes; all else is XLA's.
    Works under jit, where words that `reference.pack` never makes are the caller's to avoid.

    >>> decode_packed(jnp.array([8, 15, 64], jnp.uint8), "e2m3", "compressed_tensors_fp6", dtype="bfloat16")
    Array([1, -6, 0, 2], dtype=bfloat16)
    """
    target, spec, array = element.decodable(fmt, dtype), one_region(layout), jnp.asarray(words)  # pyright: ignore[reportUnknownMemberType]
    if spec.code_bits != target.bits:
        raise ValueError(f"{spec.name} stores codes of {spec.code_bits} bits; {target.name} has {target.bits}")
    if array.size and dtype == "bfloat16" and _is_twos(spec) and element_twos.is_decodable(target, spec):
        return _decode_twos(_checked_words(array, spec), target, spec, interpret)
    if spec.name != _NIBBLES or array.size == 0:
        return element.values(packing.unpack(array, spec), target, dtype)
    check_words(array, spec)
    pallas()
    return _decode_nibbles(array.astype(jnp.uint8), target, dtype, interpret)


def _nibbles(words: Array, spec: Format, dtype: str, interpret: bool) -> Array:
    row = whole_blocks(words, words.size, element.PER_CTA // 2)
    codes = lax.bitcast_convert_type(row, jnp.uint4).reshape(-1)
    numbers = element.decoder(spec, codes.size, dtype, packed=True, interpret=interpret)(codes)
    return numbers[: 2 * words.size].reshape(*words.shape[:-1], -1)


_decode_nibbles: Callable[..., Array] = jax.jit(_nibbles, static_argnums=(1, 2, 3))  # pyright: ignore[reportUnknownMemberType]


def _checked_words(words: Array, spec: Layout | BitLayout) -> Array:
    check_words(words, spec)
    if not isinstance(words, Tracer):
        refuse_words(np.asarray(words), spec)
    return words.astype(f"uint{word_bits(spec)}")


def _twos(words: Array, spec: Format, layout: Layout | BitLayout, interpret: bool) -> Array:
    numbers = through(element_twos.decoder(spec, layout), words, "bfloat16", interpret=interpret)
    return numbers.reshape(*words.shape[:-1], -1)


_decode_twos: Callable[..., Array] = jax.jit(_twos, static_argnums=(1, 2, 3))  # pyright: ignore[reportUnknownMemberType]
