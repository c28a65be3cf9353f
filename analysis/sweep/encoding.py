"""Encoding, compared among judge, golden model and JAX."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

import kernels_ref
import reference
from analysis.sweep.outcome import Outcome, Tally
from formats import Format, NanRule, Rounding, Saturation
from formats.policy import MAX_RANDOM_BITS
from reference import exact
from reference.array import codec, table
from reference.array.conversion import conversion

_BLOCK = 1 << 20  # stays in cache
SIGNS = ("positive", "negative")
_NAN = NanRule.ZERO  # for formats without NaN; the rules themselves have unit tests

Progress = Callable[[float], None]


def classes(spec: Format, rounding: Rounding, saturation: Saturation, progress: Progress) -> Outcome:
    """The golden table entry by entry: the judge at the first and at the last float32 of every fold class.

    Rounding is monotone, so equal ends mean that the judge gives every member of the class that code. A class with
    an even index has one member. The golden model's direct code and JAX are compared at the same inputs.
    """
    policy: dict[str, Any] = {"rounding": rounding, "saturation": saturation, "nan": _NAN}
    request = conversion(spec, **policy)
    golden = table.encode_table(request, "float32")
    first, last = class_ends(table.kept(spec))
    tally = Tally()
    for done, (ends, entries) in enumerate(((first, golden), (last, golden[1::2])), 1):
        inputs = ends.view(np.float32)
        judged = _judge(inputs, spec, rounding, saturation, golden.dtype)
        tally.equal(judged, entries, ends, "golden table")
        tally.equal(judged, codec.encode(inputs, request, np), ends, "golden code")
        tally.equal(judged, np.asarray(kernels_ref.encode(inputs, spec, **policy)), ends, "JAX from float32")
        progress(done / 2)
    return tally.outcome()


def class_ends(kept: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """float32 patterns: the first member of every fold class, and the last of every class with an odd index.

    The class ``2i`` is the pattern ``i`` followed by ``drop + 1`` zeros; ``2i + 1`` is all between it and ``2i + 2``.
    """
    drop = 23 - kept
    index = np.arange(1 << (9 + kept), dtype=np.uint32)
    odd = index & np.uint32(1)
    inside = np.uint32((1 << drop) - 1)
    first = (index << np.uint32(drop)) - odd * inside
    return first, (index[1::2] << np.uint32(drop)) + inside


def sixteen(spec: Format, rounding: Rounding, saturation: Saturation, progress: Progress) -> Outcome:
    """All float16 and all bfloat16 inputs: judge = NumPy = JAX."""
    tally = Tally()
    policy: dict[str, Any] = {"rounding": rounding, "saturation": saturation, "nan": _NAN}
    for done, inputs in enumerate(_sixteen_bit_inputs(), 1):
        values = np.asarray(inputs.astype(np.float32))
        golden = reference.encode(inputs, spec, **policy)
        judged = _judge(values, spec, rounding, saturation, golden.dtype)
        tally.equal(judged, golden, values, f"NumPy from {inputs.dtype.name}")
        got = kernels_ref.encode(inputs, spec, **policy)
        tally.equal(judged, np.asarray(got), values, f"JAX from {inputs.dtype.name}")
        progress(done / 2)
    return tally.outcome()


def stochastic(spec: Format, rounding: Rounding, saturation: Saturation, progress: Progress) -> Outcome:
    """All float16 and bfloat16 inputs, each with random bits of a count that the cell's name decides."""
    tally = Tally()
    seed = zlib.crc32(f"{spec.name}/{rounding.value}/{saturation.value}".encode())
    random = np.random.default_rng(seed)
    count = 1 + seed % MAX_RANDOM_BITS
    for done, inputs in enumerate(_sixteen_bit_inputs(), 1):
        values = np.asarray(inputs.astype(np.float32))
        drawn = random.integers(0, 1 << count, inputs.size).astype(np.uint32)
        policy: dict[str, Any] = {"rounding": rounding, "saturation": saturation, "nan": _NAN}
        golden = reference.encode(inputs, spec, **policy, random_bits=drawn, random_bit_count=count)
        judged = _judge(values, spec, rounding, saturation, golden.dtype, drawn, count)
        tally.equal(judged, golden, values, f"NumPy from {inputs.dtype.name}, {count} random bits")
        got = kernels_ref.encode(inputs, spec, **policy, random_bits=drawn, random_bit_count=count)
        tally.equal(judged, np.asarray(got), values, f"JAX from {inputs.dtype.name}, {count} random bits")
        progress(done / 2)
    return tally.outcome()


def float32(spec: Format, rounding: Rounding, saturation: Saturation, progress: Progress, *, sign: str) -> Outcome:
    """All 2^31 float32 inputs of a sign in ascending order of their bits: NumPy = JAX."""
    tally = Tally()
    policy: dict[str, Any] = {"rounding": rounding, "saturation": saturation, "nan": _NAN}
    first = SIGNS.index(sign) << 31
    for start in range(first, first + (1 << 31), _BLOCK):
        inputs = _floats(np.uint32(start))
        codes = kernels_ref.encode(inputs, spec, **policy)  # runs while NumPy works
        host: NDArray[np.float32] = np.asarray(inputs)
        golden = reference.encode(host, spec, **policy)
        tally.equal(golden, np.asarray(codes), host.view(np.uint32), "JAX from float32")
        progress((start + _BLOCK - first) / (1 << 31))
    return tally.outcome()


def _float_block(start: Array) -> Array:
    return (lax.iota(jnp.uint32, _BLOCK) + start).view(jnp.float32)


_floats: Callable[[np.uint32], Array] = jax.jit(_float_block)  # pyright: ignore[reportUnknownMemberType]


def _sixteen_bit_inputs() -> tuple[NDArray[Any], NDArray[Any]]:
    bits = np.arange(1 << 16, dtype=np.uint16)
    return bits.view(np.float16), bits.view(jnp.bfloat16.dtype)


def _judge(
    values: NDArray[np.float32],
    spec: Format,
    rounding: Rounding,
    saturation: Saturation,
    dtype: Any,
    random_bits: NDArray[np.uint32] | None = None,
    count: int | None = None,
) -> NDArray[Any]:
    drawn = [None] * values.size if random_bits is None else random_bits.tolist()
    encode = exact.encode
    return np.array(
        [
            encode(
                value,
                spec,
                rounding=rounding,
                saturation=saturation,
                nan=_NAN,
                random_bits=bits,
                random_bit_count=count,
            )
            for value, bits in zip(values.tolist(), drawn, strict=True)
        ],
        dtype,
    )
