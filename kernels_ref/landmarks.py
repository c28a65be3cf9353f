"""Where encoders go wrong: the points of a format's number line that tests must hit.

Everything here is exact: midpoints and limits are computed as Fractions or as integers scaled by powers of two, and
neighbours are neighbouring bit patterns.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from formats import FloatSpec, Format
from reference.array.carrier import FLOAT_DTYPES, INT_DTYPES
from reference.exact import magnitude

Values = NDArray[Any]

#: formats above this width are sampled at their ends instead of walked
WALKED_BITS = 16


def dtype_of(name: str) -> np.dtype[Any]:
    """The NumPy dtype of an accepted input dtype's name, bfloat16 included; ``ValueError`` names the accepted ones.

    >>> dtype_of("bfloat16").itemsize
    2
    """
    if name not in FLOAT_DTYPES + INT_DTYPES:
        raise ValueError(f"dtype {name!r} is not accepted; accepted: {', '.join(FLOAT_DTYPES + INT_DTYPES)}")
    return np.dtype(jnp.dtype(name))


def magnitudes(spec: Format) -> NDArray[np.float64]:
    """The finite magnitudes in order, with the one that would follow the last (both ends only above 16 bits).

    >>> from formats import get
    >>> magnitudes(get("float4_e2m1fn"))
    array([0. , 0.5, 1. , 1.5, 2. , 3. , 4. , 6. , 8. ])
    """
    if isinstance(spec, FloatSpec):
        return np.array([float(magnitude(c, spec)) for c in _walk(spec.max_code)])
    integers = _walk(max(-spec.minimum, spec.maximum))
    return np.array([float(Fraction(n, 1 << spec.fraction_bits)) for n in integers])


def _walk(last: int) -> list[int]:
    """0 to ``last + 1``; only the first and last 4096 of a long way."""
    if last < 1 << WALKED_BITS:
        return list(range(last + 2))
    return [*range(4096), *range(last - 4094, last + 2)]


def midpoints(spec: Format) -> NDArray[np.float64]:
    """The magnitudes half-way between neighbours, where ties break: below the maximum, and the one above it.

    >>> from formats import get
    >>> midpoints(get("float4_e2m1fn"))
    array([0.25, 0.75, 1.25, 1.75, 2.5 , 3.5 , 5.  , 7.  ])
    """
    m = magnitudes(spec)
    return (m[:-1] + m[1:]) / 2


def edges(spec: Format) -> NDArray[np.float64]:
    """Magnitudes around the ends of the range: the largest value, its overflow tie and successor, and beyond."""
    *_, top, beyond = magnitudes(spec).tolist()
    return np.array([top, (top + beyond) / 2, beyond, 2 * top, np.inf])


def subnormals(spec: Format) -> NDArray[np.float64]:
    """Magnitudes below the smallest normal value, that value, and half of each; integers have all or none: empty."""
    if not isinstance(spec, FloatSpec):
        return np.array([])
    values = magnitudes(spec)[: (1 << spec.fraction_bits) + 1]
    return np.concatenate([values, values / 2])


def as_dtype(values: NDArray[np.float64], dtype: str) -> Values:
    """``values`` in a dtype, rounded to nearest where it does not hold them; integers floor and clamp."""
    kind = dtype_of(dtype)
    with np.errstate(over="ignore"):
        if dtype in FLOAT_DTYPES:
            return values.astype(kind)
        info = np.iinfo(kind)
        whole = [int(v) if np.isfinite(v) else info.max for v in np.floor(values).tolist()]
        return np.array([min(max(n, int(info.min)), int(info.max)) for n in whole], kind)


def neighbours(values: Values, steps: int) -> Values:
    """The values ``steps`` places further from zero in their dtype (nearer for negative steps), sign kept.

    Steps stop at zero and at the dtype's last value (infinity for floats); NaNs stay.

    >>> neighbours(np.array([1.0, -2.0], np.float16), 1)
    array([ 1.001, -2.002], dtype=float16)
    """
    if values.dtype.kind in "iu":
        info = np.iinfo(values.dtype)
        moved = [int(v) + (steps if v >= 0 else -steps) for v in values.tolist()]
        return np.array([min(max(n, int(info.min)), int(info.max)) for n in moved], values.dtype)
    sign, magnitude_bits, infinity = _fields(values)
    moved = np.clip(magnitude_bits + steps, 0, infinity)
    return _from_fields(sign, np.where(magnitude_bits > infinity, magnitude_bits, moved), values.dtype)


def _fields(values: Values) -> tuple[NDArray[np.uint64], NDArray[np.int64], int]:
    """Sign bits in place, magnitudes as int64, and the magnitude of infinity."""
    width = 8 * values.dtype.itemsize
    bits = values.view(f"u{values.dtype.itemsize}").astype(np.uint64)
    sign = bits & np.uint64(1 << (width - 1))
    infinity = int(np.array(np.inf).astype(values.dtype).view(f"u{values.dtype.itemsize}"))
    return sign, (bits ^ sign).astype(np.int64), infinity


def _from_fields(sign: NDArray[np.uint64], bits: NDArray[np.int64], dtype: np.dtype[Any]) -> Values:
    return (sign | bits.astype(np.uint64)).astype(f"u{dtype.itemsize}").view(dtype)


def is_nan(values: Values) -> NDArray[np.bool_]:
    """Where the NaNs are, by their bits (NumPy warns of an invalid value for bfloat16's signalling NaNs)."""
    if values.dtype.kind in "iu":
        return np.zeros(values.shape, np.bool_)
    _, magnitude_bits, infinity = _fields(values)
    return magnitude_bits > infinity


def is_infinite(values: Values) -> NDArray[np.bool_]:
    """Where the infinities are, by their bits."""
    if values.dtype.kind in "iu":
        return np.zeros(values.shape, np.bool_)
    _, magnitude_bits, infinity = _fields(values)
    return magnitude_bits == infinity


def nan_payloads(dtype: str) -> Values:
    """NaNs of a float dtype with either sign: least, quiet, alternating and full payloads; empty for integers."""
    kind = dtype_of(dtype)
    if dtype not in FLOAT_DTYPES:
        return np.array([], kind)
    _, _, infinity = _fields(np.zeros(1, kind))
    least = infinity & -infinity  # the exponent field's last bit: one place above the fraction
    payloads = [1, least >> 1, (least >> 1) + 1, least // 3, least - 1]
    bits = np.array([infinity + p for p in payloads], np.int64)
    signs = np.array([0, 1 << (8 * kind.itemsize - 1)], np.uint64)
    return np.concatenate([_from_fields(np.full(bits.shape, s, np.uint64), bits, kind) for s in signs])


def dtype_subnormals(dtype: str) -> Values:
    """A float dtype's own subnormals with either sign, from the least to the largest; empty for integers."""
    kind = dtype_of(dtype)
    if dtype not in FLOAT_DTYPES:
        return np.array([], kind)
    _, _, infinity = _fields(np.zeros(1, kind))
    normal = infinity & -infinity
    positive = np.array([1, 2, 3, normal >> 1, normal - 1], f"u{kind.itemsize}").view(kind)
    return np.concatenate([positive, -positive])


def signed_zeros(dtype: str) -> Values:
    """+0 and -0 (one 0 for integers)."""
    return np.array([0.0, -0.0] if dtype in FLOAT_DTYPES else [0], dtype_of(dtype))


def near_ties(spec: Format, dtype: str) -> Values:
    """Every midpoint with either sign, and its neighbours in the dtype up to two steps away."""
    ties = as_dtype(midpoints(spec), dtype)
    around = np.concatenate([neighbours(ties, steps) for steps in (-2, -1, 0, 1, 2)])
    return np.concatenate([around, negative(around)])


def negative(values: Values) -> Values:
    """The values with the other sign, signed zeros included; unsigned integers stay."""
    return values if values.dtype.kind == "u" else -values
