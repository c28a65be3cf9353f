"""What kernels of elements take: checked requests, random bits, layouts, elements filled up to whole thread blocks."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike

from formats import Layout, NanRule
from formats.layouts.bits import BitLayout
from kernels_ref.codec import as_jax
from kernels_ref.hopper.element import PER_CTA, by_words, words_per_cta
from kernels_ref.hopper.element_words import Program
from reference.array.conversion import Conversion, needs_nan_rule
from reference.codec import check_random_bits

#: input dtypes that the kernels take
DTYPES = ("float32", "bfloat16", "float16")


def checked(request: Conversion) -> Conversion:
    """The request, if a kernel can answer it: codes of at most 8 bits, and a rule for NaN."""
    if request.spec.bits > 8:
        raise ValueError(f"{request.spec.name} has {request.spec.bits} bits; the kernel writes codes of at most 8")
    if needs_nan_rule(request):
        rules = ", ".join(rule.value for rule in NanRule)
        raise TypeError(f"{request.spec.name} has no NaN: state nan= as one of: {rules}")
    return request


def drawn(random_bits: ArrayLike | None, request: Conversion, shape: tuple[int, ...]) -> Array | None:
    """The random bits of a request as JAX has them, None where it takes none; checked where they can be seen."""
    if not request.rounding.is_stochastic:
        if random_bits is not None:
            raise ValueError(f"random_bits mean nothing for rounding={request.rounding.value!r}")
        return None
    if isinstance(random_bits, Array) and isinstance(random_bits, Tracer):
        return jnp.broadcast_to(random_bits.astype(jnp.uint32), shape)
    host = None if random_bits is None else np.asarray(random_bits)
    return as_jax(check_random_bits(host, request.random_bit_count, shape))


def whole_blocks(x: Array, size: int, per_block: int = PER_CTA) -> Array:
    """The elements in a row, with as many zeros behind them as fill the last thread block."""
    return lax.pad(x.reshape(size), x.dtype.type(0), [(0, -size % per_block, 0)])


def through(program: Program, x: Array, dtype: str, *, interpret: bool) -> Array:
    """What the kernel of a program makes of the bits of ``x``, as elements of another dtype, in a row.

    Elements of both have at most 32 bits; thread blocks are filled up with zeros, whose results are cut off.
    """
    out = jnp.dtype(dtype)
    each = 4 // x.dtype.itemsize
    row = whole_blocks(x, x.size, words_per_cta(program) * each)
    words = lax.bitcast_convert_type(row.reshape(-1, each) if each > 1 else row, jnp.int32)
    made = lax.bitcast_convert_type(by_words(program, words.size, interpret=interpret)(words), out).reshape(-1)
    return made[: x.size * x.dtype.itemsize * program.after // (program.before * out.itemsize)]


def is_dense(layout: Layout | BitLayout) -> bool:
    """Whether codes follow each other from the lowest bit on, along the last axis, so that words of any width do."""
    if isinstance(layout, Layout):
        return layout.radix == 1 << layout.code_bits and not layout.big_endian
    return layout.order == "k b" and len(layout.tile) == 1 and not layout.big_endian


def word_bits(layout: Layout | BitLayout) -> int:
    """Of the words that a layout's codes are stored in."""
    return layout.word_bits if isinstance(layout, BitLayout) else 8
