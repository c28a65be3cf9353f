"""Every code of a format, decoded by everybody, and encoded again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import kernels_ref
import reference
from analysis.sweep.outcome import Outcome, Tally
from formats import FloatSpec, Format, Rounding, Saturation
from reference import exact
from reference.array.codec import code_dtype


def codes(spec: Format) -> Outcome:
    """Judge = NumPy = JAX on all codes; and encoding a value that is no NaN gives its code back.

    The way back leaves out reserved codes of narrow-range integers, which encoding never produces.
    """
    tally = Tally()
    dtype: Any = code_dtype(spec, np)
    every = np.arange(1 << spec.bits, dtype=dtype)
    values = [float(exact.decode(code, spec)) for code in every.tolist()]
    judged = np.array(values, np.float32)
    tally.equal(np.array(values).view(np.uint64), judged.astype(np.float64).view(np.uint64), every, "float32 of value")
    bits = judged.view(np.uint32)  # so that -0 differs from 0 and a NaN equals itself
    tally.equal(bits, reference.decode(every, spec).view(np.uint32), every, "NumPy decode")
    tally.equal(bits, np.asarray(kernels_ref.decode(every, spec)).view(np.uint32), every, "JAX decode")
    back = [code for code, value in enumerate(values) if _returns(value, spec)]
    numbers = judged[back]
    saturation = Saturation.SAT_PROPAGATE if Saturation.SAT_PROPAGATE in spec.saturations else Saturation.SAT_FINITE
    policy: dict[str, Any] = {"rounding": Rounding.NEAREST_TIES_TO_EVEN, "saturation": saturation, "nan": "zero"}
    tally.equal(every[back], reference.encode(numbers, spec, **policy), numbers, "NumPy encode of decode")
    tally.equal(every[back], np.asarray(kernels_ref.encode(numbers, spec, **policy)), numbers, "JAX encode of decode")
    return tally.outcome()


def _returns(value: float, spec: Format) -> bool:
    if math.isnan(value):
        return False
    return isinstance(spec, FloatSpec) or spec.minimum <= value * (1 << spec.fraction_bits) <= spec.maximum
