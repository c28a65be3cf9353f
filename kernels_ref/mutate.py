"""Planted faults: what a wrong kernel would return, to see that a comparison notices.

Each fault makes a wrong output out of the right one, or computes one by a policy or a format that is slightly off.
They are the faults that kernels have: a tail that the last block forgot, a tie rule taken from the wrong standard, a
bias that is off by one, subnormals flushed to zero, two 4-bit codes swapped inside their byte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats import FloatSpec, Rounding, Saturation
from kernels_ref import landmarks
from kernels_ref.contract import EncodeContract, golden
from kernels_ref.landmarks import Values
from reference.array.conversion import Conversion

Codes = NDArray[np.unsignedinteger]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One comparison to tamper with: inputs, random bits and the right codes, one-dimensional."""

    contract: EncodeContract
    x: Values
    random_bits: NDArray[np.uint32] | None
    codes: Codes
    seed: int


def flipped_bit(case: Case) -> Codes:
    """One bit of one code, drawn from the seed, is inverted."""
    rng = np.random.default_rng([case.seed, 3])
    codes = case.codes.copy()
    codes[rng.integers(codes.size)] ^= codes.dtype.type(1 << int(rng.integers(case.contract.spec.bits)))
    return codes


def dropped_tail(case: Case) -> Codes:
    """The last element is missing."""
    return case.codes[:-1]


def unwritten_tail(case: Case) -> Codes:
    """The last elements, up to 127 beyond the last whole block of 128, still hold what memory held before."""
    tail = case.codes.size - (case.codes.size - 1) // 128 * 128
    codes = case.codes.copy()
    codes[-tail:] ^= codes.dtype.type((1 << case.contract.spec.bits) - 1)
    return codes


def wrong_rounding(case: Case) -> Codes:
    """The mode most easily taken for the right one (`MISTAKEN`); a stochastic mode reads its random bits inverted."""
    request = case.contract.request
    if case.random_bits is None:
        return _encode(case, rounding=MISTAKEN[request.rounding])
    top = np.uint32((1 << request.random_bit_count) - 1)
    return golden(request, case.x, top - case.random_bits)


def wrong_saturation(case: Case) -> Codes:
    """Another mode of the format, the first that gives other codes: overflow for clamp, clamp for overflow."""
    for mode in reversed(case.contract.spec.saturations):
        codes = _encode(case, saturation=mode)
        if (codes != case.codes).any():
            return codes
    return case.codes


def wrong_bias(case: Case) -> Codes:
    """Every exponent field is one too large, up to the maximum; an integer's scale is off by a factor of two."""
    spec = case.contract.spec
    if not isinstance(spec, FloatSpec):
        return _encode(case, spec=replace(spec, fraction_bits=spec.fraction_bits + 1))
    magnitude = _magnitude(case.codes, spec)
    moved = np.minimum(magnitude + (1 << spec.fraction_bits), spec.max_code)
    number = (magnitude <= spec.max_code) & (case.codes != spec.nan_code)
    return np.where(number, case.codes - magnitude + moved, case.codes)


def flushed_subnormals(case: Case) -> Codes:
    """Results below the smallest normal value become zero."""
    spec = case.contract.spec
    if not isinstance(spec, FloatSpec) or not spec.has_zero:
        return case.codes
    magnitude = _magnitude(case.codes, spec)
    small = (magnitude < (1 << spec.fraction_bits)) & (magnitude != 0)
    return np.where(small, case.codes - magnitude, case.codes)


def swapped_nibbles(case: Case) -> Codes:
    """Every second code of a format of at most 4 bits has changed places with its neighbour, as in a packed byte."""
    if case.contract.spec.bits > 4:
        return case.codes
    codes, even = case.codes.copy(), case.codes.size // 2 * 2
    codes[:even] = codes[:even].reshape(-1, 2)[:, ::-1].reshape(-1)
    return codes


#: every fault by name, in the order of the report
FAULTS: dict[str, Callable[[Case], Codes]] = {
    "one flipped bit": flipped_bit,
    "dropped tail": dropped_tail,
    "unwritten tail": unwritten_tail,
    "wrong rounding": wrong_rounding,
    "wrong saturation": wrong_saturation,
    "wrong bias or scale": wrong_bias,
    "flushed subnormals": flushed_subnormals,
    "swapped nibbles": swapped_nibbles,
}

#: what `wrong_rounding` takes a mode for
MISTAKEN = {
    Rounding.NEAREST_TIES_TO_EVEN: Rounding.NEAREST_TIES_TO_AWAY,
    Rounding.NEAREST_TIES_TO_AWAY: Rounding.NEAREST_TIES_TO_EVEN,
    Rounding.TOWARD_ZERO: Rounding.NEAREST_TIES_TO_EVEN,
    Rounding.TOWARD_POSITIVE: Rounding.TOWARD_NEGATIVE,
    Rounding.TOWARD_NEGATIVE: Rounding.TOWARD_POSITIVE,
    Rounding.TO_ODD: Rounding.TOWARD_ZERO,
}


def _encode(case: Case, **changes: Any) -> Codes:
    request: Conversion = replace(case.contract.request, **changes)
    if request.saturation is Saturation.WRAP and case.x.dtype.kind not in "iu" and request.nan is None:
        finite = np.where(landmarks.is_nan(case.x) | landmarks.is_infinite(case.x), case.x.dtype.type(0), case.x)
        return golden(request, finite, case.random_bits)
    return golden(request, case.x, case.random_bits)


def _magnitude(codes: Codes, spec: FloatSpec) -> Codes:
    return codes & codes.dtype.type((1 << spec.magnitude_bits) - 1)
