"""Shapes, byte orders and containers that are taken; dtypes, codes and policies that are refused, and how."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import formats
import kernels_ref
import reference
from formats import FloatSpec

RNE = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite"}
SR = {"rounding": "stochastic_a", "saturation": "sat_finite", "random_bit_count": 3}
E4M3 = "float8_e4m3fn"
ENCODERS = [pytest.param(reference.encode, id="numpy"), pytest.param(kernels_ref.encode, id="jax")]
DECODERS = [pytest.param(reference.decode, id="numpy"), pytest.param(kernels_ref.decode, id="jax")]
VALUES = [1.0, -2.5, 500.0, 2.0**-10]
CODES = [0x38, 0xC2, 0x7E, 0x00]


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("dtype", [">f2", ">f4", "<f4", ">i4", ">u2"])
def test_byte_orders(encode, dtype):
    x = np.array([1, 2, 3, 100], dtype)
    np.testing.assert_array_equal(np.asarray(encode(x, E4M3, **RNE)), [0x38, 0x40, 0x44, 0x6C])


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "int16"])
def test_strided_reversed_and_transposed(encode, dtype):
    base = np.arange(-6000, 6000).astype(jnp.dtype(dtype)).reshape(100, 120)
    for view in (base[::3, ::-2], base.T, np.asfortranarray(base), np.broadcast_to(base[:1], (50, 120))):
        expected = np.asarray(encode(np.ascontiguousarray(view), E4M3, **RNE))
        np.testing.assert_array_equal(np.asarray(encode(view, E4M3, **RNE)), expected, strict=True)


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1, 4), (2, 2, 1)])
def test_shapes_are_kept(encode, shape):
    codes = encode(np.resize(np.float32([1.5]), shape), E4M3, **RNE)
    assert codes.shape == shape
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(np.asarray(codes), np.full(shape, 0x3C, np.uint8))


@pytest.mark.parametrize("encode", ENCODERS)
def test_lists_and_scalars(encode):
    with jax.enable_x64(True):  # Python numbers are float64 and int64
        np.testing.assert_array_equal(np.asarray(encode([VALUES, VALUES], E4M3, **RNE)), [CODES, CODES])
        assert np.asarray(encode(1.0, E4M3, **RNE)) == 0x38
        np.testing.assert_array_equal(np.asarray(encode([1, 2], E4M3, **RNE)), [0x38, 0x40])


@pytest.mark.parametrize(("fmt", "dtype"), [("int8", "uint8"), ("bfloat16", "uint16"), ("tf32", "uint32")])
@pytest.mark.parametrize("encode", ENCODERS)
def test_dtype_of_codes(encode, fmt, dtype):
    assert encode(np.float32([1]), fmt, **RNE, nan="zero").dtype == np.dtype(dtype)


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("dtype", ["complex64", "bool", "float8_e4m3fn", "int4", "U1"])
def test_other_dtypes_are_refused(encode, dtype):
    x = np.zeros(2, dtype if dtype == "U1" else jnp.dtype(dtype))
    with pytest.raises(
        TypeError, match=r"dtype \S+ is not accepted; accepted: float16, bfloat16, float32, float64, int8"
    ):
        encode(x, E4M3, **RNE)


@pytest.mark.parametrize("encode", ENCODERS)
def test_policies_must_be_stated_and_known(encode):
    x = np.float32([1])
    with pytest.raises(TypeError, match="rounding"):
        encode(x, E4M3, saturation="sat_finite")
    with pytest.raises(TypeError, match="saturation"):
        encode(x, E4M3, rounding="toward_zero")
    with pytest.raises(TypeError, match="rounding must be stated; choose one of"):
        encode(x, E4M3, rounding=None, saturation="sat_finite")
    with pytest.raises(ValueError, match="rounding='rne' is not known; choose one of: nearest_ties_to_even"):
        encode(x, E4M3, rounding="rne", saturation="sat_finite")
    with pytest.raises(ValueError, match="saturation='wrap' means nothing for float8_e4m3fn; accepted: sat_finite"):
        encode(x, E4M3, rounding="to_odd", saturation="wrap")
    with pytest.raises(ValueError, match="nan='clamp' is not known; choose one of: zero, maximum, minimum"):
        encode(x, "int8", **RNE, nan="clamp")
    with pytest.raises(KeyError, match="unknown format 'float9'"):
        encode(x, "float9", **RNE)


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("fmt", ["float4_e2m1fn", "int8"])
def test_nan_without_a_rule_is_refused_by_its_place(encode, fmt, dtype):
    x = np.zeros((2, 3), jnp.dtype(dtype))
    encode(x, fmt, **RNE)
    x[1, 2] = np.nan
    with pytest.raises(ValueError, match=rf"x\[1, 2\] = nan but {fmt} has no NaN; state nan= as one of: zero, "):
        encode(x, fmt, **RNE)
    assert np.asarray(encode(x, fmt, **RNE, nan="maximum"))[1, 2] == (7 if fmt == "float4_e2m1fn" else 0x7F)


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_nan_is_refused_without_a_warning(encode, dtype):
    """All payloads of both signs, signalling ones too: each alone in front of numbers."""
    patterns = np.arange(1 << 16, dtype=np.uint16)
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    special = 0x7C00 if dtype == "float16" else 0x7F80
    for pattern in patterns[(patterns & 0x7FFF) > special][:: 61 if encode is kernels_ref.encode else 1]:
        with pytest.raises(ValueError, match=r"x\[0\] = nan but float4_e2m1fn has no NaN"):
            encode(np.array([pattern, 0], np.uint16).view(kind), "float4_e2m1fn", **RNE)


@pytest.mark.parametrize("encode", ENCODERS)
def test_wrapped_infinity_without_a_rule_is_refused(encode):
    x = np.float32([1, -np.inf])
    with pytest.raises(ValueError, match=r"x\[1\] = -inf but int8 has no NaN and no infinity to wrap; state nan="):
        encode(x, "int8", rounding="to_odd", saturation="wrap")


@pytest.mark.parametrize("encode", ENCODERS)
def test_random_bits(encode):
    x = np.float32([[1.03], [1.06]])
    for bits in ([[0], [7]], np.uint8([[0], [7]]), np.int64([[0], [7]])):
        np.testing.assert_array_equal(np.asarray(encode(x, E4M3, **SR, random_bits=bits)), [[0x38], [0x39]])
    np.testing.assert_array_equal(np.asarray(encode(x, E4M3, **SR, random_bits=7)), [[0x39], [0x39]])
    for bad, found in (([[0], [8]], r"0\.\.8"), ([[-1], [0]], r"-1\.\.0")):
        with pytest.raises(ValueError, match=rf"random_bits must lie in \[0, 2\^3\); found {found}"):
            encode(x, E4M3, **SR, random_bits=bad)
    with pytest.raises(TypeError, match="random_bits must be integers, not float64"):
        encode(x, E4M3, **SR, random_bits=[[0.5], [0.5]])
    with pytest.raises(ValueError, match="broadcast"):
        encode(x, E4M3, **SR, random_bits=[1, 2, 3])
    with pytest.raises(TypeError, match="a stochastic rounding needs random_bits"):
        encode(x, E4M3, **SR)
    with pytest.raises(TypeError, match="rounding='stochastic_a' needs random_bits and random_bit_count"):
        encode(x, E4M3, rounding="stochastic_a", saturation="sat_finite", random_bits=[[0], [0]])
    with pytest.raises(ValueError, match=r"random_bit_count=25 must lie in 1\.\.24"):
        encode(x, E4M3, **{**SR, "random_bit_count": 25}, random_bits=0)


@pytest.mark.parametrize("encode", ENCODERS)
def test_random_bits_for_a_deterministic_rounding_are_refused(encode):
    with pytest.raises(ValueError, match="random_bits mean nothing for rounding='nearest_ties_to_even'"):
        encode(np.float32([1]), E4M3, **RNE, random_bits=[0])
    with pytest.raises(ValueError, match="random_bit_count means nothing for rounding='nearest_ties_to_even'"):
        encode(np.float32([1]), E4M3, **RNE, random_bit_count=3)


@pytest.mark.parametrize("encode", ENCODERS)
def test_a_format_beyond_binary32_is_refused(encode):
    spec = FloatSpec(name="huge", bits=12, precision=2, bias=400, max_code=0x7FF, source="a test")
    with pytest.raises(ValueError, match=r"huge \(emin=-399, .*lies outside what arrays encode.*reference.exact takes"):
        encode(np.float32([1]), spec, **RNE)


def wide_integers(bits):
    return formats.IntSpec(
        name=f"int{bits}", bits=bits, minimum=-1 << bits - 1, maximum=(1 << bits - 1) - 1, source="two's complement"
    )


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize(("bits", "saturation"), [(23, "sat_finite"), (32, "sat_finite"), (32, "wrap")])
def test_integers_that_would_be_rounded_twice_are_refused(encode, bits, saturation):
    policy = {"rounding": "nearest_ties_to_even", "saturation": saturation, "nan": "zero"}
    with pytest.raises(ValueError, match=f"int{bits} has {bits} bits; arrays encode integers of at most 22 bits"):
        encode(np.float32([3e9, 1.5]), wide_integers(bits), **policy)  # an int32 of 3e9 used to be 0


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize(("bits", "saturation"), [(17, "sat_finite"), (22, "sat_finite"), (22, "wrap"), (31, "wrap")])
def test_the_widest_integers_are_the_judges(encode, bits, saturation):
    spec, top = wide_integers(bits), 2.0 ** (bits - 1)
    x = np.float32([top, top - 1, -top, -top - 1, top - 1.5, 0.5, 1.5, -2.5, 3e9, -3e38, *2.0 ** np.arange(0, 127, 5)])
    policy = {"rounding": "nearest_ties_to_even", "saturation": saturation}
    judged = [reference.exact.encode(float(value), spec, **policy) for value in x]
    np.testing.assert_array_equal(encode(x, spec, **policy), judged)


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32"])
def test_codes_of_any_integer_dtype(decode, dtype):
    np.testing.assert_array_equal(np.asarray(decode(np.array([[0, 7], [4, 1]], dtype), "e2m1")), [[0, 6], [2, 0.5]])


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    ("code", "dtype"), [(16, "uint8"), (-1, "int8"), (300, "int16"), (65536 + 3, "int32"), (2**32 - 1, "uint32")]
)
def test_codes_out_of_range_are_refused_by_their_place(decode, code, dtype):
    codes = np.zeros((2, 2), dtype)
    codes[0, 1] = code
    message = rf"code {code} at \[0, 1\] does not fit float4_e2m1fn, whose codes are 0\.\.15"
    with pytest.raises(ValueError, match=message):
        decode(codes, "float4_e2m1fn")


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_codes_of_no_integer_dtype_are_refused(decode, dtype):
    with pytest.raises(TypeError, match=f"codes must be integers, not {dtype}; view a narrow dtype as uint8 first"):
        decode(np.zeros(2, jnp.dtype(dtype)), E4M3)


def test_decode_takes_lists_and_empty_arrays():
    np.testing.assert_array_equal(reference.decode(CODES, E4M3), [1, -2.5, 448, 0])
    for decode in (reference.decode, kernels_ref.decode):
        assert decode(np.zeros((0, 3), np.uint8), E4M3).shape == (0, 3)
        assert decode(np.uint8(0x38), E4M3).shape == ()


def test_inputs_are_left_as_they_were():
    x = np.float32([1.5, np.nan, -0.0] * 2000)
    before = x.copy()
    x.flags.writeable = False
    reference.encode(x, E4M3, **RNE)
    np.testing.assert_array_equal(x.view(np.uint32), before.view(np.uint32))


def test_the_decode_table_cannot_be_written_through_a_result():
    values = reference.decode([0x38], E4M3)
    values[0] = 5
    assert reference.decode([0x38], E4M3)[0] == 1
    codes = reference.encode(np.ones(5000, np.float32), E4M3, **RNE)
    codes[:] = 0
    assert reference.encode(np.ones(5000, np.float32), E4M3, **RNE)[0] == 0x38
    assert formats.get(E4M3).max_code == 0x7E
