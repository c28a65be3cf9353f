"""Programs on words of two lanes: their machine on NumPy, codes of all bfloat16 numbers, packed codes of 6 bits."""

from __future__ import annotations

import described_gpu
import jax
import ml_dtypes
import numpy as np
import pytest

import formats
import reference
from kernels_ref.hopper import element, element_packed, element_pairs, element_sixes
from kernels_ref.hopper.element_lanes import CHOSEN, ArrayPairs
from reference.array.conversion import conversion

OLD = jax.__version_info__ < (0, 11, 2)
needs_pallas = pytest.mark.skipif(OLD, reason=f"Mosaic GPU kernels need jax >= 0.11.2; this is {jax.__version__}")
RNE = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite"}
ALL_BFLOAT16 = np.arange(1 << 16, dtype=np.uint16).view(ml_dtypes.bfloat16)
SIXES = "compressed_tensors_fp6"
NARROW = [name for name in formats.names() if formats.get(name).bits <= 8]
PAIRED = [name for name in NARROW if element_pairs.is_short(conversion(name, **RNE, nan="zero"))]
LANES = ArrayPairs(np)


def words(count, seed=0):
    return np.random.default_rng(seed).integers(0, 1 << 32, count, dtype=np.uint32)


def encoded(name, nan, *, packed=False):
    program = element_pairs.encoder(conversion(name, **RNE, nan=nan), packed=packed)
    columns = ALL_BFLOAT16.view(np.uint32).reshape(-1, program.before).T
    with np.errstate(all="ignore"):
        (codes,) = program.steps(LANES, list(columns), [])
    return codes.astype(np.uint32).view(np.uint8)


class TestLanes:
    """The machine on NumPy, by other means."""

    def test_lanes_are_compared_alone(self):
        x, y = words(1000), words(1000, 1)
        for operation, function, kind in (
            (LANES.lesser, np.minimum, np.uint16),
            (LANES.greater, np.maximum, np.uint16),
            (LANES.greater_signed, np.maximum, np.int16),
        ):
            np.testing.assert_array_equal(operation(x, y).view(kind), function(x.view(kind), y.view(kind)))

    def test_bytes_are_picked_and_signs_repeated(self):
        x, y = words(1000), words(1000, 1)
        of_both = np.stack([x, y], axis=1).view(np.uint8)
        np.testing.assert_array_equal(
            LANES.picked(x, y, 0x7306).view(np.uint8).reshape(-1, 4), of_both[:, [6, 0, 3, 7]]
        )
        signs = LANES.picked(x, y, 0xFDB8).view(np.uint8).reshape(-1, 4)
        np.testing.assert_array_equal(signs, np.where(of_both[:, [0, 3, 5, 7]] >= 128, 255, 0))

    def test_the_table_of_a_choice_is_what_the_machine_does(self):
        x, y, mask = (np.uint32(column) for column in (0xF0, 0xCC, 0xAA))
        assert LANES.chosen(mask, x, y) & 0xFF == CHOSEN

    def test_sums_of_bfloat16_are_rounded_to_even(self):
        x = np.float32([1, 1.0078125, 3, 0.00390625, -0.0]).astype(ml_dtypes.bfloat16)
        z = np.float32([128.5, 256, -384, 1, -0.0]).astype(ml_dtypes.bfloat16)
        one = np.full(5, 0x3F803F80, np.uint32)
        got = LANES.fma_bfloat16(twice(x), one, twice(z))
        want = (x.astype(np.float32) + z.astype(np.float32)).astype(ml_dtypes.bfloat16)
        np.testing.assert_array_equal(got, twice(want))

    def test_products_and_sums_are_held(self):
        x = np.float32([-2, 0.25, 8, np.nan, -0.0, np.inf]).view(np.uint32)
        half, zero = np.float32(0.5).view(np.uint32), np.float32(0).view(np.uint32)
        with np.errstate(invalid="ignore"):
            held, product = LANES.held_fma(x, half, zero), LANES.held_product(x, half)
        np.testing.assert_array_equal(held.view(np.float32), np.float32([0, 0.125, 1, 0, 0, 1]))
        np.testing.assert_array_equal(product.view(np.float32), np.float32([1, 0.125, 1, 0, 0, 1]))


def twice(x):
    return np.repeat(np.asarray(x).view(np.uint16), 2).view(np.uint32)


@pytest.mark.parametrize("name", PAIRED)
@pytest.mark.parametrize("nan", ["zero", "maximum", "minimum"])
def test_codes_of_all_bfloat16(name, nan):
    want = reference.encode(ALL_BFLOAT16, name, **RNE, nan=nan)
    np.testing.assert_array_equal(encoded(name, nan), want)
    if formats.get(name).bits == 4:
        np.testing.assert_array_equal(encoded(name, nan, packed=True), want[::2] | want[1::2] << 4)


def test_formats_that_come_two_at_a_time():
    assert {"float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float6_e2m3fn", "float4_e2m1fn"} <= set(PAIRED)
    for name in PAIRED:
        spec = formats.get(name)
        assert element_pairs.is_exponent(spec) or spec.has_negative_zero


@pytest.mark.parametrize("saturation", ["sat_none", "sat_propagate"])
def test_other_policies_come_one_at_a_time(saturation):
    terms = {"rounding": "nearest_ties_to_even", "nan": "zero"}
    for name in ("float8_e5m2", "float8_e8m0fnu"):
        assert not element_pairs.is_short(conversion(name, saturation=saturation, **terms))
    assert not element_pairs.is_short(conversion("float8_e5m2", saturation="sat_finite", rounding="toward_zero"))


def test_a_missing_half_of_the_least_binade_is_seen(monkeypatch):
    """Exponents rounded as if the least binade were like the others."""
    monkeypatch.setattr(ArrayPairs, "up", lambda self, x, places: x + np.uint32(0x00800080))
    got, want = encoded("float8_e8m0fnu", "zero"), reference.encode(ALL_BFLOAT16, "float8_e8m0fnu", **RNE)
    assert set(np.flatnonzero(got != want)) == set(range(0x41, 0x61))


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float6_e3m2fn", "float4_e2m1fn"])
def test_an_anchor_that_is_one_quantum_off_is_seen(name, monkeypatch):
    right = element_pairs._start
    monkeypatch.setattr(element_pairs, "_start", lambda spec: right(spec) + 1)
    assert (encoded(name, "zero") != reference.encode(ALL_BFLOAT16, name, **RNE, nan="zero")).any()


@pytest.mark.parametrize("name", ["float4_e2m1fn", "float6_e2m3fn"])
def test_the_least_piece_is_the_code(name):
    """Of numbers on every tie, beside it, and anywhere up to the next power of two."""
    spec = formats.get(name)
    values = reference.decode(np.arange(spec.max_code + 1, dtype=np.uint8), name).astype(np.float32)
    ties = (values[1:] + values[:-1]) / 2
    near = np.concatenate([np.nextafter(ties, np.float32(0)), ties, np.nextafter(ties, np.float32(9))])
    x = np.concatenate([near, values, np.linspace(0, 2.0 ** (spec.emax + 1), 4097, dtype=np.float32)])
    got = element_pairs.least_piece(LANES, (x * np.float32(2.0 ** -(spec.emax + 1))).view(np.uint32), spec)
    want = reference.encode(x, name, **RNE, nan="zero")
    np.testing.assert_array_equal(np.minimum(got & 0xFFFF, spec.max_code), want)


class TestSixes:
    def test_words_there_and_back(self):
        codes = np.resize(np.arange(64, dtype=np.uint8), 4096 * 16)
        codes = np.random.default_rng(0).permutation(codes)
        columns = list(codes.view(np.uint32).reshape(-1, 4).T)
        packed = element_sixes.PACK.steps(LANES, columns, [])
        want = reference.pack(codes, SIXES)
        np.testing.assert_array_equal(np.stack(packed, axis=1).reshape(-1).view(np.uint8), want)
        back = element_sixes.UNPACK.steps(LANES, packed, [])
        np.testing.assert_array_equal(np.stack(back, axis=1).reshape(-1).view(np.uint8), codes)

    @needs_pallas
    @pytest.mark.parametrize("shape", [(4,), (3, 5, 8), (2, 0, 4), (8192,), (2, 8196)])
    def test_any_shape(self, shape):
        codes = np.random.default_rng(0).integers(0, 64, shape, dtype=np.uint8)
        packed = jax.jit(lambda x: element_sixes.pack(x, SIXES, interpret=True))(codes)
        want = reference.pack(codes, SIXES)
        np.testing.assert_array_equal(np.asarray(packed), want)
        got = element_sixes.unpack(want, SIXES, interpret=True)
        np.testing.assert_array_equal(np.asarray(got), codes)
        assert packed.dtype == got.dtype == np.uint8

    @needs_pallas
    @pytest.mark.parametrize("name", ["float6_e3m2fn", "float6_e2m3fn"])
    @pytest.mark.parametrize("rows", [1, 3])
    def test_packed_codes_of_all_bfloat16(self, name, rows):
        x = np.resize(ALL_BFLOAT16, (rows, (1 << 16) - 12))
        got = element_packed.encode_packed(x, name, SIXES, **RNE, nan="maximum", interpret=True)
        want = reference.pack(reference.encode(x, name, **RNE, nan="maximum"), SIXES)
        np.testing.assert_array_equal(np.asarray(got), want)

    @needs_pallas
    def test_refusals(self):
        with pytest.raises(ValueError, match=r"4bit_low_first is no layout of dense codes.*kernels_ref\.pack takes"):
            element_sixes.pack(np.zeros(4, np.uint8), "4bit_low_first")
        with pytest.raises(ValueError, match=r"6bit_high_first is no layout of dense codes.*kernels_ref\.unpack takes"):
            element_sixes.unpack(np.zeros(3, np.uint8), "6bit_high_first")
        with pytest.raises(ValueError, match="64"):
            element_sixes.pack(np.full(4, 64, np.uint8), SIXES)
        with pytest.raises(ValueError, match="3"):
            element_sixes.pack(np.zeros(3, np.uint8), SIXES)

    @pytest.mark.skipif(not OLD, reason="this jax has Mosaic GPU kernels")
    def test_an_old_jax_is_told_what_is_needed(self):
        with pytest.raises(ImportError, match=r"need jax >= 0\.11\.2"):
            element_sixes.pack(np.zeros(4, np.uint8), SIXES)

    def test_compile_for_the_h100(self):
        sharding = described_gpu.h100()
        for program, size in ((element_sixes.PACK, 4096), (element_sixes.UNPACK, 3072)):
            shape = jax.ShapeDtypeStruct((size,), np.int32, sharding=sharding)
            subject = element.by_words(program, size)
            assert jax.jit(subject, out_shardings=sharding).trace(shape).lower().compile() is not None
