"""Hypothesis strategies that aim where encoders and kernels go wrong; imported on demand.

Numbers come as NumPy scalars of the asked dtype, so that nothing is converted on the way to the code under test.

>>> from hypothesis import given
>>> from kernels_ref import strategies
>>> @given(strategies.near_ties("float8_e4m3fn", "float32"))
... def test_cast_near_ties(x): ...
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from numpy.typing import NDArray

import formats as registry
from formats import FloatSpec, Format, IntSpec, Nan, NanRule, Overflow, Rounding
from formats.policy import MAX_RANDOM_BITS
from kernels_ref import landmarks
from kernels_ref.landmarks import Values
from reference.array.carrier import FLOAT_DTYPES


def formats(*, max_bits: int = 32) -> SearchStrategy[Format]:
    """Registered formats of at most ``max_bits`` bits; for formats that nobody registered see `float_specs`."""
    return st.sampled_from([spec for name in registry.names() if (spec := registry.get(name)).bits <= max_bits])


@st.composite
def float_specs(draw: DrawFn) -> FloatSpec:
    """Float formats at large, of 3 to 8 bits: any precision, bias, range and special values that arrays can encode.

    Every code means something (none is reserved), and signed formats have a zero.
    """
    signed = draw(st.booleans())
    bits = draw(st.integers(3 + signed, 8))
    room = (1 << (bits - signed)) - 1
    precision = draw(st.integers(1 + (bits - signed == 8), bits - signed))  # at most 7 exponent bits
    has_zero = signed or draw(st.booleans())
    has_infinity = draw(st.booleans())
    nan = draw(st.sampled_from(Nan if signed else (Nan.NONE, Nan.ABOVE)))
    max_code = draw(st.integers(1, room - has_infinity - 1)) if nan is Nan.ABOVE else room - has_infinity
    overflow = [Overflow.MAXIMUM, *[Overflow.INFINITY] * has_infinity, *[Overflow.NAN] * (nan is not Nan.NONE)]
    return FloatSpec(
        name="drawn",
        bits=bits,
        precision=precision,
        bias=draw(st.integers((max_code >> (precision - 1)) - 127, 127 + has_zero)),
        max_code=max_code,
        signed=signed,
        has_infinity=has_infinity,
        nan=nan,
        has_zero=has_zero,
        overflow=draw(st.sampled_from(overflow)),
        source="drawn by kernels_ref.strategies",
    )


@st.composite
def int_specs(draw: DrawFn, *, max_bits: int = 8) -> IntSpec:
    """Integer and fixed-point formats at large: any width, range around zero and scale up to ``2^-16``."""
    bits, signed = draw(st.integers(2, max_bits)), draw(st.booleans())
    top = (1 << (bits - signed)) - 1
    return IntSpec(
        name="drawn",
        bits=bits,
        minimum=-draw(st.integers(1, top + 1)) if signed else 0,
        maximum=draw(st.integers(1, top)),
        fraction_bits=draw(st.integers(0, 16)),
        source="drawn by kernels_ref.strategies",
    )


@st.composite
def policies(draw: DrawFn, fmt: str | Format, *, stochastic: bool = True) -> dict[str, Any]:
    """Keyword arguments of `reference.encode`: rounding, saturation, NaN rule and, if stochastic, random_bit_count.

    ``reference.encode(x, fmt, **policy)``, and for a stochastic one ``random_bits=`` from `random_bits`.
    """
    rounding = draw(st.sampled_from([mode for mode in Rounding if stochastic or not mode.is_stochastic]))
    policy: dict[str, Any] = {
        "rounding": rounding,
        "saturation": draw(st.sampled_from(registry.get(fmt).saturations)),
        "nan": draw(st.sampled_from(NanRule)),
    }
    if rounding.is_stochastic:
        policy["random_bit_count"] = draw(st.integers(1, MAX_RANDOM_BITS))
    return policy


def random_bits(count: int) -> SearchStrategy[int]:
    """Random bits in ``[0, 2^count)``, the ends and the middle often."""
    top = (1 << count) - 1
    return st.sampled_from([0, top >> 1, (top >> 1) + 1, top]) | st.integers(0, top)


def codes(fmt: str | Format) -> SearchStrategy[int]:
    """Codes of a format, NaNs and reserved ones included."""
    return st.integers(0, (1 << registry.get(fmt).bits) - 1)


def near_ties(fmt: str | Format, dtype: str) -> SearchStrategy[Any]:
    """Midpoints between neighbouring values of a format, and the dtype's values up to two steps beside them."""
    return _elements(landmarks.near_ties(registry.get(fmt), dtype))


@st.composite
def just_past_ties(draw: DrawFn, fmt: str | Format) -> Any:
    """float64 values beside a midpoint that float32 cannot tell from it: a stop-over there rounds them twice."""
    tie = draw(_elements(landmarks.midpoints(registry.get(fmt))))
    steps = draw(st.integers(1, 1 << 20) | st.integers(0, 20).map(lambda k: 1 << k))
    beside = landmarks.neighbours(np.array([tie]), draw(st.sampled_from([steps, -steps])))
    return draw(_elements(np.concatenate([beside, -beside])))


def saturation_edges(fmt: str | Format, dtype: str) -> SearchStrategy[Any]:
    """The largest value, its overflow tie, its successor and infinity, with neighbours and either sign."""
    return _elements(_around(landmarks.edges(registry.get(fmt)), dtype))


def subnormals(fmt: str | Format, dtype: str) -> SearchStrategy[Any]:
    """Values below the smallest normal one of a float format, and the dtype's own subnormals."""
    own = landmarks.dtype_subnormals(dtype)
    if not own.size:
        raise ValueError(f"dtype {dtype} has no subnormals; accepted: {', '.join(FLOAT_DTYPES)}")
    return _elements(np.concatenate([_around(landmarks.subnormals(registry.get(fmt)), dtype), own]))


def nan_payloads(dtype: str) -> SearchStrategy[Any]:
    """NaNs with either sign, quiet and signalling, with least, alternating and full payloads."""
    return _elements(landmarks.nan_payloads(dtype))


def signed_zeros(dtype: str) -> SearchStrategy[Any]:
    """+0 and -0."""
    return _elements(landmarks.signed_zeros(dtype))


def bit_patterns(dtype: str) -> SearchStrategy[Any]:
    """Any value of a dtype, drawn as bits."""
    kind = landmarks.dtype_of(dtype)
    word = np.dtype(f"u{kind.itemsize}")
    return st.integers(0, (1 << 8 * kind.itemsize) - 1).map(lambda bits: np.array([bits], word).view(kind)[0])


def values(fmt: str | Format, dtype: str, *, nan: bool = True) -> SearchStrategy[Any]:
    """All of the above: what an encoder to ``fmt`` must survive; ``nan=False`` leaves NaNs out."""
    parts = [near_ties(fmt, dtype), saturation_edges(fmt, dtype), signed_zeros(dtype), bit_patterns(dtype)]
    if dtype in FLOAT_DTYPES:
        parts += [subnormals(fmt, dtype)] + [nan_payloads(dtype)] * nan
    if dtype == "float64":
        parts.append(just_past_ties(fmt))
    return st.one_of(parts).filter(lambda x: nan or not landmarks.is_nan(np.array([x]))[0])


def arrays(fmt: str | Format, dtype: str, *, nan: bool = True, max_size: int = 64) -> SearchStrategy[NDArray[Any]]:
    """One-dimensional arrays of `values`, from empty to ``max_size``."""
    kind = landmarks.dtype_of(dtype)
    return st.lists(values(fmt, dtype, nan=nan), max_size=max_size).map(lambda items: np.array(items, kind))


def _elements(array: Values) -> SearchStrategy[Any]:
    return st.integers(0, len(array) - 1).map(lambda index: array[index])


def _around(points: NDArray[np.float64], dtype: str) -> Values:
    exact = landmarks.as_dtype(points, dtype)
    beside = np.concatenate([landmarks.neighbours(exact, steps) for steps in (-1, 0, 1)])
    return np.concatenate([beside, landmarks.negative(beside)])
