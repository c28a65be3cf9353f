"""What a kernel claims to compute, as a record that can be checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from formats import Format, NanRule, Rounding, Saturation
from kernels_ref import landmarks
from kernels_ref.landmarks import Values
from reference.array.carrier import FLOAT_DTYPES
from reference.array.codec import code_dtype
from reference.array.conversion import Conversion, conversion, needs_nan_rule


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeContract:
    """The claim: codes are `reference.encode` of the inputs, whose dtype is ``dtype``, element by element.

    The subject takes an array of inputs (and, if the rounding is stochastic, a uint32 array of random bits of the
    same shape) and returns the codes in that shape, as uint8 (uint16 or uint32 for formats above 8 or 16 bits).
    """

    request: Conversion
    dtype: str

    @property
    def spec(self) -> Format:
        """The format that the codes belong to."""
        return self.request.spec

    @property
    def code_dtype(self) -> np.dtype[Any]:
        """The dtype that codes are due in."""
        return np.dtype(code_dtype(self.spec, np))

    @property
    def excluded(self) -> str | None:
        """What the default inputs leave out because the claim says nothing about it."""
        if self.dtype not in FLOAT_DTYPES or not needs_nan_rule(self.request):
            return None
        return "NaN and infinities" if self.request.saturation is Saturation.WRAP else "NaN"

    def __str__(self) -> str:
        request = self.request
        terms = [request.rounding.value, request.saturation.value]
        terms += [f"nan={request.nan.value}"] if request.nan else []
        terms += [f"{request.random_bit_count} random bits"] if request.random_bit_count else []
        return f"encode {self.dtype} -> {self.spec.name} ({', '.join(terms)})"

    def inputs(self, seed: int) -> Values:
        """The default inputs, in an order drawn from the seed, so that no position is special.

        All patterns of a dtype of at most 16 bits; for wider ones all float16 and bfloat16 values, and every tie,
        range end, subnormal and NaN payload with its neighbours (`kernels_ref.landmarks`), and random bit patterns.
        """
        values = np.concatenate([_patterns(self.dtype, seed), *_aimed(self.spec, self.dtype)])
        if self.dtype in FLOAT_DTYPES and self.excluded:
            wraps = self.request.saturation is Saturation.WRAP
            values = values[~(landmarks.is_nan(values) | (wraps & landmarks.is_infinite(values)))]
        return np.random.default_rng(seed).permutation(values)

    def random_bits(self, shape: tuple[int, ...], seed: int) -> NDArray[np.uint32] | None:
        """Random bits from the seed, if the rounding takes any."""
        if not self.request.rounding.is_stochastic:
            return None
        drawn = np.random.default_rng([seed, 1]).integers(0, 1 << self.request.random_bit_count, shape)
        return drawn.astype(np.uint32)

    def expected(self, x: Values, random_bits: NDArray[np.uint32] | None) -> NDArray[np.unsignedinteger]:
        """The golden model's codes."""
        return golden(self.request, x, random_bits)


def encode_contract(
    fmt: str | Format,
    *,
    dtype: str,
    rounding: Rounding | str,
    saturation: Saturation | str,
    nan: NanRule | str | None = None,
    random_bit_count: int | None = None,
) -> EncodeContract:
    """The checked record; arguments and errors are those of `reference.encode`.

    >>> print(encode_contract("e3m2", dtype="float32", rounding="to_odd", saturation="sat_finite", nan="zero"))
    encode float32 -> float6_e3m2fn (to_odd, sat_finite, nan=zero)
    """
    request = conversion(fmt, rounding=rounding, saturation=saturation, nan=nan, random_bit_count=random_bit_count)
    return EncodeContract(request=request, dtype=landmarks.dtype_of(dtype).name)


def golden(request: Conversion, x: Values, random_bits: NDArray[np.uint32] | None) -> NDArray[np.unsignedinteger]:
    """`reference.encode` of a checked request."""
    return reference.encode(
        x,
        request.spec,
        rounding=request.rounding,
        saturation=request.saturation,
        nan=request.nan,
        random_bits=random_bits,
        random_bit_count=request.random_bit_count or None,
    )


def _patterns(dtype: str, seed: int) -> Values:
    """Every bit pattern of a dtype of at most 16 bits; 65,536 random ones of a wider one."""
    kind = landmarks.dtype_of(dtype)
    word = np.dtype(f"u{kind.itemsize}")
    if kind.itemsize <= 2:
        return np.arange(1 << 8 * kind.itemsize, dtype=word).view(kind)
    return np.random.default_rng([seed, 2]).integers(0, 1 << 8 * kind.itemsize, 1 << 16, dtype=word).view(kind)


def _aimed(spec: Format, dtype: str) -> list[Values]:
    """Landmarks of the format and, for wide floats, every value of the 16-bit floats."""
    kind = landmarks.dtype_of(dtype)
    ends = np.concatenate([landmarks.edges(spec), landmarks.subnormals(spec), landmarks.magnitudes(spec)])
    points = landmarks.as_dtype(ends, dtype)
    around = np.concatenate([landmarks.neighbours(points, steps) for steps in (-1, 0, 1)])
    parts = [landmarks.near_ties(spec, dtype), around, landmarks.negative(around)]
    parts += [landmarks.nan_payloads(dtype), landmarks.dtype_subnormals(dtype)]
    if dtype in ("float32", "float64"):
        with np.errstate(invalid="ignore"):  # a conversion makes a signalling NaN quiet
            parts += [_patterns(narrow, 0).astype(np.float32).astype(kind) for narrow in ("float16", "bfloat16")]
    return parts
