"""The strategies hit what they aim at, and by them judge, golden model and JAX agree."""

from __future__ import annotations

from fractions import Fraction

import jax
import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import formats
import kernels_ref
import reference
from formats import FloatSpec
from kernels_ref import landmarks, strategies
from reference import exact

FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int8", "int32", "int64", "uint64")
#: few, since JAX compiles each format and policy anew
ROTATION = ("float8_e4m3fn", "float8_e8m0fnu", "float4_e2m1fn", "Binary6p3uf", "int4", "mxint8")


def exactly(x):
    return int(x) if x.dtype.kind in "iu" else float(x)


def judged(x, spec, policy, random_bits):
    rounds = policy["rounding"].is_stochastic
    return [
        exact.encode(exactly(v), spec, **policy, **({"random_bits": r} if rounds else {}))
        for v, r in zip(x, random_bits, strict=True)
    ]


@st.composite
def conversions(draw, spec, dtype):
    """Inputs, policy, and random bits of that length."""
    x, policy = draw(strategies.arrays(spec, dtype, max_size=16)), draw(strategies.policies(spec))
    bits = strategies.random_bits(policy.get("random_bit_count", 1))
    drawn = draw(st.lists(bits, min_size=x.size, max_size=x.size))
    return x, policy, drawn


def array_bits(policy, drawn):
    return {"random_bits": np.array(drawn, np.uint32)} if policy["rounding"].is_stochastic else {}


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@given(data=st.data())
def test_judge_equals_golden_model_on_registered_formats(dtype, data):
    spec = data.draw(strategies.formats(max_bits=8))
    x, policy, drawn = data.draw(conversions(spec, dtype))
    codes = reference.encode(x, spec, **policy, **array_bits(policy, drawn))
    assert codes.tolist() == judged(x, spec, policy, drawn)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(data=st.data(), spec=strategies.float_specs() | strategies.int_specs())
def test_judge_equals_golden_model_on_formats_at_large(dtype, data, spec):
    x, policy, drawn = data.draw(conversions(spec, dtype))
    codes = reference.encode(x, spec, **policy, **array_bits(policy, drawn))
    assert codes.tolist() == judged(x, spec, policy, drawn)


@given(data=st.data(), spec=strategies.float_specs() | strategies.int_specs())
def test_decode_of_formats_at_large_is_the_judges(data, spec):
    code = data.draw(strategies.codes(spec))
    value, ruling = reference.decode([code], spec)[0], exact.decode(code, spec)
    if ruling != ruling:
        assert np.isnan(value)
    else:
        assert ruling == value
        assert np.signbit(value) == (str(ruling).startswith("-"))


@st.composite
def few_policies(draw, spec):
    """One saturation for each rounding, so that JAX compiles few programs."""
    rounding = draw(st.sampled_from(formats.Rounding))
    saturations = spec.saturations
    policy = {"rounding": rounding, "nan": "zero"}
    policy["saturation"] = saturations[list(formats.Rounding).index(rounding) % len(saturations)]
    return policy | ({"random_bit_count": 5} if rounding.is_stochastic else {})


@pytest.mark.parametrize("dtype", [*FLOATS, "int16", "int32", "uint64"])
@given(data=st.data())
@settings(max_examples=30)
def test_jax_equals_golden_model(dtype, data):
    spec = formats.get(data.draw(st.sampled_from(ROTATION)))
    policy = data.draw(few_policies(spec))
    x = np.array(data.draw(st.lists(strategies.values(spec, dtype), min_size=8, max_size=8)), landmarks.dtype_of(dtype))
    drawn = data.draw(st.lists(strategies.random_bits(5), min_size=8, max_size=8))
    bits = array_bits(policy, drawn)
    with jax.enable_x64(True):
        codes = kernels_ref.encode(x, spec, **policy, **bits)
    np.testing.assert_array_equal(np.asarray(codes), reference.encode(x, spec, **policy, **bits))


@pytest.mark.parametrize("name", ROTATION)
def test_near_ties_hold_every_tie_with_either_sign(name):
    spec = formats.get(name)
    ties = set(landmarks.midpoints(spec).tolist())
    hit = set(landmarks.near_ties(spec, "float32").astype(np.float64).tolist())
    assert ties | {-t for t in ties} <= hit
    away, even = (
        reference.encode(np.array(sorted(ties)), spec, rounding=mode, saturation="sat_finite", nan="zero")
        for mode in ("nearest_ties_to_away", "nearest_ties_to_even")
    )
    assert (away != even).any()


@pytest.mark.parametrize("name", ROTATION)
@given(data=st.data())
def test_just_past_ties_collapse_onto_the_tie_in_float32(name, data):
    x = data.draw(strategies.just_past_ties(name))
    assert x.dtype == np.float64
    assert float(np.float32(x)) != float(x)
    assert abs(float(np.float32(x))) in landmarks.midpoints(formats.get(name))


@pytest.mark.parametrize("dtype", FLOATS)
@given(data=st.data())
def test_special_values_are_special(dtype, data):
    kind = landmarks.dtype_of(dtype)
    nan = data.draw(strategies.nan_payloads(dtype))
    zero = data.draw(strategies.signed_zeros(dtype))
    assert nan.dtype == zero.dtype == kind
    assert np.isnan(float(nan))
    assert zero == 0
    assert not np.isnan(float(data.draw(strategies.values("int4", dtype, nan=False))))


@pytest.mark.parametrize("dtype", FLOATS)
def test_special_values_come_in_all_their_forms(dtype):
    word = f"u{landmarks.dtype_of(dtype).itemsize}"
    payloads = landmarks.nan_payloads(dtype)
    assert len(set(payloads.view(word).tolist())) == payloads.size
    assert find(strategies.nan_payloads(dtype), np.signbit) is not None
    assert np.signbit(find(strategies.signed_zeros(dtype), np.signbit))
    own = landmarks.dtype_subnormals(dtype)
    smallest = landmarks.neighbours(own, -(1 << 60))
    assert (own != 0).all()
    assert (smallest == 0).all()


@pytest.mark.parametrize("name", [name for name in ROTATION if isinstance(formats.get(name), FloatSpec)])
@given(data=st.data())
def test_subnormals_lie_below_the_smallest_normal_value_of_format_or_dtype(name, data):
    spec = formats.get(name)
    x = data.draw(strategies.subnormals(spec, "float32"))
    limit = max(exact.magnitude((1 << spec.fraction_bits) * spec.has_zero, spec), Fraction(2) ** -126)
    assert abs(Fraction(float(x))) <= limit * (1 + Fraction(1, 1 << 22))


@pytest.mark.parametrize("name", ROTATION)
def test_saturation_edges_lie_on_both_sides_of_the_overflow(name):
    strategy = strategies.saturation_edges(name, "float32")
    *_, top, beyond = landmarks.magnitudes(formats.get(name)).tolist()
    tie = (top + beyond) / 2
    assert find(strategy, lambda x: top <= float(x) < tie) is not None
    assert find(strategy, lambda x: float(x) == tie) is not None
    assert find(strategy, lambda x: tie < float(x) < beyond) is not None
    assert find(strategy, np.isinf) is not None


@given(st.integers(1, 24).flatmap(lambda n: st.tuples(st.just(n), strategies.random_bits(n))))
def test_random_bits_stay_in_range(drawn):
    count, bits = drawn
    assert 0 <= bits < 1 << count


@given(strategies.formats(max_bits=4))
def test_formats_keep_the_asked_width(spec):
    assert spec.bits <= 4
    assert formats.get(spec.name) == spec


@given(strategies.policies("int4", stochastic=False))
def test_policies_without_random_bits(policy):
    assert set(policy) == {"rounding", "saturation", "nan"}
    assert not policy["rounding"].is_stochastic


def test_integers_have_no_subnormals():
    with pytest.raises(ValueError, match="int8 has no subnormals; accepted: float16"):
        strategies.subnormals("int8", "int8")


def test_unknown_dtype_is_named():
    with pytest.raises(ValueError, match="'float128' is not accepted; accepted: float16, bfloat16"):
        strategies.near_ties("float8_e4m3fn", "float128")
