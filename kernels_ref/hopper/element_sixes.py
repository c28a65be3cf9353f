"""Codes of 6 bits, four in three bytes: programs on 32-bit words, and their Mosaic GPU kernels.

Sixteen codes, a byte each, are four words, and packed they are three. Within a word the codes of two bytes are put side
by side, and then those of four, by a shift and a choice of bits each; four words of 24 bits are joined by two shifts
each. Three words a thread are no vector that memory takes: they go through shared memory (`element.by_words`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike

import formats
from formats.layouts.bits import AnyLayout, BitLayout
from kernels_ref.hopper import element_pairs
from kernels_ref.hopper.element_arguments import is_dense, through
from kernels_ref.hopper.element_lanes import Lanes
from kernels_ref.hopper.element_words import Program
from kernels_ref.pallas import pallas
from reference.array.conversion import Conversion
from reference.packing import check_codes, check_words, refuse_codes

#: the codes of a byte each, those of the even bytes, pairs of codes, and three bytes
_CODES, _EVEN, _PAIRS, _THREE = 0x3F3F3F3F, 0x003F003F, 0x0FFF0FFF, 0x00FFFFFF
_PAIR = 0x00000FFF
_BITS = 6


def pack(codes: ArrayLike, layout: str | AnyLayout, *, interpret: bool = False) -> Array:
    """`kernels_ref.pack` as a Mosaic GPU kernel, for dense codes of 6 bits: the same bytes.

    ``codes``: integers, any shape whose last axis is a multiple of 4; what is no multiple of 8192 codes is padded in
    front of the kernel and cut behind it. ``layout``: such as ``compressed_tensors_fp6``. ``interpret``: run on any
    backend by Pallas' GPU interpreter, slowly. Works under jit, where codes above 63 are the caller's to avoid.

    >>> pack(jnp.array([8, 60, 0, 16]), "compressed_tensors_fp6", interpret=True)  # doctest: +SKIP
    Array([ 8, 15, 64], dtype=uint8)
    """
    spec = _sixes(layout, "kernels_ref.pack")
    array: Any = codes if isinstance(codes, Array) else np.asarray(codes)
    check_codes(array, spec)
    if not isinstance(array, Tracer):
        refuse_codes(np.asarray(array), spec)
    return _by_kernel(array.astype(np.uint8), PACK, interpret)


def unpack(words: ArrayLike, layout: str | AnyLayout, *, interpret: bool = False) -> Array:
    """`kernels_ref.unpack` as a Mosaic GPU kernel, for dense codes of 6 bits: the same codes.

    Arguments as those of `pack`; ``words`` are bytes.

    >>> unpack(jnp.array([8, 15, 64], jnp.uint8), "compressed_tensors_fp6", interpret=True)  # doctest: +SKIP
    Array([ 8, 60,  0, 16], dtype=uint8)
    """
    spec = _sixes(layout, "kernels_ref.unpack")
    array: Any = words if isinstance(words, Array) else np.asarray(words)
    check_words(array, spec)
    return _by_kernel(array.astype(np.uint8), UNPACK, interpret)


def is_sixes(layout: AnyLayout) -> bool:
    """Whether a layout is that of codes of 6 bits one after the other, in bytes, from the lowest bit on."""
    if not isinstance(layout, BitLayout) or layout.code_bits != _BITS or layout.word_bits != 8:
        return False
    return is_dense(layout) and not layout.offset


def _sixes(layout: str | AnyLayout, other: str) -> BitLayout:
    spec = formats.layout(layout)
    if not isinstance(spec, BitLayout) or not is_sixes(spec):
        raise ValueError(f"{spec.name} is no layout of dense codes of 6 bits in bytes; {other} takes it")
    pallas()
    return spec


def encoder(request: Conversion) -> Program:
    """bfloat16 numbers to codes of 6 bits, packed; for requests of `element_pairs.is_short`."""
    codes = element_pairs.encoder(request, packed=False)

    def steps(lanes: Lanes, words: list[Any], rows: list[Any]) -> list[Any]:
        return _packed(lanes, [codes.steps(lanes, words[i : i + 2], rows)[0] for i in range(0, 8, 2)], rows)

    return Program(steps, 8, 3)


def _packed(lanes: Lanes, words: list[Any], _: list[Any]) -> list[Any]:
    a, b, c, d = (_narrowed(lanes, word) for word in words)
    return [
        lanes.total(a, lanes.up(b, 24)),
        lanes.total(lanes.down(b, 8), lanes.up(c, 16)),
        lanes.total(lanes.down(c, 16), lanes.up(d, 8)),
    ]


def _narrowed(lanes: Lanes, word: Any) -> Any:
    """24 bits of four codes, a byte each."""
    pairs = lanes.chosen(lanes.word(_EVEN), word, lanes.down(word, 2))
    pairs = lanes.both(pairs, lanes.word(_PAIRS))
    return lanes.chosen(lanes.word(_PAIR), pairs, lanes.down(pairs, 4))


def _unpacked(lanes: Lanes, words: list[Any], _: list[Any]) -> list[Any]:
    first, second, third = words
    parts = [
        first,
        lanes.total(lanes.down(first, 24), lanes.up(second, 8)),
        lanes.total(lanes.down(second, 16), lanes.up(third, 16)),
        lanes.down(third, 8),
    ]
    return [_widened(lanes, part) for part in parts]


def _widened(lanes: Lanes, word: Any) -> Any:
    """Four codes, a byte each, of a word's lower 24 bits."""
    pairs = lanes.chosen(lanes.word(_PAIR), word, lanes.up(word, 4))
    return lanes.both(lanes.chosen(lanes.word(_EVEN), pairs, lanes.up(pairs, 2)), lanes.word(_CODES))


#: words of codes, a byte each, to words of packed ones, and back
PACK, UNPACK = Program(_packed, 4, 3), Program(_unpacked, 3, 4)


def _by_kernel_array(array: Array, program: Program, interpret: bool) -> Array:
    shape = (*array.shape[:-1], program.size(array.shape[-1]))
    if array.size == 0:
        return lax.full(shape, 0, jnp.uint8)
    return through(program, array, "uint8", interpret=interpret).reshape(shape)


_by_kernel: Callable[..., Array] = jax.jit(_by_kernel_array, static_argnums=(1, 2))  # pyright: ignore[reportUnknownMemberType]
