"""Block formats in JAX: the golden model's codes and values under jit, at the speed of memory where rules allow it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike

import reference.blocks
from formats import Rounding
from formats.block_formats.rule import BlockRule
from formats.block_formats.spec import BlockSpec
from kernels_ref import block_elements, block_values
from kernels_ref.block_binary32 import INFINITY, MAGNITUDE, bits_of
from kernels_ref.block_elements import Factor
from kernels_ref.block_executor import JaxExecutor, PlainExecutor
from kernels_ref.block_view import any_of, blocked, largest_magnitude
from reference.array import block as array_block
from reference.array.block_request import BlockRequest, block_request
from reference.array.carrier import carry
from reference.blocks import (
    BlockTensor,
    check_input,
    check_random,
    check_second,
    check_second_shape,
    check_tensor,
    refuse_missing_codes,
)


class Parts(NamedTuple):
    """The arrays of a tensor, and whether the golden model may refuse it."""

    codes: Array
    scales: Array
    second: Array | None
    shifts: Array | None
    suspect: Array


def quantize_blocks(
    x: ArrayLike,
    block_format: str | BlockSpec,
    *,
    rule: str | BlockRule,
    ragged: str = "refuse",
    second: ArrayLike | None = None,
    random_bits: ArrayLike | None = None,
    random_bit_count: int | None = None,
) -> BlockTensor:
    """`reference.quantize_blocks` in JAX: same arguments and errors, a `BlockTensor` of JAX arrays, bit for bit.

    Works under jit and vmap; the tensor is a pytree. Under a transformation no element can be looked at: NaN, infinity,
    random bits and second numbers that would be refused are the caller's to avoid; traced second numbers are float32.
    Exact quotients whose decisions need more than 22 bits are refused with ``ValueError``.

    >>> made = quantize_blocks(jnp.float32([[7.1, -3.3, 0.9, -0.04] * 8]), "mxfp4", rule="floor")
    >>> made.codes[0, :4], made.scales
    (Array([ 7, 13,  2,  8], dtype=uint8), Array([[127]], dtype=uint8))
    """
    made = block_request(block_format, rule, random_bit_count)
    values: Any = x if isinstance(x, Array) else np.asarray(x)
    check_input(values, made.spec, ragged)
    drawn = _drawn(random_bits, made, values.shape)
    known = _known(second, made, values.shape)
    parts = _quantizer(made)(values, drawn, known)
    if not isinstance(parts.suspect, Tracer) and bool(parts.suspect):
        reference.blocks.quantize_blocks(  # it says what is wrong, if anything is
            np.asarray(values),
            made.spec,
            rule=made.rule,
            ragged=ragged,
            second=known,
            random_bits=random_bits,
            random_bit_count=random_bit_count,
        )
    return BlockTensor(spec=made.spec, codes=parts.codes, scales=parts.scales, second=parts.second, shifts=parts.shifts)


def dequantize_blocks(tensor: BlockTensor, dtype: str = "float32") -> Array:
    """`reference.dequantize_blocks` in JAX: same arguments, same values, bit for bit; works under jit and vmap.

    ``dtype``: float32, bfloat16 or float16. Formats whose values are more than one product of a number that binary32
    holds are refused with ``ValueError``. Under a transformation codes that do not exist are the caller's to avoid.

    >>> made = quantize_blocks(jnp.float32([[7.1, -3.3, 0.9, -0.04] * 8]), "mxfp4", rule="floor")
    >>> dequantize_blocks(made)[0, :4]
    Array([ 6., -3.,  1., -0.], dtype=float32)
    """
    if dtype not in block_values.DTYPES:
        raise ValueError(f"dtype={dtype!r} is not taken in JAX; choose one of: {', '.join(block_values.DTYPES)}")
    check_tensor(tensor)
    block_values.refuse_wide(tensor.spec)
    parts = (tensor.codes, tensor.scales, tensor.second, tensor.shifts)
    if not any(isinstance(part, Tracer) for part in parts):
        refuse_missing_codes(tensor)
    return _dequantize(*parts, tensor.spec, dtype)


def _drawn(random_bits: ArrayLike | None, made: BlockRequest, shape: tuple[int, ...]) -> Array | None:
    if isinstance(random_bits, Tracer):
        return jnp.broadcast_to(random_bits, shape)  # pyright: ignore[reportUnknownArgumentType]
    checked = check_random(random_bits, made, shape)
    return None if checked is None else jnp.asarray(checked)  # pyright: ignore[reportUnknownMemberType]


def _known(second: ArrayLike | None, made: BlockRequest, shape: tuple[int, ...]) -> Array | None:
    """Second-level numbers that are known before, float32."""
    given: Any = second
    if not isinstance(given, Tracer):
        checked = check_second(given, made.spec, shape)
        return None if checked is None else jnp.asarray(checked)  # pyright: ignore[reportUnknownMemberType]
    check_second_shape(given, made.spec, shape)
    if given.dtype.name != "float32":
        raise TypeError(f"second: dtype {given.dtype.name} is not accepted under a transformation; accepted: float32")
    return given  # pyright: ignore[reportUnknownVariableType]


@functools.lru_cache(maxsize=256)
def _quantizer(made: BlockRequest) -> Callable[[Any, Array | None, Array | None], Parts]:
    """The compiled function of a tensor, random bits, and second-level numbers that are known before."""
    factor = block_elements.factor_of(made)

    def run(x: Array, random_bits: Array | None, second: Array | None) -> Parts:
        numbers = _as_float32(x)
        if factor is None:
            return _exactly(numbers, made, random_bits, second)
        return _fast(numbers, made, factor, second)

    return jax.jit(run)  # pyright: ignore[reportUnknownMemberType]


def _as_float32(x: Array) -> Array:
    """float16 and bfloat16 numbers as float32, subnormals too."""
    if x.dtype.name == "float32":
        return x
    carrier = carry(x, jnp, rounding=Rounding.TOWARD_ZERO)  # exact for floats, whatever the rounding
    return (carrier.magnitude | (carrier.negative.astype(jnp.uint32) << 31)).view(jnp.float32)


def _exactly(x: Array, made: BlockRequest, random_bits: Array | None, second: Array | None) -> Parts:
    """The golden model's own code."""
    coded = array_block.quantize(x, made, JaxExecutor(), random_bits, second)
    special = (bits_of(x) & MAGNITUDE) >= INFINITY
    suspect = (special | coded.nan).any() | coded.undefined.any()
    if coded.undefined_shift is not None:
        suspect = suspect | coded.undefined_shift.any()
    return Parts(coded.codes, coded.scales, coded.second, coded.shifts, suspect)


def _fast(x: Array, made: BlockRequest, factor: Factor, second: Array | None) -> Parts:
    """The same where elements have one factor."""
    largest = largest_magnitude(blocked(bits_of(x), made.spec.block), made.spec.block)
    nan_block = largest > INFINITY
    absmax = jnp.where(nan_block, 0, largest).astype(jnp.uint32)
    found = _numbers(absmax, nan_block, made, factor, second)
    codes = block_elements.codes(x, found.factor, factor, made)
    suspect = (largest >= INFINITY) | ((found.factor & MAGNITUDE) >= INFINITY) | found.undefined
    if factor.divides and not factor.exact:
        suspect = suspect | (found.factor & MAGNITUDE == 0)
    return Parts(codes, found.scales, found.second, None, any_of(suspect))


class Numbers(NamedTuple):
    """What blocks have one of each; ``factor`` is the pattern that their elements are multiplied with or divided by."""

    scales: Array
    second: Array | None
    undefined: Array
    factor: Array


def _numbers(absmax: Array, nan_block: Array, made: BlockRequest, factor: Factor, known: Array | None) -> Numbers:
    """The numbers of blocks: by plain operations, and again by patterns if these may have lost anything."""

    def by(executor: JaxExecutor) -> Numbers:
        found = array_block.numbers(absmax, nan_block, {}, made, executor, known)
        number = array_block.evaluate(factor.operand, found.given, executor)
        pattern = bits_of(jnp.broadcast_to(number, absmax.shape))
        return Numbers(found.scales, found.second, found.undefined, pattern)

    def again(_: Numbers) -> Numbers:
        return by(JaxExecutor())

    def kept(found: Numbers) -> Numbers:
        return found

    plain = PlainExecutor()
    numbers = by(plain)
    if not plain.usual:
        return numbers
    per_block = [usual for usual in plain.usual if usual.shape == absmax.shape]
    lost = any_of(~functools.reduce(jnp.logical_and, per_block, jnp.bool_(True)))
    for usual in plain.usual:
        if usual.shape != absmax.shape:
            lost = lost | any_of(~usual)
    return lax.cond(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        lost, again, kept, numbers
    )


def _dequantize_array(
    codes: Array, scales: Array, second: Array | None, shifts: Array | None, spec: BlockSpec, dtype: str
) -> Array:
    return block_values.dequantize(codes, scales, second, shifts, spec, dtype)


_dequantize: Callable[..., Array] = jax.jit(  # pyright: ignore[reportUnknownMemberType]
    _dequantize_array, static_argnames=("spec", "dtype")
)


def _flatten(tensor: BlockTensor) -> tuple[tuple[Any, ...], BlockSpec]:
    return (tensor.codes, tensor.scales, tensor.second, tensor.shifts, tensor.shift_second), tensor.spec


def _unflatten(spec: BlockSpec, parts: tuple[Any, ...]) -> BlockTensor:
    codes, scales, second, shifts, shift_second = parts
    return BlockTensor(spec=spec, codes=codes, scales=scales, second=second, shifts=shifts, shift_second=shift_second)


jax.tree_util.register_pytree_node(  # pyright: ignore[reportUnknownMemberType]
    BlockTensor, _flatten, _unflatten
)
