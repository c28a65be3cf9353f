"""Layouts of published systems: words worked out by hand, and every address by the systems' own formulas."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

import formats
import kernels_ref
import reference
from formats.layouts.named import LAYOUTS
from formats.layouts.zero_point import GPTQ_V1, GPTQ_V2

VERBS = pytest.mark.parametrize("verbs", [reference, kernels_ref])
EVENS_FIRST = (0, 2, 4, 6, 1, 3, 5, 7)


def slots(name, index):
    """The number in ``index`` whose code is in each slot of the words, the slots of a word from its low end."""
    spec = formats.layout(name)
    found = np.zeros(index.size, np.int64)
    for low in range(0, int(index.max()).bit_length(), spec.code_bits):
        codes = ((index >> low) - spec.offset) & ((1 << spec.code_bits) - 1)
        words = np.asarray(reference.pack(codes, spec)).astype(np.uint64)
        shifts = np.arange(0, spec.word_bits, spec.code_bits, dtype=np.uint64)
        digits = (words[..., None] >> shifts) & np.uint64((1 << spec.code_bits) - 1)
        found |= digits.reshape(-1).astype(np.int64) << low
    return found.tolist()


def in_tiles_of_16(rows, columns):
    """Elements of (K, N) numbered as MARLIN numbers them: 16 x 16 tiles in a row, row-major inside."""
    return np.arange(rows * columns).reshape(rows // 16, columns // 16, 16, 16).swapaxes(1, 2).reshape(rows, columns)


@VERBS
@pytest.mark.parametrize(
    ("layout", "codes", "due"),
    [
        ("bitsandbytes_4bit", [8, 5, 12, 1, 7, 9, 15, 7], "85c179f7"),
        ("dgq_int4", [15, 3, 9, 7, 0, 12, 9, 6, 14, 1, 12, 9, 6, 7, 14, 0], "f3970c96e1c967e0"),
        ("quik_int4", [2, -4, 7, 1, -2, 5, 0, -8], "c2175e80"),
        ("quik_int4", [3, -7, 2, 1, 0, -1, 6, 3], "9312f036"),
        ("quik_int4", [1, 2, -7, 3, -5, 6, -1, 0], "21396b0f"),
        ("odyssey_int4", [-7, 7, -8, 3, 0, -1, 5, 2], "7938f025"),
        ("4bit_low_first", [7, -8, 3, -4, 0, 1, -6, 7], "87c3107a"),  # rows of FasterTransformer before its tiles
        ("torchao_4bit", [7, 12, 2, 0, 6, 15, 0, 3, 8, 5, 14, 4, 7, 9, 2, 0], "c702f630584e9702"),
    ],
)
def test_worked_bytes(verbs, layout, codes, due):
    codes = np.array(codes) & 15
    words = verbs.pack(codes, layout)
    assert np.asarray(words).tobytes().hex() == due
    assert verbs.unpack(words, layout).tolist() == codes.tolist()


@VERBS
@pytest.mark.parametrize(
    ("layout", "rows", "columns", "codes", "due"),
    [
        ("marlin_int4", (0, 1, 8, 9), (0, 8), [0, 1, 2, 3, 12, 13, 14, 15], 0xFD31EC20),
        ("qqq_int4_channel", (0, 1, 2, 3), (0, 8), [7, -4, 1, 0, -7, 2, 0, 4], 0x0410C279),
        ("qqq_int4_group", (0, 1, 2, 3), (0, 8), [0, 1, 2, 3, 12, 13, 14, 15], 0xFD31EC20),
        ("fastertransformer_int4", (0,), (0, 1, 8, 9, 16, 17, 24, 25), [7, -8, 3, -4, 0, 1, -6, 7], 0xF94028BF),
        ("fastertransformer_int8", (0,), (0, 1, 8, 9), [127, -128, -3, 64], 0xC0007DFF),
    ],
)
def test_worked_register(verbs, layout, rows, columns, codes, due):
    """The first word of a tile, from codes at ``columns`` outside and ``rows`` inside; the others hold zeros."""
    spec = formats.layout(layout)
    tile = np.zeros(spec.tile, np.uint8)
    tile[list(rows) * len(columns), np.repeat(columns, len(rows))] = np.array(codes) & ((1 << spec.code_bits) - 1)
    words = np.asarray(verbs.pack(tile, layout)).reshape(-1)
    zeros = int(reference.pack(np.zeros(spec.tile, np.uint8), layout)[0, 0])
    assert words.tolist() == [due] + [zeros] * (len(words) - 1)


def test_fragments_of_qqq_are_sixteen_times_the_codes():
    word = 0x0410C279
    fragments = [word & 0xF0F0F0F0, word << 4 & 0xF0F0F0F0]
    values = [np.array([fragment], "<u4").view(np.int8).tolist() for fragment in fragments]
    assert values == [[112, -64, 16, 0], [-112, 32, 0, 64]]


def lanes(rows_of_lane, interleave):
    for lane, tile in product(range(32), range(4)):
        run = [16 * row + lane // 4 + 8 * block for block in (0, 1) for row in rows_of_lane(lane % 4)]
        yield from (256 * tile + run[place] for place in interleave)


def rows_of_marlin(i):
    return 2 * i, 2 * i + 1, 2 * i + 8, 2 * i + 9


def rows_of_qqq(i):
    return range(4 * i, 4 * i + 4)


@pytest.mark.parametrize(
    ("layout", "rows", "interleave"),
    [
        ("marlin_int4", rows_of_marlin, EVENS_FIRST),
        ("qqq_int4_channel", rows_of_qqq, (4, 0, 5, 1, 6, 2, 7, 3)),
        ("qqq_int4_group", rows_of_qqq, EVENS_FIRST),
    ],
)
def test_lanes(layout, rows, interleave):
    run = list(lanes(rows, interleave))
    due = [1024 * tile + place for tile in range(4) for place in run]
    assert slots(layout, in_tiles_of_16(32, 128)) == due


def test_the_permutation_of_marlin():
    places = slots("marlin_int4", in_tiles_of_16(16, 64))
    assert places[:10] == [0, 128, 8, 136, 16, 144, 24, 152, 256, 384]
    assert places[-6:] == [879, 1007, 887, 1015, 895, 1023]


def fastertransformer_address(k, n, rows, bits):
    columns = 16 // bits
    return n // columns * rows * columns + columns * 64 * (k // 64) + 64 * (n % columns) + k % 64


def fastertransformer_row(t, bits):
    block, register = 128 // bits, 32 // bits
    return t // block * block + 8 * (t % register // 2) + t % 2 + 2 * (t % block // register)


@pytest.mark.parametrize(("bits", "interleave"), [(4, EVENS_FIRST), (8, (0, 2, 1, 3))])
def test_fastertransformer(bits, interleave):
    """Rows permuted, columns interleaved, registers reordered: the three steps one after the other."""
    index = np.arange(128 * 8).reshape(128, 8)
    column_major = np.empty(index.size, int)
    for t, n in product(range(128), range(8)):
        column_major[fastertransformer_address(t, n, 128, bits)] = index[fastertransformer_row(t, bits), n]
    due = column_major.reshape(-1, len(interleave))[:, interleave]
    assert slots(f"fastertransformer_int{bits}", index.T) == due.reshape(-1).tolist()


@pytest.mark.parametrize(
    ("bits", "rows"),
    [
        (8, [0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15]),
        (4, [0, 1, 8, 9, 16, 17, 24, 25, 2, 3, 10, 11, 18, 19, 26, 27, 4, 5]),
    ],
)
def test_the_formulas_of_fastertransformer(bits, rows):
    assert [fastertransformer_row(t, bits) for t in range(len(rows))] == rows
    k, n, address = (65, 3, 449) if bits == 8 else (65, 6, 897)
    assert fastertransformer_address(k, n, 128, bits) == address


def test_awq_v2_is_fastertransformer_without_the_bias_in_halfwords():
    index = np.arange(8 * 128).reshape(8, 128)
    assert slots("awq_v2_int4", index) == slots("fastertransformer_int4", index)
    codes = (index * 7 % 16).astype(np.uint8)
    ours, theirs = reference.pack(codes, "awq_v2_int4"), reference.pack(codes ^ 8, "fastertransformer_int4")
    assert ours.astype("<u2").tobytes() == theirs.astype("<u4").tobytes()


def test_awq_int32():
    assert slots("awq_int32", np.arange(24)) == [8 * word + place for word in range(3) for place in EVENS_FIRST]


@VERBS
def test_hawq_v3_int4(verbs):
    """Element i of 8 is moved left by 4 (7 - i) bits."""
    codes = [1, 2, 3, 4, 5, 6, 7, 8] + [value & 15 for value in (-8, -1, 0, 7, -3, 5, -6, 1)]
    words = verbs.pack(np.array(codes), "hawq_v3_int4")
    assert [hex(word) for word in words.tolist()] == ["0x12345678", "0x8f07d5a1"]
    due = [sum(code << 4 * (7 - i) for i, code in enumerate(codes[8 * w : 8 * w + 8])) for w in range(2)]
    assert words.tolist() == due
    assert verbs.unpack(words, "hawq_v3_int4").tolist() == codes
    with pytest.raises(ValueError, match="hawq_v3_int4"):
        verbs.pack(np.array(codes[:13]), "hawq_v3_int4")


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("down", [True, False])
def test_gptq_fills_words_from_the_low_bit_on(bits, down):
    codes = np.arange(64 * 3).reshape(64, 3) * 11 % (1 << bits)
    if down:
        words = reference.pack(codes, f"gptq_qweight_{bits}bit")
    else:
        words = reference.pack(codes.T, f"gptq_qzeros_{bits}bit").T
    assert words.dtype == np.uint32
    for column in range(3):
        stream = sum(int(code) << (bits * k) for k, code in enumerate(codes[:, column]))
        assert [int(word) for word in words[:, column]] == [stream >> 32 * i & 0xFFFFFFFF for i in range(2 * bits)]


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_compressed_tensors_stores_values_plus_half_the_range(bits):
    values = np.arange(64) * 11 % (1 << bits) - (1 << bits >> 1)
    words = reference.pack(values & ((1 << bits) - 1), f"compressed_tensors_{bits}bit")
    np.testing.assert_array_equal(words, reference.pack(values + (1 << bits >> 1), f"gptq_qzeros_{bits}bit"))


@pytest.mark.parametrize("system", ["marlin", "qqq"])
@pytest.mark.parametrize(
    ("scales", "run"),
    [
        ("group", [i + 8 * j for i in range(8) for j in range(8)]),
        ("channel", [2 * i + j for i in range(4) for j in (0, 1, 8, 9, 16, 17, 24, 25)]),
    ],
)
def test_scales_beside_lanes(system, scales, run):
    due = [len(run) * tile + place for tile in range(6) for place in run]
    assert slots(f"{system}_scales_{scales}", np.arange(len(due)).reshape(2, -1)) == due


def test_factors_of_dgq():
    index = np.arange(256)
    assert slots("dgq_o8_alpha", index) == index.reshape(-1, 8, 2, 8).swapaxes(1, 2).reshape(-1).tolist()


def test_block_scales():
    rows, columns = 256, 12
    due = np.empty(rows * columns, int)
    for row, column in product(range(rows), range(columns)):
        tile = row // 128 * (columns // 4) + column // 4
        due[512 * tile + 16 * (row % 32) + 4 * (row % 128 // 32) + column % 4] = columns * row + column
    assert slots("block_scales_128x4", np.arange(rows * columns).reshape(rows, columns)) == due.tolist()


@pytest.mark.parametrize("verbs", [reference, kernels_ref])
@pytest.mark.parametrize("shape", [(120, 4), (128, 3)])
def test_block_scales_of_no_whole_tile_are_refused(verbs, shape):
    with pytest.raises(ValueError, match="block_scales_128x4"):
        verbs.pack(np.zeros(shape, np.uint8), "block_scales_128x4")


def test_ggml_mxfp4():
    assert slots("ggml_mxfp4", np.arange(64)) == [32 * t + j + h for t in range(2) for j in range(16) for h in (0, 16)]


@VERBS
@pytest.mark.parametrize(
    ("codes", "planes"),
    [
        ([3, 0, 7, 5, 1, 6, 2, 4], [0xB8000000, 0xA6000000, 0x35000000]),
        ([1, 3, 2, 0, 1, 2, 3, 1], [0xCB000000, 0x66000000]),
        ([3, -4, -1, 2, 1, -2, 0, -3], [0xA9000000, 0xB4000000, 0x65000000]),
        ([1, -2, -1, 0, 1, -2, -1, 1], [0xAB000000, 0x66000000]),
    ],
)
def test_worked_bit_planes(verbs, codes, planes):
    row = np.zeros(32, np.uint8)
    row[:8] = np.array(codes) & ((1 << len(planes)) - 1)
    regions = verbs.pack(row, f"abq_planes_{len(planes)}bit")
    assert [region.tolist() for region in regions] == [[plane] for plane in planes]


@pytest.mark.parametrize("bits", range(1, 9))
def test_element_k_of_a_plane_is_bit_31_minus_k(bits):
    codes = np.eye(32, dtype=np.uint8) * ((1 << bits) - 1)
    for region in reference.pack(codes, f"abq_planes_{bits}bit"):
        assert region.reshape(-1).tolist() == [1 << 31 - k for k in range(32)]


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_zero_points_of_gptq(bits):
    zeros = range(1, (1 << bits) + 1)
    stored = [GPTQ_V1.stored(zero, bits=bits) for zero in zeros]
    assert stored == list(range(1 << bits))
    assert [GPTQ_V1.zero(code, bits=bits) for code in stored] == list(zeros)
    assert [GPTQ_V2.zero(GPTQ_V2.stored(code, bits=bits), bits=bits) for code in stored] == stored


def test_the_second_version_is_the_first_plus_one_in_every_nibble():
    zeros = [8, 1, 15, 3, 7, 2, 4, 11]
    first, second = (
        reference.pack([convention.stored(zero, bits=4) for zero in zeros], "gptq_qzeros_4bit")
        for convention in (GPTQ_V1, GPTQ_V2)
    )
    assert (first + np.uint32(0x11111111)).tolist() == second.tolist()


@pytest.mark.parametrize(("convention", "zero", "accepted"), [(GPTQ_V1, 0, "1..16"), (GPTQ_V2, 16, "0..15")])
def test_a_zero_point_that_has_no_code_is_refused(convention, zero, accepted):
    with pytest.raises(ValueError, match=f"{convention.name} stores no zero point {zero} in 4 bits: {accepted}"):
        convention.stored(zero, bits=4)
    with pytest.raises(ValueError, match=r"16 is no code of 4 bits: 0\.\.15"):
        convention.zero(16, bits=4)


def test_the_page_has_every_name():
    page = (Path(__file__).parents[2] / "docs" / "layouts.md").read_text(encoding="utf-8")
    assert [known.name for known in LAYOUTS if f"`{known.name}`" not in page] == []
