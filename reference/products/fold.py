"""Float32 arithmetic on codes: sums scaled and folded, and the epilogue, each operation rounded to nearest even."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats import FLOAT32, FloatSpec, Format, Rounding, Summation
from formats.dot import output
from reference.array.dot.epilogue import joined
from reference.array.dot.operand import multiply, unpack
from reference.array.dot.ordered import add, rounded
from reference.array.dot.rounded import Target, ieee

Codes = NDArray[Any]


def target(spec: FloatSpec) -> Target:
    """To nearest even; NaN has every bit below the sign."""
    return replace(ieee(spec, Rounding.NEAREST_TIES_TO_EVEN), nan_code=spec.sign_code - 1)


_SINGLE = target(FLOAT32)


def fold(total: Codes, partial: Codes, scale: Codes | None, rule: Summation) -> Codes:
    """Codes (int64) of ``fma(partial, scale, total)``, or of ``total + partial`` without a scale."""
    if scale is None:
        return joined(total, partial, rule, np)
    term = multiply(unpack(partial, FLOAT32, np), unpack(scale, FLOAT32, np))
    return add(unpack(total, FLOAT32, np), term, _SINGLE, np)


def times(x: Codes, y: Codes) -> Codes:
    """Codes (int64) of the float32 product."""
    return rounded(multiply(unpack(x, FLOAT32, np), unpack(y, FLOAT32, np)), _SINGLE, np)


def single(codes: Codes, rule: Summation) -> Codes:
    """Codes (int64) of a sum as float32: integers are rounded."""
    return rounded(unpack(codes, output(rule), np), _SINGLE, np)


def narrowed(codes: Codes, out: Format) -> Codes:
    """Codes (int64) of float32 codes in a format of floats, rounded once."""
    assert isinstance(out, FloatSpec)
    return rounded(unpack(codes, FLOAT32, np), target(out), np)
