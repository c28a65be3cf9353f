"""The golden matrix product in JAX: the same arguments and codes, for CPUs and GPUs, 64-bit types on or off."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike

from formats import FLOAT32, Accumulator, Format, IntSpec, NanRule, Rounding, Saturation
from formats.dot import output
from formats.schedule import Schedule
from kernels_ref.codec import decode, encode
from kernels_ref.dot.accumulate import accumulate, joined
from kernels_ref.dot.numbers import add, number, product, rounded
from kernels_ref.dot.parts import integers, unpack
from reference.array.codec import code_dtype
from reference.array.dot.epilogue import nan_code
from reference.array.dot.request import Request, request, result_shape
from reference.array.dot.schedule import scheduled
from reference.codec import check_random_bits
from reference.matmul import as_float32, check_broadcast, check_code_dtype, check_scale_dtype, refuse_named_codes

_SCALES = ("alpha", "beta", "bias")


def matmul(
    a: ArrayLike,
    b: ArrayLike,
    c: ArrayLike | None = None,
    *,
    accumulator: str | Accumulator,
    a_format: str | Format | None = None,
    b_format: str | Format | None = None,
    schedule: Schedule | None = None,
    alpha: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    out: str | Format | None = None,
    rounding: Rounding | str | None = None,
    saturation: Saturation | str | None = None,
    nan: NanRule | str | None = None,
    random_bits: ArrayLike | None = None,
) -> Array:
    """`reference.matmul` in JAX: same arguments, same codes and errors, bit for bit; works under jit and vmap.

    Three things differ. Under a transformation no element can be looked at, so that codes and random bits out of
    range are the caller's to avoid and an ``out`` without NaN needs ``nan=``. Steps of matrix units need products of
    at most 24 bits and terms of at most 31, as all NVIDIA's have. AMD's matrix cores are refused with ``ValueError``.

    >>> a, b = [[0x38, 0x40]], [[0x38], [0x44]]  # 1 * 1 + 2 * 3 in E4M3
    >>> hex(matmul(a, b, accumulator="exact.f32", a_format="e4m3fn", b_format="e4m3fn").item())
    '0x40e00000'
    """
    scales = {name: scale for name, scale in zip(_SCALES, (alpha, beta, bias), strict=True) if scale is not None}
    call = request(
        accumulator,
        a_format=a_format,
        b_format=b_format,
        schedule=schedule,
        epilogue=bool(scales),
        out=out,
        rounding=rounding,
        saturation=saturation,
        nan=nan,
    )
    x, y = _codes("a", a, call.a), _codes("b", b, call.b)
    shape = result_shape(call, x.shape, y.shape)
    if c is None and beta is not None:
        raise TypeError("beta scales c, which is missing")
    start = _broadcast("c", _codes("c", np.uint8(0) if c is None else c, call.accumulator.output), shape)
    words = {name: _scale(name, scale, shape) for name, scale in scales.items()}
    drawn = _drawn(random_bits, call, (x.shape[-1], *shape))
    result = _compiled(call)(x, y, start, words, drawn)
    if call.out is None:
        return result
    values, to = _values(result, FLOAT32 if scales else call.accumulator.output), call.out
    return encode(values, to.spec, rounding=to.rounding, saturation=to.saturation, nan=to.nan)


@functools.lru_cache(maxsize=1024)
def _compiled(call: Request) -> Callable[..., Array]:
    """The sum and its epilogue."""

    def run(a: Array, b: Array, c: Array, scales: dict[str, Array], random_bits: Array | None) -> Array:
        rank = c.ndim
        a, b = (x.reshape(*(1,) * (rank - x.ndim), *x.shape) for x in (a, b))
        first = c & 0 if "beta" in scales else c
        rule, pair = call.summation, (call.a, call.b)
        acc: Array = scheduled(
            a,
            b,
            first,
            call.schedule,
            random_bits,
            accumulate=lambda a, b, c, drawn: accumulate(c, a, b, rule, pair, drawn),
            joined=lambda x, y: joined(x, y, rule),
        )
        if not call.epilogue:
            return acc.astype(code_dtype(call.accumulator.output, jnp))
        return _epilogue(acc, c, scales, call)

    return jax.jit(run)  # pyright: ignore[reportUnknownMemberType]


def _epilogue(acc: Array, c: Array, scales: dict[str, Array], call: Request) -> Array:
    """float32 codes of ``acc * alpha + beta * c + bias``, rounded to nearest even after each operation."""
    mode, spec = Rounding.NEAREST_TIES_TO_EVEN, output(call.summation)
    nan = nan_code(call.summation, FLOAT32)

    def single(codes: Array) -> Array:
        return rounded(number(unpack(codes, spec)), FLOAT32, mode, nan_code=nan)

    def times(x: Array, y: Array) -> Array:
        return rounded(product(unpack(x, FLOAT32), unpack(y, FLOAT32), 48), FLOAT32, mode, nan_code=nan)

    y = single(acc)
    if "alpha" in scales:
        y = times(y, scales["alpha"])
    if "beta" in scales:
        y = add(y, times(single(c), scales["beta"]), FLOAT32, nan)
    return add(y, scales["bias"], FLOAT32, nan) if "bias" in scales else y


def _codes(name: str, codes: ArrayLike, spec: Format) -> Array:
    """Codes as the narrowest unsigned dtype that holds them."""
    array: Any = codes if isinstance(codes, Array) else np.asarray(codes)
    check_code_dtype(name, array.dtype, spec, encoder="kernels_ref.encode")
    if not isinstance(array, Tracer) and (array.dtype.itemsize * 8 > spec.bits or array.dtype.kind == "i"):
        refuse_named_codes(name, np.asarray(array), spec)
    return jnp.asarray(array).astype(code_dtype(spec, jnp))  # pyright: ignore[reportUnknownMemberType]


def _scale(name: str, scale: ArrayLike, shape: tuple[int, ...]) -> Array:
    """float32 words of a scale."""
    array: Any = scale if isinstance(scale, Array) else np.asarray(scale)
    check_scale_dtype(name, array.dtype)
    if not isinstance(array, Tracer):
        array = as_float32(name, np.asarray(array))
    single = jnp.asarray(array).astype(jnp.float32)  # pyright: ignore[reportUnknownMemberType]
    return _broadcast(name, lax.bitcast_convert_type(single, jnp.uint32), shape)


def _broadcast(name: str, array: Array, shape: tuple[int, ...]) -> Array:
    check_broadcast(name, array.shape, shape)
    return jnp.broadcast_to(array, shape).astype(jnp.uint32)


def _drawn(random_bits: ArrayLike | None, call: Request, shape: tuple[int, ...]) -> Array | None:
    count = call.random_bit_count
    if count is None:
        if random_bits is not None:
            raise ValueError(f"random_bits mean nothing for {call.accumulator.name}")
        return None
    if random_bits is not None:
        _broadcast("random_bits", jnp.asarray(random_bits), shape)  # pyright: ignore[reportUnknownMemberType]
    if not isinstance(random_bits, Tracer):
        random_bits = check_random_bits(None if random_bits is None else np.asarray(random_bits), count, shape)
    return _broadcast("random_bits", jnp.asarray(random_bits), shape)  # pyright: ignore[reportUnknownMemberType]


def _values(codes: Array, spec: Format) -> Array:
    """Exact values: integers as integers, since float32 would round them."""
    if isinstance(spec, IntSpec):
        return integers(codes, spec)
    return lax.bitcast_convert_type(codes, jnp.float32) if spec == FLOAT32 else decode(codes, spec)
