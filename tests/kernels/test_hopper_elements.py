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
from formats import Dyadic, Rounding
from formats.code_books.decisions import decisions
from formats.code_books.named import codebook, codebooks, dynamic_map
from kernels_ref.hopper import element, element_codebook, element_nearest, element_packed, element_requantise
from reference.array.conversion import conversion
from reference.array.requantise import requantisation
from reference.codebook import table_of

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


@pytest.mark.parametrize("name", rotate(SHORT, 10))
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
@pytest.mark.parametrize(("name", "layout"), [*PACKED[:2], *rotate(PACKED[2:], 3)])
@pytest.mark.parametrize("dtype", element.DECODED)
def test_values_of_packed_words(name, layout, dtype):
    codes = np.resize(reference.encode(ALL_BFLOAT16[::7], name, **RNE), (3, 480))
    got = element_packed.decode_packed(reference.pack(codes, layout), name, layout, dtype=dtype, interpret=True)
    want = reference.decode(codes, name).astype(np.float32).astype(dtype)
    assert got.dtype == dtype
    np.testing.assert_array_equal(np.asarray(got).astype(np.float32), want.astype(np.float32))


@pytest.mark.parametrize("name", rotate(NARROW, 6))
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


BOOKS = [
    (name, choice) for name, book in codebooks().items() if len(book.numerators) <= 16 for choice in decisions(book)
]


@needs_pallas
@pytest.mark.parametrize(("name", "choice"), rotate(BOOKS, max(1, len(BOOKS) // 3)))
def test_code_books_of_all_bfloat16(name, choice):
    terms = {"decision": choice, "nan": "minimum"}
    codes = element_codebook.encode_codebook(ALL_BFLOAT16, name, **terms, interpret=True)
    want = reference.encode_codebook(ALL_BFLOAT16, name, **terms)
    np.testing.assert_array_equal(np.asarray(codes), want)
    got = np.asarray(element_codebook.decode_codebook(want[:5001], name, interpret=True))
    np.testing.assert_array_equal(got.view(np.int32), reference.decode_codebook(want[:5001], name).view(np.int32))


DYADICS = [(1518500250, 38), (3, 30), (1 << 30, 62), (1, 1), (0, 0), ((1 << 31) - 1, 0), (1717986918, 31), (5, 33)]


@needs_pallas
@pytest.mark.parametrize("rounding", [mode for mode in Rounding if not mode.is_stochastic])
def test_requantised_accumulators(rounding):
    rng = np.random.default_rng(0)
    wide = rng.integers(-(1 << 31), 1 << 31, 4000)
    x = np.concatenate([wide, np.arange(-150, 150), [-(1 << 31), (1 << 31) - 1]]).astype(np.int32).reshape(2, -1)
    for multiplier, shift in rotate(DYADICS, 3):
        args = Dyadic(multiplier=multiplier, shift=shift), "int8"
        terms = {"rounding": rounding, "saturation": "sat_finite"}
        got = element_requantise.requantise(x, *args, **terms, interpret=True)
        np.testing.assert_array_equal(np.asarray(got), reference.requantise(x, *args, **terms))


class TestRefusals:
    def test_what_kernels_ref_requantises(self):
        terms = {"rounding": "toward_zero", "saturation": "sat_finite"}
        half = Dyadic(multiplier=1, shift=1)
        with pytest.raises(TypeError, match=r"one formats\.Dyadic; kernels_ref\.requantise takes one for each channel"):
            element_requantise.requantise(np.ones(2, np.int32), [half, half], "int8", **terms)
        with pytest.raises(TypeError, match="x has dtype int16; the kernel takes int32"):
            element_requantise.requantise(np.ones(2, np.int16), half, "int8", **terms)

    def test_books_beyond_registers_and_nan_without_a_rule(self):
        with pytest.raises(ValueError, match="has 256 values, kernels take 16; kernels_ref takes it"):
            element_codebook.decode_codebook(np.ones(2, np.uint8), dynamic_map(signed=True))
        with pytest.raises(TypeError, match="a code-book has no NaN: state nan= as one of: zero, maximum, minimum"):
            element_codebook.encode_codebook(np.ones(2, np.float32), "nf4", decision="bitsandbytes_nf4", nan=None)

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


@pytest.mark.parametrize("name", ["float4_e2m1fn", *rotate([n for n in NARROW if formats.get(n).bits == 4], 25)])
def test_nibbles_compile_for_the_h100(h100, name):
    size, request = 2 * element.PER_CTA, conversion(name, **RNE)
    for dtype in ("bfloat16", "float32"):
        assert compiles(h100, element.encoder(request, size, packed=True), ((size,), dtype))
        assert compiles(h100, element.decoder(request.spec, size, dtype, packed=True), ((size,), "uint4"))


@pytest.mark.parametrize("name", rotate(NARROW, 60))
def test_decoders_compile_for_the_h100(h100, name):
    size = 2 * element.PER_CTA
    assert compiles(h100, element.decoder(formats.get(name), size, "bfloat16"), ((size,), "uint8"))


def test_requantisation_and_code_books_compile_for_the_h100(h100):
    size = 2 * element.PER_CTA
    request = requantisation("int8", rounding="nearest_ties_to_even", saturation="sat_finite")
    number = Dyadic(multiplier=1518500250, shift=38)
    assert compiles(h100, element_requantise.requantiser(number, request, size), ((size,), "int32"))
    table = table_of("nf4", "bitsandbytes_nf4", "zero")
    assert compiles(h100, element_codebook.encoder(table, size), ((size,), "bfloat16"))
    assert compiles(h100, element_codebook.decoder(codebook("nf4"), size), ((size,), "uint8"))
