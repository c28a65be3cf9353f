"""JAX executors: the golden model's code under jit, with the same names and arguments, rounding by other means."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from formats import Format, NanRule, Rounding, Saturation, get
from kernels_ref import rounding as lanes
from reference.array import codec
from reference.array import decode as array_decode
from reference.array.carrier import check_dtype
from reference.array.conversion import Conversion, conversion, needs_nan_rule
from reference.codec import as_values, check_random_bits, refuse_codes, refuse_nan


def encode(
    x: ArrayLike,
    fmt: str | Format,
    *,
    rounding: Rounding | str,
    saturation: Saturation | str,
    nan: NanRule | str | None = None,
    random_bits: ArrayLike | None = None,
    random_bit_count: int | None = None,
) -> Array:
    """`reference.encode` in JAX: same arguments, same codes, bit for bit; works under jit and vmap.

    Two things differ. A value that JAX would narrow (float64 or int64 with x64 off) is refused with ``TypeError``.
    Under a transformation no element can be looked at, so a format without NaN needs ``nan=`` stated there, and
    random bits above ``random_bit_count`` are the caller's to avoid.

    >>> encode(jnp.array([1.0, 500.0]), "float8_e4m3fn", rounding="nearest_ties_to_even", saturation="sat_finite")
    Array([ 56, 126], dtype=uint8)
    """
    request, run = _encoder(fmt, rounding, saturation, nan, random_bit_count)
    values = as_jax(x)
    traced = isinstance(values, Tracer)
    if needs_nan_rule(request) and values.dtype.kind not in "iu":
        if traced:
            rules = ", ".join(rule.value for rule in NanRule)
            raise TypeError(f"{request.spec.name} has no NaN: under a JAX transformation state nan= as one of: {rules}")
        if not bool(jnp.isfinite(values).all()):
            refuse_nan(np.asarray(values), request)
    if not request.rounding.is_stochastic:
        if random_bits is not None:
            raise ValueError(f"random_bits mean nothing for rounding={request.rounding.value!r}")
        return run(values)
    if values.dtype.name in ("int32", "uint32") and not _x64():
        raise TypeError("stochastic rounding of 32-bit integers needs 64-bit words: enable jax_enable_x64")
    if random_bits is None or not isinstance(random_bits, Tracer):
        random_bits = check_random_bits(
            None if random_bits is None else np.asarray(random_bits), request.random_bit_count, values.shape
        )
    return run(values, jnp.asarray(random_bits))  # pyright: ignore[reportUnknownMemberType]


def decode(codes: ArrayLike, fmt: str | Format) -> Array:
    """`reference.decode` in JAX: float32 where exact, else float64 (``TypeError`` while x64 is off).

    Codes out of range are refused where they can be seen; under a transformation that is the caller's part.

    >>> decode(jnp.array([0x38, 0x7E], jnp.uint8), "float8_e4m3fn")
    Array([  1., 448.], dtype=float32)
    """
    spec, wide, run = _decoder(fmt)
    values = as_jax(codes)
    if values.dtype.kind not in "iu":
        raise TypeError(f"codes must be integers, not {values.dtype.name}; view a narrow dtype as uint8 first")
    traced = isinstance(values, Tracer)
    if values.dtype.itemsize * 8 > spec.bits and not traced:
        refuse_codes(np.asarray(values), spec)
    if wide and not _x64():
        raise TypeError(f"{spec.name} decodes to float64: enable jax_enable_x64")
    return run(values)


@functools.lru_cache(maxsize=1024)
def _encoder(
    fmt: str | Format,
    rounding: Rounding | str,
    saturation: Saturation | str,
    nan: NanRule | str | None,
    random_bit_count: int | None,
) -> tuple[Conversion, Callable[..., Array]]:
    """The checked request and its compiled function of values and random bits."""
    request = conversion(fmt, rounding=rounding, saturation=saturation, nan=nan, random_bit_count=random_bit_count)

    def run(x: Array, random_bits: Array | None = None) -> Array:
        return codec.encode(x, request, jnp, random_bits, rounder=lanes.round_magnitude)

    return request, jax.jit(run)  # pyright: ignore[reportUnknownMemberType]


@functools.lru_cache(maxsize=1024)
def _decoder(fmt: str | Format) -> tuple[Format, bool, Callable[[Array], Array]]:
    """The format, whether its values need float64, and its compiled function of codes."""
    spec = get(fmt)

    def run(codes: Array) -> Array:
        return array_decode.decode(codes, spec, jnp)

    wide = array_decode.target(spec).name == "float64"
    return spec, wide, jax.jit(run)  # pyright: ignore[reportUnknownMemberType]


def as_jax(x: ArrayLike) -> Array:
    """``x`` as a JAX array, refusing what JAX would narrow on the way in and dtypes that are not accepted."""
    if isinstance(x, Array):
        check_dtype(x.dtype)
        return x
    host: Any = as_values(x)
    name = host.dtype.name
    if name.endswith("64") and not _x64():
        raise TypeError(
            f"{name} input, but JAX's 64-bit types are off and would narrow it: enable jax_enable_x64,"
            " or convert it yourself"
        )
    return jnp.asarray(host)  # pyright: ignore[reportUnknownMemberType]


def _x64() -> bool:
    return jax.dtypes.canonicalize_dtype(np.int64) == np.int64
