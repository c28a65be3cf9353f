"""Quantisation into blocks in one pass: codes, packed if they are nibbles, and scales.

A thread has the neighbours of a block that fill 64 bytes, from registers to registers: small blocks are a thread's own,
larger ones are shared by threads that lie side by side in a warp, so that the largest magnitude takes a few shuffles.
What a thread loads and stores is contiguous, and so is what a warp does; no shared memory is used.

What comes one to a byte, codes of 6 bits, and scales as tensor cores want them are packed behind the kernel by XLA:
``kernels_ref.pack(scales, "block_scales_128x4")`` moves a thirtieth of the bytes, and less.

XLA alone reads the tensor twice, once for the largest magnitudes, and finds exact quotients in integers, since its
own division is not exact on a GPU: on an H200 it takes 4 to 17 times as long (docs/bench.md).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike

import reference.blocks
from formats import FloatSpec, IntSpec, Rounding
from formats.block_formats.rule import BlockRule, NonFinite
from formats.block_formats.spec import BlockSpec
from kernels_ref import block_elements, blocks
from kernels_ref.block_elements import Factor
from kernels_ref.block_executor import JaxExecutor
from kernels_ref.hopper import block_codes, block_division, block_numbers, block_pairs, element_nearest, element_words
from kernels_ref.hopper.block_numbers import Numbers
from kernels_ref.hopper.block_pairs import Pairs
from kernels_ref.hopper.element_packed import one_region, words
from kernels_ref.hopper.element_words import Layouts, Program
from kernels_ref.pallas import interpreter, pallas, store, without_barriers
from reference.array import block as array_block
from reference.array.block_request import BlockRequest, block_request, is_power_of_two
from reference.array.codec import code_dtype
from reference.array.conversion import Conversion
from reference.blocks import BlockTensor, check_input

#: elements of one thread block, at most: 32 for each of its 128 threads
PER_CTA = 4096
_WARP, _THREADS = 32, 128
_NIBBLES = one_region("4bit_low_first")


class Packed(NamedTuple):
    """A tensor in memory: codes (of 4 bits two to a byte, the first one low), codes of scales, the second number."""

    words: Array
    scales: Array
    second: Array | None


def quantize_blocks(
    x: ArrayLike, block_format: str | BlockSpec, *, rule: str | BlockRule, interpret: bool = False
) -> BlockTensor:
    """`kernels_ref.quantize_blocks` by a Mosaic GPU kernel: the same tensor, bit for bit, with a code in each byte.

    Arguments:
        x: float32, bfloat16 or float16; the last axis a multiple of the block, which lies along it.
        block_format: blocks of 16, 32, 64, 128, 256 or 512 neighbours.
        rule: rounds elements to nearest, ties to even, after one product or quotient.
        interpret: run on any backend by Pallas' GPU interpreter, slowly; XLA on a CPU takes subnormal numbers for 0,
            which shows in blocks whose largest magnitude is below 2^-100.

    Works under jit, where NaN and infinity that the rule refuses, and 0 over a scale of 0 where elements have no NaN,
    are the caller's to avoid. A second number of the whole tensor takes a pass over it before the kernel, by XLA; where
    it lies beyond 2^60 or below 2^-60, all is XLA's.

    Raises ``ImportError`` where Mosaic GPU is missing, and ``ValueError`` for formats, rules and shapes that no kernel
    takes, with what takes them.

    >>> quantize_blocks(jnp.ones((64, 64), jnp.bfloat16), "mxfp4", rule="floor", interpret=True).scales[0]
    ... # doctest: +SKIP
    Array([125, 125], dtype=uint8)
    """
    made, values = _checked(x, block_format, rule)
    parts = _defined(values, _quantize(values, made, False, interpret), made)
    return BlockTensor(spec=made.spec, codes=parts.words, scales=parts.scales, second=parts.second, shifts=None)


def quantize_packed(
    x: ArrayLike,
    block_format: str | BlockSpec,
    *,
    rule: str | BlockRule,
    second: ArrayLike | None = None,
    interpret: bool = False,
) -> Packed:
    """`quantize_blocks` with codes of 4 bits two to a byte, as `reference.pack` lays them out in ``4bit_low_first``.

    Arguments and errors are those of `quantize_blocks`; codes of other widths come one to a byte. ``second``: the
    second number of the tensor, float32 from 2^-60 to 2^60, where it is known before: then there is one pass, and
    nothing that XLA decides on the way.

    >>> quantize_packed(jnp.ones((64, 64), jnp.bfloat16), "nvfp4", rule="torchao_nvfp4", second=1 / 512,
    ...                 interpret=True).words.shape  # doctest: +SKIP
    (64, 32)
    """
    made, values = _checked(x, block_format, rule)
    if second is None:
        return _defined(values, _quantize(values, made, True, interpret), made)
    number = second if isinstance(second, Array) else jnp.float32(second)
    if made.spec.scale.second is None:
        raise ValueError(f"second={second!r} means nothing: {made.spec.name} has no second number")
    if number.shape != ():
        raise ValueError(f"second has shape {number.shape}; it is one number for the whole tensor")
    if not isinstance(number, Tracer) and not block_numbers.MODERATE <= float(number) <= 1 / block_numbers.MODERATE:
        raise ValueError(f"second={second!r} must lie from 2^-60 to 2^60")
    return _defined(values, _with_second(values, number, made, True, interpret), made)


def _defined(values: Any, parts: Packed, made: BlockRequest) -> Packed:
    """The parts; refuses 0 over a scale that came out as 0 where neither a code nor the rule is for what that is."""
    missing = getattr(made.spec.element, "nan_code", None) is None and made.rule.nan is None
    if (
        missing
        and block_numbers.may_be_zero(made)
        and not isinstance(values, Tracer)
        and bool((parts.scales == 0).any())
    ):
        second = None if parts.second is None else np.asarray(parts.second)
        reference.blocks.quantize_blocks(np.asarray(values), made.spec, rule=made.rule, second=second)  # it says which
    return parts


def _checked(x: ArrayLike, block_format: str | BlockSpec, rule: str | BlockRule) -> tuple[BlockRequest, Any]:
    made = block_request(block_format, rule)
    supported(made)
    pallas()
    values: Any = x if isinstance(x, Array) else np.asarray(x)
    check_input(values, made.spec, "refuse")
    refused = NonFinite.REFUSE in (made.rule.nan_in_block, made.rule.infinity_in_block)
    if refused and not isinstance(values, Tracer) and not bool(jnp.isfinite(values).all()):
        reference.blocks.quantize_blocks(np.asarray(values), made.spec, rule=made.rule)  # it says which element
    return made, values  # pyright: ignore[reportUnknownVariableType]


def _quantize_array(x: Array, made: BlockRequest, packed: bool, interpret: bool) -> Packed:
    if made.spec.scale.second is None:
        return _by_kernel(x, None, made, packed, interpret)
    second = _second(x, made)
    usual = (second >= block_numbers.MODERATE) & (second <= 1 / block_numbers.MODERATE)

    def kernels(x: Array, second: Array) -> Packed:
        return _by_kernel(x, second, made, packed, interpret)

    def xla(x: Array, second: Array) -> Packed:
        tensor = blocks.quantize_blocks(x, made.spec, rule=made.rule)
        codes = words(tensor.codes, _NIBBLES) if packed and made.spec.element.bits == 4 else tensor.codes
        return Packed(codes, tensor.scales, second)

    return lax.cond(usual, kernels, xla, x, second)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


_quantize: Callable[..., Packed] = jax.jit(_quantize_array, static_argnums=(1, 2, 3))  # pyright: ignore[reportUnknownMemberType]


def _second(x: Array, made: BlockRequest) -> Array:
    """The second number of the whole tensor, float32."""
    largest = jnp.max(element_nearest.patterns(x, jnp) & element_nearest.MAGNITUDE, initial=0)
    absmax = jnp.where(largest > element_nearest.INFINITY, 0, largest).astype(jnp.uint32).reshape(1)
    second = array_block.numbers(absmax, jnp.bool_([False]), {}, made, JaxExecutor()).second
    assert second is not None
    return second


def _by_kernel(x: Array, second: Array | None, made: BlockRequest, packed: bool, interpret: bool) -> Packed:
    size, count = made.spec.size, x.size // made.spec.size
    length = x.shape[-1] // 2 if packed and made.spec.element.bits == 4 else x.shape[-1]
    more = -count % (PER_CTA // size) if count else PER_CTA // size
    rows = lax.pad(x.reshape(count, size), x.dtype.type(0), [(0, more, 0), (0, 0, 0)])
    whole = block_numbers.evaluate_whole(made, second)
    codes, scales = kernel(made, count + more, x.dtype.itemsize, packed=packed, interpret=interpret)(rows, whole)
    if codes.dtype == jnp.uint4:
        codes = lax.bitcast_convert_type(codes.reshape(count + more, size // 2, 2), jnp.uint8)
    scales = scales[:count].reshape(*x.shape[:-1], x.shape[-1] // size)
    return Packed(codes[:count].reshape(*x.shape[:-1], length), scales, second)


_with_second: Callable[..., Packed] = jax.jit(_by_kernel, static_argnums=(2, 3, 4))  # pyright: ignore[reportUnknownMemberType]


def per_thread(block: int, itemsize: int) -> int:
    """Neighbours that a thread holds: as many as fill 64 bytes."""
    return min(block, 64 // itemsize)


def layout(block: int, neighbours: int, vector: int) -> Any:
    """Which thread has what of a tile of blocks, a row each.

    ``block // neighbours`` threads share a block; in turns each takes ``vector`` elements that lie side by side.
    """
    plgpu, _ = pallas()
    lanes = block // neighbours
    rows, columns = _WARP // lanes, lanes * vector
    if lanes == 1:
        tiling = plgpu.Tiling(((4 * rows, columns), (rows, columns)))
        return plgpu.Layout.TILED(tiling, warp_dims=(-4,), lane_dims=(-2,), vector_dim=-1)
    tiling = plgpu.Tiling(((4 * rows, columns), (rows, columns), (vector,)))
    return plgpu.Layout.TILED(tiling, warp_dims=(-5,), lane_dims=(-3, -2), vector_dim=-1)


def kernel(
    made: BlockRequest, count: int, itemsize: int, *, packed: bool = True, vector: int = 64, interpret: bool = False
) -> Any:
    """The kernel for ``count`` blocks, a row each; their elements are a multiple of `PER_CTA`.

    It maps numbers (count, size) and the float32 numbers of `block_numbers.evaluate_whole` to codes (count, size),
    uint4 if they have 4 bits and ``packed``, and codes of scales (count,). ``itemsize``: of the numbers, in bytes.
    ``vector``: how many elements a thread loads side by side at most; results do not depend on it.
    """
    factor = supported(made)
    way = block_pairs.pairs(made, factor, packed)
    alone = _alone(made, factor, count, itemsize, packed, vector, interpret)
    if way is None or itemsize != 2:
        return alone
    twos = _in_pairs(made, way, count, vector, interpret)

    def run(x: Array, whole: Array) -> Any:
        return twos(x, whole) if x.dtype == jnp.bfloat16 else alone(x, whole)

    return run


def _alone(
    made: BlockRequest, factor: Factor, count: int, itemsize: int, packed: bool, vector: int, interpret: bool
) -> Any:
    """`kernel` where each element is for itself."""
    plgpu, pl = pallas()
    size = made.spec.size
    rows = PER_CTA // size
    narrow = packed and made.spec.element.bits == 4
    wholes = len(block_numbers.whole_tensor(made))

    neighbours = per_thread(size, itemsize)
    own = layout(size, neighbours, min(neighbours, vector))

    def body(x: Any, whole: Any, codes: Any, scales: Any) -> None:
        block = pl.ds(lax.axis_index("cta") * rows, rows)
        bits = element_nearest.patterns(plgpu.load(x.at[block], layout=own, optimized=False), jnp)
        largest = jnp.max(bits & element_nearest.MAGNITUDE, axis=1)
        numbers = Numbers(largest, made, [whole[i] for i in range(wholes)], _divide(own, interpret))
        store(scales.at[block], numbers.stored)
        found = block_codes.codes(bits, numbers, factor, made)
        store(codes.at[block], found.astype(jnp.uint8).astype(jnp.uint4 if narrow else jnp.uint8))

    kind = jnp.uint4 if narrow else jnp.uint8
    return _kernel(body, made, jax.ShapeDtypeStruct((count, size), kind), rows, interpret)


def _kernel(
    body: Callable[..., None], made: BlockRequest, codes: jax.ShapeDtypeStruct, rows: int, interpret: bool
) -> Any:
    """A kernel whose thread blocks have so many rows each."""
    plgpu, _ = pallas()
    count = codes.shape[0]
    scales = jax.ShapeDtypeStruct((count,), code_dtype(made.scale.spec, jnp))
    return plgpu.kernel(
        body,
        out_type=[codes, scales],
        grid=(count // rows,),
        grid_names=("cta",),
        compiler_params=without_barriers(),
        interpret=interpreter(interpret),
    )


def _divide(own: Any, interpret: bool) -> Callable[..., Any] | None:
    """How a tile of the layout ``own`` divides what it has of each block."""
    return None if interpret else functools.partial(block_division.divide, layout=own.reduce(1))


def _in_pairs(made: BlockRequest, way: Pairs, count: int, vector: int, interpret: bool) -> Any:
    """`kernel` for bfloat16 numbers as 32-bit words of two each; codes come as bytes, packed or not.

    A thread has one block of a tile at most: with two, a compiler overlaps their steps for twice the registers.
    """
    plgpu, pl = pallas()
    size, wholes = made.spec.size, len(block_numbers.whole_tensor(made))
    rows, length = min(PER_CTA // size, _THREADS), way.program.size(size // 2)
    turns = math.gcd(way.turns, count // rows)
    layouts = _layouts(way.program, size, vector)

    def body(x: Any, whole: Any, codes: Any, scales: Any) -> None:
        known = [whole[i] for i in range(wholes)]
        tiles = [pl.ds((lax.axis_index("cta") * turns + i) * rows, rows) for i in range(turns)]

        def load(tile: Any) -> Any:
            return plgpu.load(x.at[tile], layout=layouts.before, optimized=False)

        words = load(tiles[0])
        for i, tile in enumerate(tiles):
            ahead = load(tiles[i + 1]) if i + 1 < turns else words
            largest = block_pairs.largest(words, layouts.before, interpret=interpret)
            numbers = Numbers(largest, made, known, _divide(layouts.before, interpret))
            store(scales.at[tile], numbers.stored)
            found = element_words.applied(way.program, words, way.rows(numbers), layouts, interpret=interpret)
            store(codes.at[tile], found)
            words = ahead

    run = _kernel(body, made, jax.ShapeDtypeStruct((count, length), jnp.int32), rows * turns, interpret)

    def pairs(x: Array, whole: Array) -> Any:
        codes, scales = run(lax.bitcast_convert_type(x.reshape(count, size // 2, 2), jnp.int32), whole)
        return lax.bitcast_convert_type(codes, jnp.uint8).reshape(count, 4 * length), scales

    return pairs


def _layouts(program: Program, size: int, vector: int) -> Layouts:
    """Of words of two elements, and of what a program makes of them."""
    neighbours = per_thread(size, 2)
    before = size // 2, neighbours // 2, min(neighbours, vector) // 2
    return Layouts(layout(*before), layout(*map(program.size, before)))


def supported(made: BlockRequest) -> Factor:
    """The factor of the elements; ``ValueError`` that says what of a format or rule no kernel does."""
    spec, rule = made.spec, made.rule

    def need(condition: bool, what: str) -> None:
        if not condition:
            raise ValueError(f"{spec.name} by rule {rule.name!r}: {what}; kernels_ref.quantize_blocks takes it")

    sizes = (16, 32, 64, 128, 256, 512)
    need(
        len(spec.block) == 1 and spec.size in sizes,
        f"kernels take blocks of {', '.join(map(str, sizes))} neighbours, not {spec.block}",
    )
    factor = block_elements.factor_of(made)
    need(factor is not None, "elements need more than one factor")
    nearest = isinstance(made.element, Conversion) and made.element.rounding is Rounding.NEAREST_TIES_TO_EVEN
    need(nearest, "elements are not rounded to nearest, ties to even")
    exact = factor is None or not factor.divides or factor.exact or is_power_of_two(spec.scale.format)
    need(exact, "elements are divided by a number that is no power of two, and rounded twice")
    need(spec.scale.per is None, "second numbers are for the whole tensor")
    element = spec.element
    plain = isinstance(element, FloatSpec) and element.has_negative_zero and element_nearest.lies_amid(element)
    need(element.bits <= 8 and (plain or isinstance(element, IntSpec)), f"{element.name} takes another code")
    assert factor is not None
    block_numbers.refuse_rule(made)
    return factor
