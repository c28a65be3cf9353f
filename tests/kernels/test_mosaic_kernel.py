"""The Mosaic GPU kernel without a GPU: interpreted on the CPU, and compiled for an H100 where the compiler is there."""

from __future__ import annotations

import itertools

import described_gpu
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rotation import rotate

import formats
import kernels_ref
import reference
from formats import FloatSpec, Rounding, Saturation
from kernels_ref import mosaic
from reference.array.conversion import conversion

OLD = jax.__version_info__ < (0, 11, 2)
needs_pallas = pytest.mark.skipif(OLD, reason=f"Mosaic GPU kernels need jax >= 0.11.2; this is {jax.__version__}")
RNE = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite", "nan": "zero"}
NARROW = [name for name in formats.names() if formats.get(name).bits <= 8]
FLOATS = [name for name in NARROW if isinstance(formats.get(name), FloatSpec)]


def policy(rounding, saturation):
    count = {"random_bit_count": 9} if rounding.is_stochastic else {}
    return {"rounding": rounding, "saturation": saturation, "nan": "maximum", **count}


def each_policy(names):
    return [(n, r, s) for n in names for r, s in itertools.product(Rounding, formats.get(n).saturations)]


def interpreted(name, terms):
    def subject(x, random_bits=None):
        return mosaic.encode(x, name, **terms, random_bits=random_bits, interpret=True)

    return subject


@needs_pallas
@pytest.mark.parametrize(("name", "rounding", "saturation"), rotate(each_policy(NARROW), 97))
def test_interpreted_kernel_equals_the_golden_model_on_all_bfloat16(name, rounding, saturation):
    terms = policy(rounding, saturation)
    contract = kernels_ref.encode_contract(name, dtype="bfloat16", **terms)
    report = kernels_ref.verify(interpreted(name, terms), contract)
    assert report.holds, str(report)


@needs_pallas
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e8m0fnu", "float4_e2m1fn", "mxint8"])
def test_interpreted_kernel_takes_other_dtypes(name, dtype):
    contract = kernels_ref.encode_contract(name, dtype=dtype, **RNE)
    report = kernels_ref.verify(interpreted(name, RNE), contract)
    assert report.holds, str(report)


@needs_pallas
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (4095,), (4096,), (2, 3, 1000), (4097,)])
def test_any_shape_and_size(shape):
    size = int(np.prod(shape))
    x = np.random.default_rng(size).standard_normal(shape).astype(np.float32)
    codes = mosaic.encode(x, "float8_e4m3fn", **RNE, interpret=True)
    np.testing.assert_array_equal(np.asarray(codes), reference.encode(x, "float8_e4m3fn", **RNE))
    assert codes.dtype == jnp.uint8


@needs_pallas
def test_under_jit_with_traced_random_bits():
    terms = policy(Rounding.STOCHASTIC_B, Saturation.SAT_NONE)
    x = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    bits = np.arange(35, dtype=np.uint32).reshape(5, 7)
    codes = jax.jit(lambda v, r: mosaic.encode(v, "float6_e2m3fn", **terms, random_bits=r, interpret=True))(x, bits)
    want = reference.encode(x, "float6_e2m3fn", **terms, random_bits=bits)
    np.testing.assert_array_equal(np.asarray(codes), want)


@pytest.mark.skipif(not OLD, reason="this jax has Mosaic GPU kernels")
def test_an_old_jax_is_told_what_is_needed():
    with pytest.raises(ImportError, match=r"need jax >= 0\.11\.2, which needs Python >= 3\.12; this is jax"):
        mosaic.encode(np.ones(3, np.float32), "float8_e4m3fn", **RNE, interpret=True)


class TestRefusals:
    def test_wide_formats(self):
        with pytest.raises(ValueError, match="bfloat16 has 16 bits; the kernel writes codes of at most 8"):
            mosaic.encode(np.ones(3, np.float32), "bfloat16", **RNE)

    def test_other_dtypes(self):
        with pytest.raises(TypeError, match="x has dtype int32; the kernel takes float32, bfloat16, float16"):
            mosaic.encode(np.ones(3, np.int32), "float8_e4m3fn", **RNE)

    def test_a_format_without_nan_needs_a_rule(self):
        with pytest.raises(TypeError, match="int4 has no NaN: state nan= as one of: zero, maximum, minimum"):
            mosaic.encode(np.ones(3, np.float32), "int4", rounding="toward_zero", saturation="wrap")

    def test_random_bits_that_mean_nothing(self):
        with pytest.raises(ValueError, match="random_bits mean nothing for rounding='nearest_ties_to_even'"):
            mosaic.encode(np.ones(3, np.float32), "float8_e4m3fn", **RNE, random_bits=[1, 2, 3])

    def test_missing_and_wrong_random_bits(self):
        terms = policy(Rounding.STOCHASTIC_A, Saturation.SAT_FINITE)
        with pytest.raises(TypeError, match="a stochastic rounding needs random_bits"):
            mosaic.encode(np.ones(3, np.float32), "float8_e4m3fn", **terms)
        with pytest.raises(ValueError, match=r"random_bits must lie in \[0, 2\^9\)"):
            mosaic.encode(np.ones(3, np.float32), "float8_e4m3fn", **terms, random_bits=[512])


@pytest.fixture(scope="module")
def h100():
    return described_gpu.h100()


def compile_for(sharding, name, dtype, terms):
    """Through Mosaic GPU, LLVM and ptxas to machine code."""
    size = 2 * mosaic.PER_CTA
    request = conversion(name, **terms)
    dtypes = [dtype] + ["uint32"] * request.rounding.is_stochastic
    operands = [jax.ShapeDtypeStruct((size,), d, sharding=sharding) for d in dtypes]
    return jax.jit(mosaic.kernel(request, size), out_shardings=sharding).trace(*operands).lower().compile()


@pytest.mark.parametrize("name", rotate(FLOATS, 12))
def test_every_narrow_float_compiles_for_the_h100(h100, name):
    for dtype in mosaic.DTYPES:
        assert compile_for(h100, name, dtype, RNE) is not None


@pytest.mark.parametrize(
    ("name", "rounding", "saturation"),
    rotate(each_policy(["float8_e5m2", "float8_e8m0fnu", "float4_e2m1fn", "Binary6p2uf", "int4"]), 9),
)
def test_every_policy_compiles_for_the_h100(h100, name, rounding, saturation):
    assert compile_for(h100, name, "float32", policy(rounding, saturation)) is not None


@needs_pallas
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", rotate(NARROW, 19))
def test_interpreted_decoder_equals_the_golden_model_on_every_code(name, dtype):
    codes = np.arange(1 << formats.get(name).bits, dtype=np.uint8).reshape(2, -1)
    got = np.asarray(mosaic.decode(codes, name, dtype=dtype, interpret=True))
    want = reference.decode(codes, name)
    assert (got.dtype.name, got.shape) == (dtype, want.shape)
    assert np.array_equal(got.astype(np.float32), want, equal_nan=True)
    assert np.array_equal(np.signbit(got), np.signbit(want))


@needs_pallas
def test_the_decoder_takes_whole_blocks_others_and_nothing():
    codes = np.random.default_rng(0).integers(-128, 128, (2, mosaic.PER_CTA), np.int8)
    for some in (codes, codes[:, :-1], codes[:0]):
        got = np.asarray(mosaic.decode(some, "float8_e4m3fn", interpret=True))
        assert np.array_equal(got, reference.decode(some.view(np.uint8), "float8_e4m3fn"), equal_nan=True)
        assert got.shape == some.shape


@needs_pallas
@pytest.mark.parametrize(
    ("codes", "fmt", "dtype", "message"),
    [
        (np.zeros(4, np.int32), "int8", "float32", "codes have dtype int32; the kernel takes uint8 and int8"),
        (np.zeros(4, np.uint8), "int8", "float16", "dtype='float16' is not decoded into"),
        (np.zeros(4, np.uint8), "bfloat16", "float32", "the kernels decode formats of at most 8 bits"),
    ],
)
def test_the_decoder_names_bad_input(codes, fmt, dtype, message):
    with pytest.raises((TypeError, ValueError), match=message):
        mosaic.decode(codes, fmt, dtype=dtype)
