"""Codes of 2 bits of all bfloat16 numbers, and back: on NumPy, in the interpreter, and compiled for an H100."""

from __future__ import annotations

import described_gpu
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import formats
import reference
from formats import IntSpec
from kernels_ref.hopper import element, element_packed, element_twos
from kernels_ref.hopper.element_lanes import ArrayPairs
from reference.array.conversion import conversion

OLD = jax.__version_info__ < (0, 11, 2)
needs_pallas = pytest.mark.skipif(OLD, reason=f"Mosaic GPU kernels need jax >= 0.11.2; this is {jax.__version__}")
RNE = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite"}
ALL_BFLOAT16 = np.arange(1 << 16, dtype=np.uint16).view(ml_dtypes.bfloat16)
LANES = ArrayPairs(np)
QUARTERS = IntSpec(name="quarters", bits=2, minimum=-2, maximum=1, fraction_bits=2, source="a test")
NEGATIVE = IntSpec(name="negative", bits=2, minimum=-2, maximum=0, source="a test")
FORMATS = ["ternary", "int2", "uint2", QUARTERS, NEGATIVE]
PACKED = [
    ("ternary", "ternary_2bit"),
    ("int2", "2bit_low_first"),
    ("uint2", "2bit_low_first"),
    ("uint2", "gptq_qzeros_2bit"),
    ("int2", "compressed_tensors_2bit"),
    ("ternary", "compressed_tensors_2bit"),
]


def encoded(fmt, layout, nan, x=ALL_BFLOAT16):
    program = element_twos.encoder(conversion(fmt, **RNE, nan=nan), formats.layout(layout))
    with np.errstate(invalid="ignore"):
        (words,) = program.steps(LANES, list(x.view(np.uint32).reshape(-1, program.before).T), [])
    return words.astype(np.uint32)


def packed(fmt, layout, nan, x=ALL_BFLOAT16):
    return reference.pack(reference.encode(x, fmt, **RNE, nan=nan), layout)


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: formats.get(fmt).name)
@pytest.mark.parametrize("nan", ["zero", "maximum", "minimum"])
@pytest.mark.parametrize("layout", ["2bit_low_first", "compressed_tensors_2bit"])
def test_words_of_all_bfloat16(fmt, nan, layout):
    np.testing.assert_array_equal(encoded(fmt, layout, nan).view(np.uint8), packed(fmt, layout, nan).view(np.uint8))


@pytest.mark.parametrize("nan", ["zero", "maximum", "minimum"])
def test_trits_in_every_place(nan):
    """All numbers, in an order that has each kind of them in each of the sixteen places."""
    x = np.random.default_rng(0).permutation(ALL_BFLOAT16)
    places = x.astype(np.float32).reshape(-1, 16)
    assert (np.isnan(places).any(0) & (places > 0.5).any(0) & (places < -0.5).any(0)).all()
    np.testing.assert_array_equal(
        encoded("ternary", "ternary_2bit", nan, x).view(np.uint8), packed("ternary", "ternary_2bit", nan, x)
    )


def test_comparisons_of_lanes():
    x, y = (np.random.default_rng(seed).permutation(ALL_BFLOAT16) for seed in (0, 1))
    y = np.where(np.arange(y.size) % 3 == 0, x, y)
    a, b = x.astype(np.float32), y.astype(np.float32)
    missing = np.isnan(a) | np.isnan(b)
    for test, want in {"gt": a > b, "ge": a >= b, "lt": a < b, "le": a <= b}.items():
        for name, found in {test: want, f"{test}u": want | missing}.items():
            got = LANES.compared(name, x.view(np.uint32), y.view(np.uint32)).astype(np.uint32).view(np.uint16)
            np.testing.assert_array_equal(got, np.where(found, 0xFFFF, 0))


def test_where_numbers_are_reached():
    """Ties go to even numbers; NaN reaches all numbers up to the one that stands for it."""
    ternary = conversion("ternary", **RNE, nan="zero")
    assert list(element_twos.reaches(ternary, 1)) == [("gt", 0x3F00, 0b11), ("lt", 0xBF00, 0b01)]
    lowest = conversion("int2", **RNE, nan="minimum")
    assert [each.test for each in element_twos.reaches(lowest, 0)] == ["gt", "ltu", "leu"]


def test_other_requests_are_left_to_xla():
    assert element_twos.is_short(conversion("int2", **RNE, nan="zero"))
    for fmt, terms in (
        ("int2", RNE | {"saturation": "wrap"}),
        ("ternary", RNE | {"rounding": "toward_zero"}),
        ("int4", RNE),
        ("binary", RNE),
        ("float4_e2m1fn", RNE),
    ):
        assert not element_twos.is_short(conversion(fmt, **terms, nan="zero")), fmt


@pytest.mark.parametrize("border", [0x3EFF, 0x3F01])
def test_a_border_that_is_one_pattern_off_is_seen(border, monkeypatch):
    right = element_twos.reaches

    def wrong(*request):
        first, *others = right(*request)
        return [first._replace(border=border), *others]

    monkeypatch.setattr(element_twos, "reaches", wrong)
    got, want = encoded("ternary", "2bit_low_first", "zero"), packed("ternary", "2bit_low_first", "zero")
    assert np.count_nonzero(got.view(np.uint8) != want) == 1


@needs_pallas
@pytest.mark.parametrize(("fmt", "layout"), PACKED)
@pytest.mark.parametrize("rows", [1, 3])
def test_packed_codes_of_all_bfloat16_by_the_kernel(fmt, layout, rows):
    x = np.resize(ALL_BFLOAT16, (rows, (1 << 16) - 16))
    x[-1, -16:] = ALL_BFLOAT16[-16:]
    got = element_packed.encode_packed(x, fmt, layout, **RNE, nan="zero", interpret=True)
    want = packed(fmt, layout, "zero", x)
    np.testing.assert_array_equal(np.asarray(got), want)
    assert got.dtype == want.dtype


@needs_pallas
@pytest.mark.parametrize("shape", [(4,), (3, 5, 8), (2, 0, 4), (4096,), (2, 4100)])
def test_any_shape(shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(ml_dtypes.bfloat16)
    encode = jax.jit(
        lambda x: element_packed.encode_packed(x, "ternary", "ternary_2bit", **RNE, nan="zero", interpret=True)
    )
    np.testing.assert_array_equal(np.asarray(encode(x)), packed("ternary", "ternary_2bit", "zero", x))


def test_what_the_kernel_is_not_for_is_xlas():
    """Other dtypes, layouts and roundings, by a backend that no kernel runs on."""
    x = np.resize(ALL_BFLOAT16[:0x7F80], (2, 160)).astype(np.float32)
    for dtype, layout, rounding in (
        (np.float32, "ternary_2bit", "nearest_ties_to_even"),
        (np.float16, "ternary_2bit", "nearest_ties_to_even"),
        (ml_dtypes.bfloat16, "ternary_base3", "nearest_ties_to_even"),
        (ml_dtypes.bfloat16, "ternary_2bit", "nearest_ties_to_away"),
    ):
        terms = {"rounding": rounding, "saturation": "sat_finite", "nan": "zero"}
        cast = np.clip(x, -8, 8).astype(dtype)
        got = element_packed.encode_packed(jnp.asarray(cast), "ternary", layout, **terms)
        np.testing.assert_array_equal(
            np.asarray(got), reference.pack(reference.encode(cast, "ternary", **terms), layout)
        )


def every_code(fmt, count):
    """Codes of every number of a format, each in each of the sixteen places."""
    spec = formats.get(fmt)
    codes = np.arange(spec.minimum, spec.maximum + 1) & 3
    return np.random.default_rng(0).choice(codes, count).astype(np.uint8)


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: formats.get(fmt).name)
@pytest.mark.parametrize("layout", ["2bit_low_first", "compressed_tensors_2bit"])
def test_numbers_of_every_code(fmt, layout):
    codes = every_code(fmt, 1 << 12)
    program = element_twos.decoder(formats.get(fmt), formats.layout(layout))
    words = program.steps(LANES, [reference.pack(codes, layout).view(np.uint32)], [])
    got = np.stack(words, axis=1).astype(np.uint32).reshape(-1).view(ml_dtypes.bfloat16)
    want = reference.decode(codes, fmt).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(got.view(np.uint16), want.view(np.uint16))


def test_codes_that_are_no_sums():
    """With ternary's offset the code of int2's -2 lies above that of 1, and that of -1 is the least."""
    assert element_twos.is_decodable(formats.get("ternary"), formats.layout("ternary_2bit"))
    assert not element_twos.is_decodable(formats.get("int2"), formats.layout("ternary_2bit"))
    assert not element_twos.is_decodable(formats.get("int4"), formats.layout("2bit_low_first"))
    assert not element_twos.is_decodable(formats.get("float4_e2m1fn"), formats.layout("2bit_low_first"))


@needs_pallas
@pytest.mark.parametrize(("fmt", "layout"), PACKED)
@pytest.mark.parametrize("shape", [(16,), (3, 5, 16), (2, 0, 16), (4096,), (2, 4112)])
def test_numbers_of_packed_codes_by_the_kernel(fmt, layout, shape):
    codes = every_code(fmt, np.prod(shape)).reshape(shape)
    got = element_packed.decode_packed(reference.pack(codes, layout), fmt, layout, dtype="bfloat16", interpret=True)
    want = reference.decode(codes, fmt).astype(ml_dtypes.bfloat16)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(np.asarray(got).view(np.uint16), want.view(np.uint16))


def test_words_that_packing_never_makes_are_refused():
    with pytest.raises(ValueError, match=r"byte 192 at \[1\] is none of ternary_2bit"):
        element_packed.decode_packed(np.uint8([0, 192]), "ternary", "ternary_2bit", dtype="bfloat16")


@pytest.mark.parametrize("decode", [False, True])
def test_compile_for_the_h100(decode):
    sharding, layout = described_gpu.h100(), formats.layout("ternary_2bit")
    if decode:
        program = element_twos.decoder(formats.get("ternary"), layout)
    else:
        program = element_twos.encoder(conversion("ternary", **RNE, nan="zero"), layout)
    shape = jax.ShapeDtypeStruct((4096,), np.int32, sharding=sharding)
    subject = element.by_words(program, 4096)
    assert jax.jit(subject, out_shardings=sharding).trace(shape).lower().compile() is not None
