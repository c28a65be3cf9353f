"""The executors against the judge, on the points where encoders go wrong and on every input dtype."""

from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rotation import rotate

import formats
import kernels_ref
import reference
from formats import Rounding, Saturation
from kernels_ref import landmarks, strategies
from reference import exact
from reference.array import codec, table
from reference.array.conversion import conversion

DETERMINISTIC = [mode for mode in Rounding if not mode.is_stochastic]
NARROW = [name for name in formats.names() if formats.get(name).bits <= 8]
RNE = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite", "nan": "zero"}
#: one of each kind: OCP, IEEE, FNUZ, no zero, no specials, precision 1, unsigned, widest fraction, integers, 16 bits
KINDS = (
    "float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz", "float8_e8m0fnu", "float7_ue4m3fn", "float6_e3m2fn",
    "float4_e2m1fn", "Binary8p1se", "Binary8p1uf", "Binary8p2ue", "Binary8p8ue", "Binary3p1sf", "int8", "uint4",
    "int8_narrow", "mxint8", "binary", "bfloat16", "float16", "tf32",
)  # fmt: skip


def policies(spec, roundings=tuple(Rounding)):
    return [
        {"rounding": r, "saturation": s, "nan": "maximum"} | ({"random_bit_count": 5} if r.is_stochastic else {})
        for r, s in itertools.product(roundings, spec.saturations)
    ]


def thin(values, size):
    return values[:: -(-values.size // size)] if values.size else values


def boundary(spec, dtype):
    """Ties, range ends, subnormals, zeros and NaNs with their neighbours; of very many, a thousand ties and values."""
    points = landmarks.as_dtype(np.concatenate([landmarks.edges(spec), thin(landmarks.subnormals(spec), 160)]), dtype)
    around = np.concatenate([landmarks.neighbours(points, steps) for steps in (-1, 0, 1)])
    parts = [thin(landmarks.near_ties(spec, dtype), 1000), around, landmarks.negative(around)]
    parts += [landmarks.nan_payloads(dtype), landmarks.dtype_subnormals(dtype), landmarks.signed_zeros(dtype)]
    return np.concatenate(parts)


def judged(values, spec, policy, drawn=None):
    """The judge's codes; what each value is, is read from its exact conversion to a Python number."""
    with np.errstate(invalid="ignore"):  # a conversion makes a signalling NaN quiet
        numbers = (values if values.dtype.kind in "iu" else values.astype(np.float64)).tolist()
    bits = [None] * len(numbers) if drawn is None else drawn.tolist()
    codes = [exact.encode(v, spec, **policy, random_bits=r) for v, r in zip(numbers, bits, strict=True)]
    return np.array(codes, codec.code_dtype(spec, np))


def random_bits(policy, size):
    count = policy.get("random_bit_count")
    return None if count is None else np.random.default_rng(0).integers(0, 1 << count, size).astype(np.uint32)


CASES = [(name, policy) for name in KINDS for policy in policies(formats.get(name))]


@pytest.mark.parametrize(
    ("name", "policy"),
    [pytest.param(n, p, id=f"{n}-{p['rounding'].value}-{p['saturation'].value}") for n, p in rotate(CASES, 12)],
)
def test_judge_numpy_and_jax_agree(name, policy):
    spec = formats.get(name)
    x = boundary(spec, "float32")
    drawn = random_bits(policy, x.size)
    expected = judged(x, spec, policy, drawn)
    np.testing.assert_array_equal(codec.encode(x, conversion(spec, **policy), np, drawn), expected, strict=True)
    np.testing.assert_array_equal(reference.encode(x, spec, **policy, random_bits=drawn), expected, strict=True)
    got = kernels_ref.encode(x, spec, **policy, random_bits=drawn)
    np.testing.assert_array_equal(np.asarray(got), expected, strict=True)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e8m0fnu", "float4_e2m1fn", "Binary8p8ue", "mxint8"])
def test_look_up_and_direct_code_agree(name, dtype):
    spec = formats.get(name)
    x = np.resize(boundary(spec, dtype), 1 << 12)
    for policy in policies(spec, DETERMINISTIC):
        direct = codec.encode(x, conversion(spec, **policy), np)
        np.testing.assert_array_equal(reference.encode(x, spec, **policy), direct, strict=True)
        if dtype == "float32" and policy["saturation"] is not Saturation.WRAP:
            looked_up = table.encode_float32(x, conversion(spec, **policy))
            np.testing.assert_array_equal(looked_up, direct, strict=True)


@pytest.mark.parametrize("name", NARROW)
def test_float64_just_past_every_midpoint(name):
    """No stop-over: one unit of binary64 beside a tie decides, which no narrower type would see."""
    spec = formats.get(name)
    x = landmarks.near_ties(spec, "float64")
    x = np.concatenate([x, boundary(spec, "float64")])
    for rounding in (Rounding.NEAREST_TIES_TO_EVEN, *rotate(DETERMINISTIC[1:], 5)):
        policy = {"rounding": rounding, "saturation": spec.saturations[-1], "nan": "zero"}
        np.testing.assert_array_equal(reference.encode(x, spec, **policy), judged(x, spec, policy), strict=True)


@pytest.mark.parametrize("name", KINDS)
def test_float64_in_jax(name):
    spec = formats.get(name)
    x = boundary(spec, "float64")
    with jax.enable_x64(True):
        np.testing.assert_array_equal(np.asarray(kernels_ref.encode(x, spec, **RNE)), judged(x, spec, RNE))


@given(st.data())
def test_any_float64_in_any_format_under_any_policy(data):
    spec = data.draw(strategies.formats(max_bits=19))
    x = data.draw(strategies.arrays(spec, "float64", max_size=16))
    policy = data.draw(strategies.policies(spec)) | {"nan": "maximum"}
    drawn = random_bits(policy, x.size)
    got = reference.encode(x, spec, **policy, random_bits=drawn)
    np.testing.assert_array_equal(got, judged(x, spec, policy, drawn), strict=True)


def wide_integers(dtype):
    """Around every power of two and beside 1.5 of it, where folding starts and where binary64 stops being exact."""
    info = np.iinfo(dtype)
    near = [(3 << p >> 1) + d for p in range(65) for d in (-1, 0, 1)] + [
        (1 << p) + d for p in range(65) for d in (-1, 1)
    ]
    return np.array(sorted({n for v in near for n in (v, -v) if info.min <= n <= info.max}), dtype)


INTEGER_DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.mark.parametrize("dtype", INTEGER_DTYPES)
@pytest.mark.parametrize("name", ["float8_e5m2", "bfloat16", "float8_e8m0fnu", "Binary8p1uf", "int4", "mxint8", "tf32"])
def test_integers_are_taken_exactly(name, dtype):
    spec = formats.get(name)
    x = wide_integers(dtype)
    for policy in policies(spec):
        drawn = random_bits(policy, x.size)
        got = reference.encode(x, spec, **policy, random_bits=drawn)
        np.testing.assert_array_equal(got, judged(x, spec, policy, drawn), strict=True)


@pytest.mark.parametrize("dtype", INTEGER_DTYPES)
@pytest.mark.parametrize("rounding", ["nearest_ties_to_even", "stochastic_b"])
def test_integers_in_jax(dtype, rounding):
    policy = {"rounding": rounding, "saturation": "sat_none"}
    policy |= {"random_bit_count": 7} if rounding == "stochastic_b" else {}
    x = wide_integers(dtype)
    drawn = random_bits(policy, x.size)
    with jax.enable_x64(True):
        got = np.asarray(kernels_ref.encode(x, "bfloat16", **policy, random_bits=drawn))
    np.testing.assert_array_equal(got, judged(x, formats.get("bfloat16"), policy, drawn), strict=True)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["float8_e5m2", "Binary8p1se", "bfloat16", "tf32"])
def test_16_bit_subnormals(name, dtype):
    bits = np.concatenate([np.arange(1 << (10 if dtype == "float16" else 7), dtype=np.uint16)] * 2)
    bits[bits.size // 2 :] |= 0x8000
    x = bits.view(landmarks.dtype_of(dtype))
    expected = judged(x, formats.get(name), RNE)
    np.testing.assert_array_equal(reference.encode(x, name, **RNE), expected, strict=True)
    np.testing.assert_array_equal(np.asarray(kernels_ref.encode(x, name, **RNE)), expected, strict=True)


@pytest.mark.parametrize("name", ["float8_e8m0fnu", "bfloat16", "tf32", "Binary8p1ue", "Binary8p1uf"])
@pytest.mark.parametrize("rounding", ["nearest_ties_to_even", "toward_positive", "to_odd"])
def test_float32_subnormals_survive_jit(name, rounding):
    """XLA on the CPU flushes float32 subnormals in arithmetic; integer code does not meet that."""
    random = np.random.default_rng(0).integers(1, 1 << 23, 500, dtype=np.uint32)
    powers = np.array([(1 << p) + d for p in range(2, 23) for d in (-1, 0, 1)], np.uint32)
    x = np.concatenate([random, powers, powers | np.uint32(1 << 31)]).view(np.float32)
    policy = {"rounding": rounding, "saturation": "sat_finite"}
    expected = judged(x, formats.get(name), policy)
    assert len(set(expected.tolist())) > 1
    np.testing.assert_array_equal(np.asarray(jax.jit(lambda v: kernels_ref.encode(v, name, **policy))(x)), expected)


@pytest.mark.parametrize("count", [1, 2, 16, 24])
@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e8m0fnu", "int4"])
@pytest.mark.parametrize("mode", ["stochastic_a", "stochastic_b", "stochastic_c"])
def test_random_bits_of_every_count(mode, name, count):
    spec = formats.get(name)
    policy = {"rounding": mode, "saturation": "sat_finite", "nan": "zero", "random_bit_count": count}
    x = boundary(spec, "float32")
    most = (1 << count) - 1
    for drawn in (np.zeros(x.size, np.uint32), np.full(x.size, most, np.uint32), random_bits(policy, x.size)):
        expected = judged(x, spec, policy, drawn)
        np.testing.assert_array_equal(reference.encode(x, spec, **policy, random_bits=drawn), expected, strict=True)
        got = kernels_ref.encode(x, spec, **policy, random_bits=drawn)
        np.testing.assert_array_equal(np.asarray(got), expected, strict=True)


@pytest.mark.parametrize("name", KINDS)
def test_decode_bit_patterns(name):
    """Every code (of wide formats, every 13th), -0 and NaNs included: NumPy = JAX; the judge's NaN has no sign."""
    spec = formats.get(name)
    codes = np.arange(0, 1 << spec.bits, 1 if spec.bits <= 8 else 13, dtype=codec.code_dtype(spec, np))
    judge = np.array([float(exact.decode(code, spec)) for code in codes.tolist()], np.float32)
    expected = reference.decode(codes, spec).view(np.uint32)
    nan = np.isnan(judge)
    np.testing.assert_array_equal(expected[~nan], judge.view(np.uint32)[~nan], strict=True)
    np.testing.assert_array_equal(expected[nan] & 0x7FFFFFFF, np.full(nan.sum(), 0x7FC00000))
    np.testing.assert_array_equal(np.asarray(kernels_ref.decode(codes, spec)).view(np.uint32), expected, strict=True)
    jitted = jax.jit(lambda c: kernels_ref.decode(c, spec))(codes)
    np.testing.assert_array_equal(np.asarray(jitted).view(np.uint32), expected, strict=True)


def test_decode_into_float64_where_float32_does_not_hold_the_values():
    wide = formats.FloatSpec(name="wide", bits=13, precision=2, bias=1000, max_code=0xFFF, source="a test")
    codes = np.arange(1 << 12, dtype=np.uint16)
    with pytest.raises(ValueError, match="wide has values outside binary64"):
        reference.decode(codes, wide)
    narrower = formats.FloatSpec(name="narrower", bits=12, precision=2, bias=400, max_code=0x7FF, source="a test")
    expected = np.array([float(exact.decode(code, narrower)) for code in codes.tolist()]).view(np.uint64)
    np.testing.assert_array_equal(reference.decode(codes, narrower).view(np.uint64), expected, strict=True)
    with pytest.raises(TypeError, match="narrower decodes to float64: enable jax_enable_x64"):
        kernels_ref.decode(codes, narrower)
    with jax.enable_x64(True):
        got = np.asarray(kernels_ref.decode(codes, narrower))
    np.testing.assert_array_equal(got.view(np.uint64), expected, strict=True)


def test_round_to_is_decode_of_encode():
    x = boundary(formats.get("e3m2"), "float32")
    expected = reference.decode(reference.encode(x, "e3m2", **RNE), "e3m2")
    np.testing.assert_array_equal(reference.round_to(x, "e3m2", **RNE), expected, strict=True)


def test_decode_at_the_top_of_binary32_warns_of_nothing():
    """Found by test_decode_of_formats_at_large_is_the_judges: twice the largest values is no binary32 number."""
    spec = formats.FloatSpec(name="top", bits=7, precision=3, bias=-96, max_code=127, signed=False, source="a test")
    judged = np.array([float(exact.decode(code, spec)) for code in range(128)], np.float32)
    np.testing.assert_array_equal(reference.decode(np.arange(128), spec), judged)
    np.testing.assert_array_equal(np.asarray(kernels_ref.decode(np.arange(128, dtype=np.uint8), spec)), judged)
