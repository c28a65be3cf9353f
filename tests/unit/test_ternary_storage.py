"""Ternary storages: recorded bytes, small spaces exhausted, the judge, and what is refused."""

from __future__ import annotations

import itertools
from dataclasses import replace

import jax
import numpy as np
import pytest

import kernels_ref.ternary_storage as jax_storage
import reference.ternary_storage as numpy_storage
from formats.ternary.storage import (
    GPU_INT2,
    I2_S_ARM,
    I2_S_X86,
    STORAGES,
    TERNARY_BASE3_MULTIPLY,
    TL1,
    TQ1_0_TRITS,
    ternary_block,
)
from reference import ternary_bitnet
from reference.exact import ternary_storage as judge
from reference.ternary_storage import join_triples, pack_trits, split_triples, unpack_trits

#: trit i of the packing vector: (((i * 2654435761) mod 2^32) >> 16) mod 3 - 1
TRITS = (((np.arange(256, dtype=np.int64) * 2654435761) % 2**32) >> 16) % 3 - 1
BYTES = {
    "tq1_0": (
        256,
        "3f36cd33e0e0ddc0dcb76abda367999fa0954092233f36e933e0ddddc0bfb76ae5a273a237a236133612e112b112b0f6c8d1ab72",
    ),
    "tq2_0": (
        256,
        "48a44664666626222612219229911999998988498448a44a6466262622221221"
        "4a24462462262222219229920991899889888448644a24422462262222211229",
    ),
    "i2_s_x86": (128, "211a91199999988898844886684664666662226112211aa11999989888888448"),
    "i2_s_arm": (64, "1a168616858685a285a161a168606858"),
    "tl1": (16, "06888544"),
}


def elements(storage, outer=(3,), seed=0):
    shape = (*outer, *(2 * size for size in storage.tile))
    return np.random.default_rng(seed).integers(storage.least, storage.greatest + 1, shape)


@pytest.mark.parametrize("name", BYTES)
def test_recorded_bytes(name):
    count, due = BYTES[name]
    for pack in (numpy_storage.pack_trits, jax_storage.pack_trits):
        assert np.asarray(pack(TRITS[:count], name)).tobytes().hex() == due


def test_recorded_triples_and_one_byte():
    assert TRITS[:12].tolist() == [-1, -1, 1, -1, 1, 1, 1, 1, 1, 1, 0, 1]
    magnitude, sign = split_triples(TRITS[:24])
    assert np.where(sign, -magnitude.astype(int), magnitude).tolist() == [-11, -5, 13, 10, 0, 0, -10, -11]
    assert pack_trits([1, 0, -1, 1, 1], TERNARY_BASE3_MULTIPLY).tolist() == [[0xD0]]


@pytest.mark.parametrize(("name", "size"), [("tq1_0", 54), ("tq2_0", 66)])
def test_sizes_of_blocks(name, size):
    assert ternary_block(name).bytes_per_block == size


@pytest.mark.parametrize("storage", STORAGES.values(), ids=lambda s: s.name)
def test_judge_numpy_and_jax_agree_both_ways(storage):
    x = elements(storage)
    words = pack_trits(x, storage)
    np.testing.assert_array_equal(np.asarray(jax_storage.pack_trits(x, storage)), words)
    np.testing.assert_array_equal(unpack_trits(words, storage, foreign="refuse"), x)
    np.testing.assert_array_equal(np.asarray(jax_storage.unpack_trits(words, storage, foreign="refuse")), x)
    tile = x[(0, *(slice(size) for size in storage.tile))].reshape(-1).tolist()
    assert judge.pack_trits(tile, storage) == words.reshape(-1, storage.bytes_per_tile)[0].tolist()
    assert judge.unpack_trits(judge.pack_trits(tile, storage), storage, foreign="refuse") == tile


@pytest.mark.parametrize("storage", STORAGES.values(), ids=lambda s: s.name)
def test_every_byte_decodes_as_the_judge_says(storage):
    """All 256 in every byte of the tile; where a byte is foreign, all three refuse it."""
    every = np.arange(256, dtype=np.uint8)
    shape = (256, *[1] * len(storage.tile), storage.bytes_per_tile)
    words = (every[:, None] + 37 * np.arange(storage.bytes_per_tile)).astype(np.uint8).reshape(shape)
    made = unpack_trits(words, storage, foreign="decode").reshape(256, -1)
    under_jax = np.asarray(jax_storage.unpack_trits(words, storage, foreign="decode")).reshape(256, -1)
    np.testing.assert_array_equal(under_jax, made)
    for tile, row in zip(words.reshape(256, -1).tolist(), made.tolist(), strict=True):
        assert judge.unpack_trits(tile, storage, foreign="decode") == row


def test_all_five_trits_of_a_byte():
    """All 243, by judge and arrays: a bijection that leaves 13 bytes over; decoded by multiplying and by dividing."""
    every = np.array(list(itertools.product((-1, 0, 1), repeat=5)))
    words = pack_trits(every, TERNARY_BASE3_MULTIPLY)[:, 0, 0]
    assert words.tolist() == [judge.pack_trits(row, TERNARY_BASE3_MULTIPLY)[0] for row in every.tolist()]
    left = sorted(set(range(256)) - set(words.tolist()))
    assert left == [1, 20, 40, 60, 79, 99, 119, 138, 158, 178, 197, 217, 237]
    for byte in left:
        for unpack in (numpy_storage.unpack_trits, jax_storage.unpack_trits, judge.unpack_trits):
            with pytest.raises(ValueError, match=r"foreign|no elements"):
                unpack([byte] if unpack is judge.unpack_trits else [[byte]], TERNARY_BASE3_MULTIPLY, foreign="refuse")


@pytest.mark.parametrize("storage", [I2_S_X86, I2_S_ARM, TL1, GPU_INT2, TQ1_0_TRITS], ids=lambda s: s.name)
def test_a_swapped_pair_of_elements_shows(storage):
    """No two elements share a digit: exchanging two that differ changes the bytes, and only theirs."""
    zeros = np.zeros(storage.tile, int)
    ones = np.eye(zeros.size, dtype=int).reshape(-1, *storage.tile)
    changed = pack_trits(ones, storage) != pack_trits(zeros, storage)
    assert (changed.reshape(zeros.size, -1).sum(axis=1) == 1).all()
    assert len(np.unique(pack_trits(ones, storage).reshape(zeros.size, -1), axis=0)) == zeros.size


def test_order_of_the_gpu_word():
    """Within a word element e lies in byte e mod 4 at bits 2 (e div 4); rows come as a warp loads them."""
    x = np.full((16, 32), -1)
    x[0, :16] = np.arange(16) % 3 - 1
    words = pack_trits(x, GPU_INT2)[0, 0]
    word = int.from_bytes(words[:4].tobytes(), "little")
    assert [(word >> (8 * (e % 4) + 2 * (e // 4)) & 3) - 2 for e in range(16)] == x[0, :16].tolist()
    masked = [(word >> 2 * i & 0x03030303).to_bytes(4, "little") for i in range(4)]
    assert [byte - 2 for part in masked for byte in part] == x[0, :16].tolist()


def test_tl2_signs_are_words_of_sixteen_bits():
    """Bit 15 - (2k + h) of word r is triple k of row r + 16 h, as a formula of its own."""
    signs = np.random.default_rng(3).integers(0, 2, (32, 8))
    words = pack_trits(signs, "tl2_signs")[0, 0].view("<u2")
    for row, column in itertools.product(range(32), range(8)):
        assert words[row % 16] >> (15 - (2 * column + row // 16)) & 1 == signs[row, column]


def test_tl2_rows_swap_their_middle_runs_of_eight():
    x = np.random.default_rng(4).integers(0, 14, (32, 2))
    rows = x.reshape(4, 8, 2)[[0, 2, 1, 3]].reshape(32, 2)
    assert pack_trits(x, "tl2_magnitudes")[0, 0].tolist() == (16 * rows[:, 0] + rows[:, 1]).tolist()


def test_all_triples_split_and_join():
    every = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    magnitude, sign = split_triples(every)
    value = every @ [9, 3, 1]
    np.testing.assert_array_equal(magnitude[:, 0], abs(value))
    np.testing.assert_array_equal(sign[:, 0], value < 0)
    np.testing.assert_array_equal(join_triples(magnitude, sign), every)
    assert sorted(value.tolist()) == list(range(-13, 14))


def test_vmap_and_jit():
    x = elements(TL1, outer=(4, 2))
    packed = jax.jit(jax.vmap(lambda row: jax_storage.pack_trits(row, "tl1")))(x)
    np.testing.assert_array_equal(packed, pack_trits(x, "tl1"))


class TestI2S:
    @pytest.mark.parametrize("storage", [I2_S_X86, I2_S_ARM], ids=lambda s: s.name)
    def test_a_tensor_and_its_tail(self, storage):
        trits = np.tile(TRITS[:128], (2, 1))
        words = ternary_bitnet.pack_i2_s(trits, 0.75, storage)
        assert len(words) == 2 * 32 + 32
        assert words[-32:].hex() == "0000403f" + "00" * 28
        back, scale = ternary_bitnet.unpack_i2_s(words, (2, 128), storage)
        assert (back.tolist(), scale) == (trits.tolist(), 0.75)

    def test_signs_differ_at_one_number_and_in_the_scale(self):
        edge = np.float32(1e-6)
        w = np.float32([0, edge, np.nextafter(edge, np.float32(0)), np.nextafter(edge, np.float32(1)), -0.5])
        trits, scale = ternary_bitnet.i2_s_signs(w, signs="c")
        assert (trits.tolist(), scale) == ([0, 0, 0, 1, -1], 0.5)
        trits, scale = ternary_bitnet.i2_s_signs(w, signs="python")
        assert (trits.tolist(), scale) == ([0, 1, 0, 1, -1], edge)

    def test_refused(self):
        with pytest.raises(ValueError, match="storage='tl1' is no I2_S; accepted: i2_s_x86, i2_s_arm"):
            ternary_bitnet.pack_i2_s(np.zeros((1, 4), int), 1.0, TL1)
        with pytest.raises(ValueError, match=r"scale=0\.1 is no number of binary32"):
            ternary_bitnet.pack_i2_s(np.zeros((1, 64), int), 0.1, I2_S_ARM)
        with pytest.raises(ValueError, match=r"47 bytes are no i2_s_arm tensor of shape \(1, 64\), which takes 48"):
            ternary_bitnet.unpack_i2_s(bytes(47), (1, 64), I2_S_ARM)
        with pytest.raises(TypeError, match="weights have dtype float64; accepted: float32"):
            ternary_bitnet.i2_s_signs(np.zeros(3), signs="c")
        with pytest.raises(ValueError, match="must be finite, and one at least"):
            ternary_bitnet.i2_s_signs(np.float32([np.nan]), signs="c")


class TestDotProducts:
    def test_all_ways_are_the_sum_of_products(self):
        rng = np.random.default_rng(5)
        trits, a = rng.integers(-1, 2, (50, 96), np.int8), rng.integers(-128, 128, 96, np.int8)
        due = trits.astype(int) @ a
        assert ternary_bitnet.offset_dot(trits, a).tolist() == due.tolist()
        assert ternary_bitnet.lookup_dot(trits, a, group=2).tolist() == due.tolist()
        assert ternary_bitnet.lookup_dot(trits, a, group=3).tolist() == due.tolist()

    def test_recorded_table(self):
        table = ternary_bitnet.lookup_table(np.int8([5, -7, 11]), group=3)
        assert table.tolist() == [[0, 11, -18, -7, 4, 1, 12, 23, -6, 5, 16, -13, -2, 9]]

    def test_int16_does_not_hold_what_the_kernel_sums_in_it(self):
        """32 steps of four products of 2 and 127: the published partial sum of adversarial input."""
        trits, a = np.ones((1, 32 * 4 * 2), np.int8), np.full(32 * 4 * 2, 127, np.int8)
        partial = int(((trits + 1).astype(int) * a).sum())
        assert partial == 65024 > np.iinfo(np.int16).max
        assert ternary_bitnet.offset_dot(trits, a).tolist() == [32512]

    def test_refused(self):
        with pytest.raises(ValueError, match="group=4 must be 2"):
            ternary_bitnet.lookup_table(np.zeros(4, np.int8), group=4)
        with pytest.raises(ValueError, match="groups of 3 do not fill"):
            ternary_bitnet.lookup_table(np.zeros(4, np.int8), group=3)
        with pytest.raises(TypeError, match="activations have dtype int64; accepted: int8"):
            ternary_bitnet.offset_dot(np.zeros((1, 4), np.int8), np.zeros(4, int))
        with pytest.raises(ValueError, match=r"not \(1, 4\) and \(5,\)"):
            ternary_bitnet.offset_dot(np.zeros((1, 4), np.int8), np.zeros(5, np.int8))


class TestRefused:
    @pytest.mark.parametrize("verb", [numpy_storage, jax_storage])
    def test_elements(self, verb):
        with pytest.raises(ValueError, match=r"element 2 at \[0, 3\] is none of -1\.\.1, which tl1 holds"):
            verb.pack_trits([[0, 1, -1, 2]], "tl1")
        with pytest.raises(ValueError, match=r"tl1 stores tiles \(4,\); the last axes of shape \(1, 5\)"):
            verb.pack_trits(np.zeros((1, 5), int), "tl1")
        with pytest.raises(TypeError, match="elements must be integers, not float64"):
            verb.pack_trits(np.zeros(4), "tl1")
        with pytest.raises(KeyError, match="unknown storage 'tl3'; known: tq1_0"):
            verb.pack_trits([0], "tl3")

    @pytest.mark.parametrize("verb", [numpy_storage, jax_storage])
    def test_words(self, verb):
        with pytest.raises(ValueError, match=r"byte 144 at \[0, 0\] is foreign to tl1; foreign='decode' takes it"):
            verb.unpack_trits([[144]], "tl1", foreign="refuse")
        with pytest.raises(ValueError, match=r"word 256 at \[0, 0\] is no byte"):
            verb.unpack_trits([[256]], "tl1", foreign="decode")
        with pytest.raises(ValueError, match=r"words of tl1 have shape \(\.\.\., grid, 1\), not \(2,\)"):
            verb.unpack_trits([0, 0], "tl1", foreign="decode")

    def test_triples(self):
        with pytest.raises(ValueError, match=r"trit 2 at \[1\] is none of -1, 0, 1"):
            split_triples([0, 2, 0])
        with pytest.raises(ValueError, match="3 divides"):
            split_triples([0, 1])
        with pytest.raises(ValueError, match=r"magnitude 14 at \[0\] is none of 0\.\.13"):
            join_triples([14], [0])
        with pytest.raises(ValueError, match=r"sign 1 at \[1\] is no bit, or that of a zero"):
            join_triples([1, 0], [0, 1])
        with pytest.raises(ValueError, match="need one shape"):
            join_triples([1, 0], [0])

    def test_by_the_judge(self):
        with pytest.raises(ValueError, match="3 elements are no tile"):
            judge.pack_trits([0] * 3, "tl1")
        with pytest.raises(ValueError, match="element 2 at 1 is none of"):
            judge.pack_trits([0, 2, 0, 0], "tl1")
        with pytest.raises(ValueError, match="2 bytes are no tile of tl1, which has 1"):
            judge.unpack_trits([0, 0], "tl1", foreign="decode")

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"order": (0, 1, 2, 2)}, "order does not hold every element"),
            ({"symbol_bits": 3}, "symbol_bits=3 must be"),
            ({"radix": 5}, "2 digits of 5 need more bits"),
            ({"order": (0, 1, 2, 3, -1)}, "5 digits do not fill bytes"),
            ({"least": -2}, "least=-2 is below digit 0"),
            ({"greatest": 2}, "greatest=2 is beyond digit 2"),
            ({"by_multiplying": True}, "multiplying takes whole bytes"),
        ],
    )
    def test_records(self, changes, match):
        with pytest.raises(ValueError, match=match):
            replace(TL1, **changes)
