"""FP6-LLM: the bytes of its prepacking, and its cast by masks."""

from __future__ import annotations

import hashlib

import jax.numpy as jnp
import numpy as np
import pytest

import formats
import kernels_ref
import reference
from formats import FloatSpec
from reference import exact
from reference.array import fp6_cast

R, C = np.mgrid[:64, :64]
CODES = ((7 * R + 5 * C + (R * C) // 3) % 64).astype(np.uint8)
E3M2 = formats.get("float6_e3m2fn")
E2M3 = formats.get("float6_e2m3fn")
E2M2 = FloatSpec(name="e2m2", bits=5, precision=3, bias=1, max_code=15, source="FP6-LLM, FP5")
PACKERS = [reference.pack, kernels_ref.pack]


def memory(words):
    regions = words if isinstance(words, tuple) else (words,)
    return b"".join(np.asarray(region).astype(f"<u{region.dtype.itemsize}").tobytes() for region in regions)


@pytest.mark.parametrize("pack", PACKERS)
def test_rows_of_four_codes_in_three_bytes(pack):
    """The same bytes as weight_quant.h makes; digest confirmed with the repository's own C++."""
    stored = memory(pack(CODES, "6bit_high_first"))
    assert stored[:12].hex() == "00528f5197a3a2dcb7f0118b"
    assert sha(stored) == "a1a2b5a1a68e3696298c6d6962aefc12102d8078ca644164bf8399a1a6278b3e"
    assert pack(np.full(4, 0b001100), "6bit_high_first").tolist() == [0x30, 0xC3, 0x0C]


@pytest.mark.parametrize("pack", PACKERS)
def test_prepacked_six_bits(pack):
    two, four = words = pack(CODES, "fp6_llm")
    assert [hex(word) for word in two[0, :4]] == ["0x2cfd2cf9", "0x32033102", "0x4b597654", "0x8ca248ad"]
    assert [hex(word) for word in four[0, :4]] == ["0x5dfd0885", "0xf7fca274", "0x91eb4c64", "0x3bdbe663"]
    stored = memory(words)
    assert len(stored) == 3072
    assert sha(stored) == "e16ee8ca6411e799ed13769de7a5e0acc241110555e0350eafed0259f3c817e8"


@pytest.mark.parametrize("pack", PACKERS)
def test_prepacked_five_bits(pack):
    stored = memory(pack(CODES % 32, "fp5_llm"))
    assert len(stored) == 2560
    assert sha(stored) == "a3fb26f32808477c959897a975df0146d26b1ec0a96e5607321ca776f1c492f7"


def test_prepacked_ones():
    two, four = reference.pack(np.full((64, 128), 0b001100), "fp6_llm")
    assert not two.any()
    assert (four == 0xCCCCCCCC).all()


def test_tiles_follow_rows_of_tiles():
    """A matrix of 128 x 192: region by region, 64 rows at a time, as the loops of weight_prepacking.h run."""
    codes = np.random.default_rng(0).integers(0, 64, (128, 192), dtype=np.uint8)
    regions = reference.pack(codes, "fp6_llm")
    for i in range(2):
        for j in range(3):
            tile = reference.pack(codes[64 * i :][:64, 64 * j :][:, :64], "fp6_llm")
            for region, alone in zip(regions, tile, strict=True):
                width = alone.shape[1]
                np.testing.assert_array_equal(region[i : i + 1, width * j :][:, :width], alone)


def lanes(region):
    """The words of each of 32 lanes, in their order."""
    return region.reshape(-1, 32)


def fragment(codes):
    """Codes in the order of a lane's stream, [step of four, lane, 4], from the formula of the loops."""
    made = np.empty((codes.size // 128, 32, 4), codes.dtype)
    for step in range(len(made)):
        tile, k, half = step // 8, step // 2 % 4, step % 2
        i, j = divmod(tile, codes.shape[1] // 16)
        for lane in range(32):
            row, column = 64 * i + 16 * k + lane // 4, 16 * j + 2 * (lane % 4) + 8 * half
            made[step, lane] = [codes[row + 8 * h, column + v] for h in (0, 1) for v in (0, 1)]
    return made


def test_a_lane_starts_with_the_fragment_of_the_first_tile():
    assert fragment(CODES)[:2, 0].ravel().tolist() == [0, 5, 56, 63, 40, 45, 53, 61]


@pytest.mark.parametrize("xp", [np, jnp])
@pytest.mark.parametrize(
    ("layout", "spec", "pieces"),
    [("fp6_llm", E3M2, (2, 4)), ("fp6_llm", E2M3, (2, 4)), ("fp5_llm", E2M2, (1, 4)), ("fp7_llm", None, (1, 2, 4))],
)
def test_registers_hold_the_next_four_codes(layout, spec, pieces, xp):
    bits = formats.layout(layout).code_bits
    codes = np.random.default_rng(bits).integers(0, 1 << bits, (128, 64), dtype=np.uint8)
    regions = [lanes(xp.asarray(region)) for region in reference.pack(codes, layout)]
    registers = fp6_cast.registers(dict(zip(pieces, regions, strict=True)), xp)
    due = fragment(codes)
    assert registers.shape == due.shape[:2]
    for number, byte in enumerate((1, 3, 0, 2)):
        got = np.asarray(registers >> (8 * byte)) & 0xFF
        np.testing.assert_array_equal(got, due[..., number].astype(np.uint32) << 8 - bits)
    if spec:
        halves = fp6_cast.halves_by_code(registers, spec, xp)
        np.testing.assert_array_equal(fp6_cast.restored(np.asarray(halves), spec, np), reference.decode(due, spec))


FLOATS = [E3M2, E2M3, E2M2, formats.get("float8_e4m3fn"), formats.get("float4_e2m1fn")]


@pytest.mark.parametrize("spec", FLOATS, ids=lambda spec: spec.name)
def test_the_cast_is_exact_for_every_code(spec):
    """Every code that is a number: e4m3fn has two that are not."""
    codes = np.arange(1 << spec.bits, dtype=np.uint32)
    register = codes << 8 - spec.bits << 8  # the code in byte 1, which becomes the first half
    values = fp6_cast.restored(fp6_cast.halves_by_code(register, spec, np)[:, 0], spec, np)
    due = {code: number for code in codes.tolist() if (number := exact.decode(code, spec)) == number}
    assert len(due) == len(codes) - 2 * (spec.nan is not formats.Nan.NONE)
    for code, number in due.items():
        assert float(values[code]) == number
        assert np.signbit(values[code]) == bool(code >> spec.bits - 1), "the sign of zero is kept"


@pytest.mark.parametrize("spec", [E3M2, E2M2, formats.get("float4_e2m1fn")], ids=lambda spec: spec.name)
def test_paper_and_code_mask_differently_and_agree(spec):
    """All pairs of neighbours among four codes are more than all codes; the bits below a code are zero."""
    codes = np.arange(1 << spec.bits, dtype=np.uint32) << 8 - spec.bits
    a, b = np.meshgrid(codes, codes)
    register = a << 24 | b << 16 | b << 8 | a
    due = fp6_cast.halves_by_code(register, spec, np)
    np.testing.assert_array_equal(fp6_cast.halves_by_paper(register, spec, np), due)
    assert len(np.unique(due)) == 1 << spec.bits


def test_the_paper_keeps_codes_in_bytes():
    with pytest.raises(ValueError, match="float6_e2m3fn has 3 mantissa bits; algorithm 1 keeps a code in a byte"):
        fp6_cast.halves_by_paper(np.zeros(1, np.uint32), E2M3, np)


@pytest.mark.parametrize("spec", [E3M2, E2M3, E2M2], ids=lambda spec: spec.name)
def test_flushing_subnormals_loses_exactly_the_subnormal_codes(spec):
    register = np.arange(1 << spec.bits, dtype=np.uint32) << 8 - spec.bits << 8
    halves = fp6_cast.halves_by_code(register, spec, np)[:, 0]
    flushed = np.where((halves & 0x7C00) == 0, halves & 0x8000, halves).astype(np.uint16)
    lost = np.flatnonzero(fp6_cast.restored(flushed, spec, np) != fp6_cast.restored(halves, spec, np))
    magnitudes = lost & (1 << spec.bits - 1) - 1
    assert set(magnitudes.tolist()) == set(range(1, 1 << spec.precision - 1))


def sha(stored):
    return hashlib.sha256(stored).hexdigest()
