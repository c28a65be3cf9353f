"""Scales, zero points and offsets: definitions against Fractions, and the claims that the docstrings make."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import formats
import reference
from reference import exact, quantize
from reference.quantize import ScaleRule, Scheme, shrink_factors
from reference.quantize.scale import bounds

POLICY = {"scale_format": "bfloat16", "rounding": "nearest_ties_to_even", "saturation": "sat_finite"}
WEIGHTS = ("int8", "int4_narrow", "mxint8", "float8_e4m3fn", "float8_e5m2", "float6_e2m3fn", "float4_e2m1fn", "ternary")
ASYMMETRIC = ("int8", "uint8", "uint4", "mxint8", "int1", "float8_e4m3fn", "float4_e2m1fn", "float7_ue4m3fn")
RNG = np.random.default_rng(20)


def normal(*shape, dtype=np.float16):
    return (RNG.standard_normal(shape) * 0.1).astype(dtype)


def made(fmt, scheme="symmetric", **policy):
    return quantize.recipe(fmt, scheme=scheme, **{**POLICY, **policy})


def groups_of(x, granularity):
    starts = quantize.parse_granularity(granularity).starts(x.shape)
    return np.split(x.reshape(-1), starts[1:])


@pytest.mark.parametrize(
    ("granularity", "shape", "starts"),
    [
        ("tensor", (2, 3, 2), [0]),
        ("channel", (2, 3, 2), [0, 6]),
        ("group4", (2, 3, 2), [0, 4, 6, 10]),
        ("group6", (2, 6), [0, 6]),
        ("group100", (3, 5), [0, 5, 10]),
        ("channel", (7,), [0]),
        ("group3", (7,), [0, 3, 6]),
        ("channel", (), [0]),
    ],
)
def test_groups_start_where_the_definition_says(granularity, shape, starts):
    assert quantize.parse_granularity(granularity).starts(shape).tolist() == starts


@pytest.mark.parametrize("text", ["group", "group0", "group-3", "row", "Tensor", "group1.5", ""])
def test_unknown_granularity_is_named(text):
    with pytest.raises(ValueError, match="is not known; choose tensor, channel or group<n>"):
        quantize.parse_granularity(text)


@pytest.mark.parametrize("fmt", [f for f in formats.names() if formats.get(f).bits <= 8])
def test_bounds_are_the_extreme_values_of_the_judge(fmt):
    spec = formats.get(fmt)
    low, high = bounds(spec)
    if not isinstance(spec, formats.IntSpec):
        values = [v for v in (exact.decode(c, spec) for c in range(1 << spec.bits)) if math.isfinite(v)]
        lowest = min(values) if spec.has_zero else Fraction(0)
        assert (Fraction(low), Fraction(high)) == (lowest, max(values))
    else:
        unit = Fraction(1, 1 << spec.fraction_bits)
        assert (Fraction(low), Fraction(high)) == (spec.minimum * unit, spec.maximum * unit)


@pytest.mark.parametrize("granularity", ["tensor", "channel", "group5"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("fmt", WEIGHTS)
def test_symmetric_codes_are_the_judges_of_the_exact_quotient(fmt, dtype, granularity):
    """Scales are the least bfloat16 at or above absmax / M, and x / s is rounded once, from the Fraction."""
    x = normal(3, 12, dtype=dtype)
    found = quantize.quantize(x, made(fmt), granularity=granularity, scale_rule="absmax")
    codes, high = found.codes.reshape(-1), bounds(formats.get(fmt))[1]
    at = 0
    for scale, group in zip(found.scale, groups_of(x, granularity), strict=True):
        s, absmax = Fraction(float(scale)), Fraction(float(np.abs(group).max()))
        below = Fraction(float(np.uint32(scale.view(np.uint32) - (1 << 16)).view(np.float32)))
        assert below < absmax / Fraction(high) <= s
        for value in group:
            expected = exact.encode(
                Fraction(float(value)) / s, fmt, rounding="nearest_ties_to_even", saturation="sat_finite"
            )
            assert expected == codes[at] or _both_zero(expected, codes[at], fmt)
            at += 1
    assert at == x.size


def _both_zero(a, b, fmt):
    """A Fraction has no -0, a float does."""
    return exact.decode(int(a), fmt) == exact.decode(int(b), fmt) == 0


@pytest.mark.parametrize("fmt", ["int8", "float8_e4m3fn", "float4_e2m1fn", "Binary8p7sf", "Binary8p8uf"])
def test_quotients_next_to_every_threshold_are_rounded_once(fmt):
    """The theorem of `reference.quantize.affine`: threshold times scale, and its two float32 neighbours."""
    spec = formats.get(fmt)
    values = sorted({v for v in (exact.decode(c, spec) for c in range(1 << spec.bits)) if math.isfinite(v)})
    ties = [Fraction(a + b) / 2 for a, b in pairwise(values)]
    for scale in (1.0, 1.0078125, 1.9921875, 1.4140625):
        x = np.array([float(tie * Fraction(scale)) for tie in ties], np.float32)
        assert all(Fraction(float(v)) == tie * Fraction(scale) for v, tie in zip(x, ties, strict=True))
        for moved in (x, np.nextafter(x, np.float32(np.inf)), np.nextafter(x, np.float32(-np.inf))):
            got = reference.encode(moved / np.float32(scale), spec, rounding="nearest_ties_to_even",
                                   saturation="sat_finite")  # fmt: skip
            for value, code in zip(moved, got, strict=True):
                exactly = Fraction(float(value)) / Fraction(scale)
                want = exact.encode(exactly, spec, rounding="nearest_ties_to_even", saturation="sat_finite")
                assert want == code or _both_zero(want, code, spec)


@pytest.mark.parametrize("fmt", ASYMMETRIC)
def test_asymmetric_values_by_the_definition(fmt):
    x = np.concatenate([normal(40), normal(40) + np.float16(0.3), np.abs(normal(39)), -np.abs(normal(40))])
    spec, recipe = formats.get(fmt), made(fmt, "asymmetric")
    found = quantize.quantize(x, recipe, granularity="group40", scale_rule="absmax")
    back, flat = quantize.dequantize(found), found.codes.reshape(-1)
    starts = quantize.parse_granularity("group40").starts(x.shape)
    for i, value in enumerate(x):
        group = int(np.searchsorted(starts, i, side="right")) - 1
        s, shift = (Fraction(float(v[group])) for v in (found.scale, found.shift))
        if isinstance(spec, formats.IntSpec):
            unit = Fraction(1, 1 << spec.fraction_bits)
            n = Fraction(exact.decode(int(flat[i]), spec)) / unit
            nearest = round(Fraction(float(value)) / (s * unit)) + shift / unit  # Python rounds half to even
            assert n == min(max(nearest, spec.minimum), spec.maximum)
            assert Fraction(float(back[i])) == s * unit * (n - shift / unit)
            assert spec.minimum <= shift / unit <= spec.maximum
        else:
            decoded = Fraction(exact.decode(int(flat[i]), spec))
            assert float(back[i]) == np.float32(float(s * decoded + shift))
            assert abs(Fraction(float(value)) - Fraction(float(back[i]))) <= s * bounds(spec)[1]


@pytest.mark.parametrize("fmt", ["int8", "uint8", "uint4"])
def test_asymmetric_zero_stays_zero(fmt):
    x = np.float32([0.0, 1.0, 2.5, 7.0, -0.3])
    back = quantize.dequantize(quantize.quantize(x, made(fmt, "asymmetric"), granularity="tensor", scale_rule="absmax"))
    assert back[0] == 0


@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize("fmt", ["int8", "int4", "float8_e5m2", "float6_e3m2fn", "float4_e2m1fn"])
def test_what_is_representable_comes_back(fmt, scheme):
    """Every value of the format, times a power of two, is a tensor that quantisation does not change."""
    spec = formats.get(fmt)
    values = np.unique([float(v) for v in (exact.decode(c, spec) for c in range(1 << spec.bits)) if math.isfinite(v)])
    x = (values[values != values.min()] if fmt.startswith("int") and scheme is Scheme.SYMMETRIC else values) / 64
    found = quantize.quantize(x.astype(np.float32), made(fmt, scheme), granularity="tensor", scale_rule="absmax")
    np.testing.assert_array_equal(quantize.dequantize(found), x)


@pytest.mark.parametrize("scheme", Scheme)
def test_constant_and_zero_groups(scheme):
    x = np.float32([[0, 0, 0], [0.5, 0.5, 0.5]])
    found = quantize.quantize(x, made("float8_e4m3fn", scheme), granularity="channel", scale_rule="mse")
    np.testing.assert_array_equal(quantize.dequantize(found)[0], 0)
    assert found.scale[0] == 1
    assert abs(quantize.dequantize(found)[1, 0] - 0.5) <= 2.0**-8


@pytest.mark.parametrize(
    ("fmt", "scheme"),
    [(fmt, scheme) for fmt in ("int4", "float4_e2m1fn", "ternary") for scheme in Scheme]
    + [("uint2", Scheme.ASYMMETRIC)],
)
def test_search_takes_the_best_factor_of_each_group(fmt, scheme):
    x = normal(4, 50)
    recipe = made(fmt, scheme)
    best = quantize.quantize(x, recipe, granularity="group20", scale_rule="mse")
    plain = quantize.quantize(x, recipe, granularity="group20", scale_rule="absmax")
    errors = [
        [
            float(((g.astype(float) - b) ** 2).sum())
            for g, b in zip(groups_of(x, "group20"), groups_of(q, "group20"), strict=True)
        ]
        for q in (quantize.dequantize(best), quantize.dequantize(plain))
    ]
    assert all(b <= p for b, p in zip(*errors, strict=True))
    assert any(b < p for b, p in zip(*errors, strict=True))
    assert shrink_factors(formats.get(fmt))[0] == 1


def test_uniform_int8_closed_form():
    """Uniform on [-1, 1], step 2 / 254: signal 1/3, noise step^2 / 12, so SNR = 20 log10(254) = 48.10 dB.

    A midpoint grid makes the sums deterministic. The scale is the bfloat16 at or above 1/127: the noise grows by its
    square, and the range that is not used is 127 - 1/s.
    """
    n = 100_000
    x = ((2 * np.arange(n) + 1) / n - 1).astype(np.float64)
    found = quantize.quantize(x, made("int8"), granularity="tensor", scale_rule="absmax")
    step = float(found.scale[0])
    assert 1 / 127 <= step <= (1 + 2**-7) / 127
    noise = float(((x - quantize.dequantize(found)) ** 2).mean())
    snr = 10 * math.log10((x**2).mean() / noise)
    derived = 10 * math.log10((1 / 3) / (step**2 / 12))
    # The outermost cells are cut at +-1: two of 1 / step half cells, each differing from step^2 / 12 by at most
    # step^2 / 6; relative to the noise that is less than 4 * step.
    assert abs(snr - derived) <= 10 * math.log10(1 + 4 * step)
    assert abs(snr - 20 * math.log10(254)) <= 20 * math.log10(1 + 2**-7) + 10 * math.log10(1 + 4 * step)


@pytest.mark.parametrize(
    ("fmt", "scheme", "policy", "message"),
    [
        ("uint8", "symmetric", {}, "uint8, symmetric: unsigned"),
        ("float8_e8m0fnu", "asymmetric", {}, "neither zero nor sign"),
        ("int1", "symmetric", {}, "has no positive value"),
        ("binary", "asymmetric", {}, "has no zero for a zero point"),
        ("bfloat16", "symmetric", {}, "below binary32's normal numbers"),
        ("int8", "asymmetric", {"saturation": "wrap"}, "saturation=wrap does not go with a zero point"),
        ("float8_e4m3fn", "asymmetric", {"scale_format": "float8_e8m0fnu"}, "an offset needs a sign"),
        ("int8", "symmetric", {"rounding": "stochastic_a"}, "needs random bits, which quantisation does not take"),
        ("int8", "symmetric", {"scale_format": "int8"}, "must be a float format of at most 16 bits"),
        ("int8", "both", {}, "scheme='both' is not known; choose one of: symmetric, asymmetric"),
        ("int8", "symmetric", {"saturation": "sat_none"}, "saturation='sat_none' means nothing for int8"),
    ],
)
def test_what_means_nothing_is_refused(fmt, scheme, policy, message):
    with pytest.raises(ValueError, match=message):
        made(fmt, scheme, **policy)


def test_nothing_is_implied():
    with pytest.raises(TypeError, match="rounding must be stated"):
        made("int8", rounding=None)


@pytest.mark.parametrize(
    ("x", "message"),
    [([1.0, np.nan, np.inf], "holds 2 NaN or infinite elements"), (np.zeros((0, 3)), "holds no element to quantise")],
)
def test_bad_tensors_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        quantize.quantize(x, made("int8"), granularity="tensor", scale_rule=ScaleRule.ABSMAX)


def test_a_scale_beyond_its_format_is_refused():
    with pytest.raises(ValueError, match="beyond the range of scale_format='float16'"):
        quantize.quantize([1e30], made("int4", scale_format="float16"), granularity="tensor", scale_rule="absmax")
