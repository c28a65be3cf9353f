"""Metrics against their definitions, computed in Fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import formats
from analysis import metrics
from reference import quantize
from reference.exact.codec import magnitude
from reference.quantize.affine import from_grid, to_grid
from reference.quantize.scale import Parameters, bounds

RNG = np.random.default_rng(21)


def ulp(quotient, spec):
    """The distance of neighbours in the binade of the quotient, from the values that the judge decodes."""
    if isinstance(spec, formats.IntSpec):
        return Fraction(1, 1 << spec.fraction_bits)
    a = abs(Fraction(quotient))
    values = [magnitude(c, spec) for c in range(spec.max_code + 2)]
    below = max(c for c in range(spec.max_code + 1) if values[c] <= a)
    return values[below + 1] - values[below]


@pytest.mark.parametrize("fmt", ["int4", "mxint8", "float8_e4m3fn", "float6_e3m2fn", "float4_e2m1fn", "float4_e3m0"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_terms_against_fractions(fmt, dtype):
    spec = formats.get(fmt)
    made = quantize.recipe(fmt, scheme="symmetric", scale_format="bfloat16", rounding="nearest_ties_to_even",
                           saturation="sat_finite")  # fmt: skip
    low, high = bounds(spec)
    scale = np.float32(0.0625 * 1.4140625)
    x = np.concatenate([RNG.standard_normal(60) * high * scale / 2, [0.0, high * scale * 2, -high * scale * 3, 6e-8]])
    x = x.astype(np.float16).astype(dtype)
    groups = Parameters(scale=np.full(x.shape, scale), shift=np.zeros(x.shape, np.float32))
    quotient, value = to_grid(x, groups, made, np)
    y = from_grid(value, groups, made)
    found = metrics.terms(
        x,
        y,
        quotient=quotient,
        scale=groups.scale.astype(dtype),
        bounds=(low, high),
        ulp=metrics.ulp_scale(spec),
        xp=np,
    )
    eps = float(np.finfo(dtype).eps)
    for i in range(x.size):
        a, b, s = Fraction(float(x[i])), Fraction(float(y[i])), Fraction(float(scale))
        error = abs(a - b)
        # one rounding each for difference, quotients and square: at most 4 units of 2^-p relative
        assert found.squared_error[i] == pytest.approx(float(error**2), rel=2 * eps)
        assert found.relative_error[i] == pytest.approx(float(error / abs(a)) if a else 0.0, rel=2 * eps)
        assert found.ulp_error[i] == pytest.approx(float(error / (s * ulp(a / s, spec))), rel=4 * eps)
        assert found.saturated[i] == (not Fraction(low) <= a / s <= Fraction(high))
        assert found.underflowed[i] == (a != 0 and b == 0)
    assert found.saturated.sum() >= 2
    assert found.underflowed[-1]


def test_rounding_to_nearest_is_within_half_an_ulp():
    """Of every float16 quotient inside the range."""
    spec = formats.get("float8_e4m3fn")
    made = quantize.recipe(spec, scheme="symmetric", scale_format="bfloat16", rounding="nearest_ties_to_even",
                           saturation="sat_finite")  # fmt: skip
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    x = x[np.abs(x) <= 448].astype(np.float32)
    one = Parameters(scale=np.ones(1, np.float32), shift=np.zeros(1, np.float32))
    quotient, value = to_grid(x, one, made, np)
    found = metrics.terms(
        x, value, quotient=quotient, scale=one.scale, bounds=(-448, 448), ulp=metrics.ulp_scale(spec), xp=np
    )
    assert found.ulp_error.max() == 0.5
    assert not found.saturated.any()


@pytest.mark.parametrize(
    ("signal", "noise", "expected"),
    [(1.0, 0.0, math.inf), (0.0, 0.0, math.inf), (0.0, 1.0, -math.inf), (1.0, math.inf, -math.inf), (1.0, 0.01, 20.0)],
)
def test_snr_at_its_limits(signal, noise, expected):
    assert metrics.snr_db(signal, noise) == pytest.approx(expected)
