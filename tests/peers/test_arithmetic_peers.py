"""Scalar operations beside NumPy's float16 and ml_dtypes' narrow formats: equal, but for what the table counts.

ml_dtypes computes in float32 and rounds once more. For formats of 4 to 8 bits that is exact: sums and products have
fewer bits than float32, and quotients are never so near a tie.
"""

from __future__ import annotations

import operator

import ml_dtypes
import numpy as np
import pytest

import formats
import reference
from formats import FloatSpec
from reference import arithmetic

pytestmark = pytest.mark.peers

EVEN = {"rounding": "nearest_ties_to_even", "saturation": "sat_none", "nan": "zero"}
OPERATORS = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "minimum": np.minimum,
    "maximum": np.maximum,
}
NARROW = [
    spec
    for name in formats.names()
    if hasattr(ml_dtypes, name) and isinstance(spec := formats.get(name), FloatSpec) and spec.bits <= 8
]

#: pairs of codes on which ml_dtypes 0.6.0 gives another value
E8M0 = {
    "add": 254,  # ties between powers of two go up, not to the even code
    "sub": 126,
    "mul": 5565,  # products below 2^-127 are zero on the way through float32, so NaN; here they become the least
    "div": 5565,
}
ZEROS = {"minimum": 1, "maximum": 1}  # of zeros of unlike sign NumPy's loop takes the second


def known(spec, name):
    if not spec.has_zero:
        return E8M0.get(name, 0)
    return ZEROS.get(name, 0) if spec.has_negative_zero else 0


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("spec", NARROW, ids=lambda spec: spec.name)
def test_every_pair_of_codes_beside_ml_dtypes(spec, name):
    a, b = (axis.reshape(-1) for axis in np.indices((1 << spec.bits,) * 2, np.uint8))
    dtype = np.dtype(getattr(ml_dtypes, spec.name))
    with np.errstate(all="ignore"):
        theirs = OPERATORS[name](a.view(dtype), b.view(dtype))
    ours = getattr(arithmetic, name)(a, b, formats=spec, out=spec, **EVEN)
    both_nan = np.isnan(theirs.astype(np.float32)) & np.isnan(reference.decode(ours, spec))
    differ = (theirs.view(np.uint8) != ours) & ~both_nan  # NaNs keep their sign there
    assert np.count_nonzero(differ) == known(spec, name)


def float16_codes():
    """Zeros, subnormals, both sides of every binade and of 1, the largest, infinity, NaNs; either sign."""
    near = {(exponent << 10) + step for exponent in range(32) for step in (-2, -1, 0, 1, 2, 511, 512, 513)}
    codes = np.array(sorted(code for code in near if 0 <= code < 1 << 15), np.uint16)
    return np.concatenate([codes, codes | np.uint16(0x8000)])


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "sqrt"])
def test_float16_of_numpy(name):
    codes = float16_codes()
    assert codes.size > 480
    unary = name == "sqrt"
    columns = [np.arange(1 << 16, dtype=np.uint16)] if unary else [c.reshape(-1) for c in np.meshgrid(codes, codes)]
    with np.errstate(all="ignore"):
        due = (np.sqrt if unary else OPERATORS[name])(*(column.view(np.float16) for column in columns))
    found = getattr(arithmetic, name)(*columns, formats="float16", out="float16", **EVEN)
    number = ~np.isnan(due)
    np.testing.assert_array_equal(found[number], due.view(np.uint16)[number])
    assert (found[~number] == formats.get("float16").nan_code).all()
