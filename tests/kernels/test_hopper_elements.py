"""Kernels for each element by itself: the short rounding on NumPy, packed words, values, machine code for an H100."""

from __future__ import annotations

import described_gpu
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from rotation import rotate

import formats
import kernels_ref
import reference
from kernels_ref.hopper import element, element_nearest, element_packed
from reference.array.conversion import conversion

OLD = jax.__version_info__ < (0, 11, 2)
needs_pallas = pytest.mark.skipif(OLD, reason=f"Mosaic GPU kernels need jax >= 0.11.2; this is {jax.__version__}")
NARROW = [name for name in formats.names() if formats.get(name).bits <= 8]
RNE = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite", "nan": "maximum"}
ALL_BFLOAT16 = np.arange(1 << 16, dtype=np.uint16).view(ml_dtypes.bfloat16)
SHORT = [name for name in NARROW if element_nearest.is_short(conversion(name, **RNE))]
PACKED = [
    ("float4_e2m1fn", "4bit_low_first"),
    ("int4", "4bit_low_first"),
    ("uint4", "4bit_high_first"),
    ("float6_e3m2fn", "compressed_tensors_fp6"),
    ("float6_e2m3fn", "6bit_high_first"),
    ("int2", "2bit_low_first"),
    ("ternary", "ternary_2bit"),
    ("ternary", "ternary_base3"),
    ("int4", "compressed_tensors_4bit"),
    ("Binary3p2se", "gptq_qzeros_3bit"),
]


def rounded(x, name, terms=RNE):
    with np.errstate(invalid="ignore"):
        return element_nearest.encode(x, conversion(name, **terms), np)


@pytest.mark.parametrize("name", SHORT)
def test_the_short_rounding_is_the_golden_one_on_all_bfloat16(name):
    np.testing.assert_array_equal(rounded(ALL_BFLOAT16, name), reference.encode(ALL_BFLOAT16, name, **RNE))


@pytest.mark.parametrize("name", rotate(SHORT, 5))
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_short_rounding_next_to_every_tie(name, dtype):
    contract = kernels_ref.encode_contract(name, dtype=dtype, **RNE)
    x = contract.inputs(0)
    np.testing.assert_array_equal(rounded(x, name), contract.expected(x, None))


def test_most_formats_have_the_short_rounding():
    long = {name for name in NARROW if name not in SHORT}
    no_fraction = {name for name in NARROW if getattr(formats.get(name), "precision", 2) == 1}
    assert long - {"binary"} == no_fraction
    assert len(SHORT) > 90


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float4_e2m1fn", "int4"])
def test_an_anchor_that_is_one_quantum_off_is_seen(name, monkeypatch):
    monkeypatch.setattr(element_nearest, "_ANCHOR", 1.5 * 2.0**23 + 1)
    right = element_nearest.largest_pattern
    monkeypatch.setattr(element_nearest, "largest_pattern", lambda spec: right(spec) - (1 << 22))
    assert (rounded(ALL_BFLOAT16, name) != reference.encode(ALL_BFLOAT16, name, **RNE)).any()


@needs_pallas
@pytest.mark.parametrize(("name", "layout"), PACKED)
def test_packed_words_of_all_bfloat16(name, layout):
    x = ALL_BFLOAT16[: 65535 - 65535 % 480]
    got = element_packed.encode_packed(x, name, layout, **RNE, interpret=True)
    want = reference.pack(reference.encode(x, name, **RNE), layout)
    np.testing.assert_array_equal(np.asarray(got), want)
    assert got.dtype == want.dtype


@needs_pallas
@pytest.mark.parametrize(("name", "layout"), PACKED)
@pytest.mark.parametrize("dtype", element.DECODED)
def test_values_of_packed_words(name, layout, dtype):
    codes = np.resize(reference.encode(ALL_BFLOAT16[::7], name, **RNE), (3, 480))
    got = element_packed.decode_packed(reference.pack(codes, layout), name, layout, dtype=dtype, interpret=True)
    want = reference.decode(codes, name).astype(np.float32).astype(dtype)
    assert got.dtype == dtype
    np.testing.assert_array_equal(np.asarray(got).astype(np.float32), want.astype(np.float32))


@pytest.mark.parametrize("name", NARROW)
def test_values_of_every_code(name):
    codes = np.arange(1 << formats.get(name).bits, dtype=np.uint8)
    want = reference.decode(codes, name)
    for dtype in element.DECODED:
        got = np.asarray(element.values(jnp.asarray(codes), element.decodable(name, dtype), dtype))
        np.testing.assert_array_equal(got.astype(np.float64), want.astype(np.float64))


@needs_pallas
@pytest.mark.parametrize("name", rotate(NARROW, 40))
def test_interpreted_decoder(name):
    codes = np.resize(np.arange(1 << formats.get(name).bits, dtype=np.uint8), element.PER_CTA)
    got = element.decoder(formats.get(name), codes.size, "bfloat16", interpret=True)(jnp.asarray(codes))
    np.testing.assert_array_equal(np.asarray(got).astype(np.float32), reference.decode(codes, name).astype(np.float32))


@needs_pallas
def test_stochastic_nibbles_under_jit():
    terms = {"rounding": "stochastic_b", "saturation": "sat_finite", "nan": "zero", "random_bit_count": 7}
    x = np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)
    bits = np.arange(30, dtype=np.uint32).reshape(5, 6)

    def subject(v, r):
        return element_packed.encode_packed(v, "e2m1", "4bit_low_first", **terms, random_bits=r, interpret=True)

    want = reference.pack(reference.encode(x, "e2m1", **terms, random_bits=bits), "4bit_low_first")
    np.testing.assert_array_equal(np.asarray(jax.jit(subject)(x, bits)), want)


class TestRefusals:
    def test_codes_that_a_layout_does_not_store(self):
        with pytest.raises(ValueError, match="4bit_low_first stores codes of 4 bits; float8_e4m3fn has 8"):
            element_packed.encode_packed(np.ones(4, np.float32), "float8_e4m3fn", "4bit_low_first", **RNE)
        with pytest.raises(ValueError, match="4bit_low_first stores codes of 4 bits; float8_e4m3fn has 8"):
            element_packed.decode_packed(np.ones(4, np.uint8), "float8_e4m3fn", "4bit_low_first")

    def test_lengths_that_fill_no_words(self):
        with pytest.raises(ValueError, match="3"):
            element_packed.encode_packed(np.ones(3, np.float32), "int4", "4bit_low_first", **RNE)

    def test_layouts_of_several_regions(self):
        with pytest.raises(ValueError, match=r"fp6_llm has several regions; kernels_ref\.pack"):
            element_packed.encode_packed(np.ones((64, 64), np.float32), "e3m2", "fp6_llm", **RNE)

    def test_other_dtypes(self):
        with pytest.raises(TypeError, match="x has dtype int32; the kernel takes float32, bfloat16, float16"):
            element_packed.encode_packed(np.ones(4, np.int32), "int4", "4bit_low_first", **RNE)
        with pytest.raises(ValueError, match="dtype='float64' is not decoded into; choose one of: float32, bfloat16"):
            element_packed.decode_packed(np.ones(4, np.uint8), "int4", "4bit_low_first", dtype="float64")

    @pytest.mark.skipif(not OLD, reason="this jax has Mosaic GPU kernels")
    def test_an_old_jax_is_told_what_is_needed_for_nibbles(self):
        with pytest.raises(ImportError, match=r"need jax >= 0\.11\.2"):
            element_packed.encode_packed(np.ones(4, np.float32), "int4", "4bit_low_first", **RNE)


@pytest.fixture(scope="module")
def h100():
    return described_gpu.h100()


def compiles(sharding, subject, *operands):
    shapes = [jax.ShapeDtypeStruct(shape, dtype, sharding=sharding) for shape, dtype in operands]
    return jax.jit(subject, out_shardings=sharding).trace(*shapes).lower().compile() is not None


@pytest.mark.parametrize(
    "name", ["float4_e2m1fn", "int4", *rotate([n for n in NARROW if formats.get(n).bits == 4], 12)]
)
def test_nibbles_compile_for_the_h100(h100, name):
    size, request = 2 * element.PER_CTA, conversion(name, **RNE)
    for dtype in ("bfloat16", "float32"):
        assert compiles(h100, element.encoder(request, size, packed=True), ((size,), dtype))
        assert compiles(h100, element.decoder(request.spec, size, dtype, packed=True), ((size,), "uint4"))


@pytest.mark.parametrize("name", rotate(NARROW, 60))
def test_decoders_compile_for_the_h100(h100, name):
    size = 2 * element.PER_CTA
    assert compiles(h100, element.decoder(formats.get(name), size, "bfloat16"), ((size,), "uint8"))
