"""Codes and numbers drawn for operands, family by family."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

import formats
from formats import FloatSpec, IntSpec

Array = NDArray[Any]
Random = np.random.Generator

#: what operands look like; each aims at something that a kernel can do wrong
FAMILIES = {
    "random": "any finite code, exponents of wide formats within 2^+-6; scales within two binades",
    "scales": "scales over the range of their format, negative ones and zeros among them",
    "cancelling": "each second product is the negative of the one before it, save for a few",
    "zeros": "four codes of five are zero, positive or negative, the others are the least and the greatest",
    "extremes": "codes of the greatest magnitudes alone",
    "exact": "small integers as activations, scales that are powers of two: the same sums in every order",
}

_NUMBERS = {"float32": (np.uint32, 8, 23), "bfloat16": (np.uint16, 8, 7), "float16": (np.uint16, 5, 10)}
#: lowest and highest binade of scales: what is common, and the range of the format as far as sums stay finite
_BINADES = {
    "float32": ((-7, -5), (-40, 8)),
    "bfloat16": ((-7, -5), (-40, 8)),
    "float16": ((-7, -5), (-24, 2)),
    "float8_e8m0fnu": ((-7, -5), (-40, 8)),
}


def codes(rng: Random, fmt: str, shape: tuple[int, ...], family: str) -> Array:
    """Codes of activations or weights: uint8, or uint16 for 16-bit formats."""
    spec = formats.get(fmt)
    if family == "cancelling" and shape[-1] % 2:
        raise ValueError(f"cancelling operands come in pairs along K; K = {shape[-1]}")
    every = _small(spec) if family == "exact" else _every(spec)
    if family == "zeros":
        zeros, ends = _zeros(spec), np.concatenate([every[:2], _greatest(spec, 2)])
        return np.where(rng.random(shape, np.float32) < 0.8, rng.choice(zeros, shape), rng.choice(ends, shape))
    return pick(rng, _greatest(spec, 4) if family == "extremes" else every, shape)


def cancel(rng: Random, a: Array, w: Array, fmt: str) -> tuple[Array, Array]:
    """Operands whose products of neighbours in K cancel, save one in eight."""
    a, w = a.copy(), w.copy()
    kept = rng.random(a[..., 1::2].shape, np.float32) < 0.125
    a[..., 1::2] = np.where(kept, a[..., 1::2], _negative(a[..., 0::2], formats.get(fmt)))
    w[..., 1::2] = w[..., 0::2]
    return a, w


def scales(rng: Random, fmt: str, shape: tuple[int, ...], family: str) -> Array:
    """Codes of scales in ``fmt``; float32 numbers for ``"float32"``."""
    if family == "exact":
        powers = np.ldexp(1.0, rng.integers(-1, 2, shape))
        return as_codes(powers, fmt)
    if fmt not in _BINADES:
        every = _every(formats.get(fmt))
        common = every[len(every) // 8 : len(every) * 3 // 8]
        return pick(rng, every if family == "scales" else common, shape)
    low, high = _BINADES[fmt][family == "scales"]
    exponent = rng.integers(low, high + 1, shape)
    if fmt == "float8_e8m0fnu":
        return (exponent + 127).astype(np.uint8)
    values = np.ldexp(1 + rng.random(shape), exponent)
    if family == "scales":
        values = values * rng.choice([1.0, 1.0, 1.0, -1.0, 0.0], shape)
    return as_codes(values, fmt)


def dyadic(rng: Random, shape: tuple[int, ...], part: str) -> Array:
    """Multipliers of 31 bits, or shifts: ratios between 2^-14 and 2^-2."""
    low, high = (1 << 30, 1 << 31) if part == "multiplier" else (33, 45)
    return rng.integers(low, high, shape).astype(np.int32)


def as_codes(values: Array, fmt: str) -> Array:
    """Numbers rounded to nearest even, as codes; float32 stays a number."""
    if fmt == "float32":
        return values.astype(np.float32)
    kind = np.dtype(getattr(ml_dtypes, fmt, None) or fmt)
    return values.astype(kind).view(f"u{kind.itemsize}")


def pick(rng: Random, table: Array, shape: tuple[int, ...]) -> Array:
    """Entries of a table, each alike often up to one in 256."""
    if table.size > 256:
        return table[rng.integers(0, table.size, shape, dtype=np.uint16)]
    spread = np.resize(table, 256)
    return np.take(spread, np.frombuffer(rng.bytes(int(np.prod(shape))), np.uint8).reshape(shape))


def _every(spec: Any) -> Array:
    """The finite codes, positive ones first and ascending; wide floats near one only."""
    if isinstance(spec, IntSpec):
        values = np.arange(spec.minimum, spec.maximum + 1)
        return (np.roll(values, spec.minimum) & ((1 << spec.bits) - 1)).astype(np.uint8)
    assert isinstance(spec, FloatSpec)
    if spec.bits <= 8:
        positive = np.arange(spec.max_code + 1)
    else:
        positive = np.arange(spec.bias - 6 << spec.fraction_bits, spec.bias + 7 << spec.fraction_bits)
    signed = [positive, positive | spec.sign_code] if spec.signed else [positive]
    return np.concatenate(signed).astype(np.uint8 if spec.bits <= 8 else np.uint16)


def _small(spec: Any) -> Array:
    """Of 8 bits and more, the integers from -2 to 2; of fewer, every finite code."""
    if spec.bits < 8:
        return _every(spec)
    values = np.arange(-2, 3)
    if isinstance(spec, IntSpec):
        return values.astype(np.int8).view(np.uint8)
    return as_codes(values.astype(np.float64), spec.name)


def _zeros(spec: Any) -> Array:
    if isinstance(spec, IntSpec) or not spec.signed:
        return np.zeros(1, np.uint8)
    return np.array([0, spec.sign_code], np.uint8 if spec.bits <= 8 else np.uint16)


def _greatest(spec: Any, count: int) -> Array:
    if isinstance(spec, IntSpec):
        ends = [spec.minimum, spec.maximum, spec.maximum - 1, spec.minimum + 1][:count]
        return (np.array(ends) & ((1 << spec.bits) - 1)).astype(np.uint8)
    every = _every(spec)
    half = len(every) // (2 if spec.signed else 1)
    top = every[half - count // 2 : half]
    return np.concatenate([top, top | spec.sign_code]) if spec.signed else top


def _negative(given: Array, spec: Any) -> Array:
    if isinstance(spec, IntSpec):
        return ((-given.astype(np.int16)) & ((1 << spec.bits) - 1)).astype(given.dtype)
    return given ^ np.array(spec.sign_code, given.dtype)
