"""What a unit has one of for each row: words that threads load, and the numbers in them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from formats.products import StreamK, scaled_product, scaled_products
from kernels_ref.hopper import Variant, default_split, row_scales
from kernels_ref.hopper.fragments import ROWS
from kernels_ref.hopper.rows import RowWords
from kernels_ref.hopper.scaled_matmul import dealt
from kernels_ref.hopper.work import Work

#: of numbers: 32-bit ones are float32
DTYPES = {8: np.uint8, 16: np.uint16, 32: np.uint32}
LAYOUTS = st.builds(RowWords, st.integers(1, 40), st.sampled_from(list(DTYPES)))


def numbers(layout: RowWords, units: int, count: int, seed: int):
    """Random bits for so many rows of so many units."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 1 << layout.bits, (units, count, layout.count), np.uint64).astype(DTYPES[layout.bits])


@given(LAYOUTS, st.integers(1, 3), st.sampled_from([64, 128, 192, 256, 384]), st.integers(0, 9))
def test_unpack_gives_back_what_was_packed(layout, units, count, seed):
    given_ = numbers(layout, units, count, seed)
    words = layout.pack(jnp.asarray(given_))
    assert words.shape == (units, *layout.shape(count))
    np.testing.assert_array_equal(np.asarray(layout.unpack(words)), given_)


@given(LAYOUTS, st.integers(1, 3), st.integers(0, 9))
def test_each_warpgroup_finds_the_numbers_of_its_rows(layout, warpgroups, seed):
    given_ = numbers(layout, 1, warpgroups * ROWS, seed)
    words = np.asarray(layout.pack(jnp.asarray(given_)))[0].view(np.int32)
    lines = layout.shape(ROWS)[0]
    for warpgroup in range(warpgroups):
        block = jnp.asarray(words[warpgroup * lines : (warpgroup + 1) * lines].reshape(ROWS, layout.words))
        own = [block[:, i] for i in range(layout.words)]
        for index in range(layout.count):
            found = np.asarray(layout.number(own, index)).view(np.uint32)
            np.testing.assert_array_equal(found, given_[0, warpgroup * ROWS :][:ROWS, index])


@given(LAYOUTS)
def test_words_of_a_row_are_loaded_by_aligned_vectors(layout):
    assert layout.words & (layout.words - 1) == 0
    assert layout.line % layout.words == 0
    assert ROWS * layout.words % layout.line == 0


@pytest.mark.parametrize("fmt", ["float8_e8m0fnu", "float8_e4m3fn"])
def test_every_scale_of_8_bits(fmt):
    codes = np.arange(256, dtype=np.uint8)
    found = row_scales.quad(fmt, jnp.asarray(codes.view(np.int32)), True)
    wanted = reference.decode(codes, fmt).astype(np.float32).reshape(-1, 4)
    there = ~np.isnan(wanted)  # packing refuses what is not finite
    for i in range(4):
        np.testing.assert_array_equal(np.asarray(found[i])[there[:, i]], wanted[there[:, i], i])


@pytest.mark.parametrize("name", scaled_products())
def test_every_product_has_a_cut_that_the_kernel_takes(name):
    product = scaled_product(name)
    for shape in (None, (4096, 4096), (28672, 8192), (8192, 28672)):
        split = default_split(name, shape=shape)
        work = Work(split=split, n=4096, k=8192)
        assert split.rows // work.cluster in (64, 128, 192, 256)
        assert split.blocks * work.cluster in (112, 132)
        assert product.weight_rows == 1 or product.weight_rows % split.rows == 0
    assert default_split(name, shape=(8192, 28672), tokens=1) == default_split(name)


@pytest.mark.parametrize("name", scaled_products())
def test_k_is_whole_where_tiles_are_nearly_as_many_as_multiprocessors(name):
    usual, sizes = default_split(name), [times * n for n in range(24576, 35072, 128) for times in (1, 2)]
    chosen = {n: default_split(name, shape=(n, 8192), tokens=16) for n in sizes}
    assert (chosen[28672] != usual) is (chosen[2 * 28672] != usual) is any(split != usual for split in chosen.values())
    for n, split in chosen.items():
        if split != usual:
            work = Work(split=split, n=n, k=8192)
            assert 106 <= work.blocks <= 132
            assert work.planes == 1
            assert (work.cluster, work.run) == (1, work.tiles // work.blocks * work.steps)


def test_how_many_tokens_a_cut_is_for_is_a_matter_of_registers():
    whole = {name for name in scaled_products() if default_split(name, shape=(28672, 8192), tokens=16).blocks == 112}
    wide = {name for name in scaled_products() if default_split(name, shape=(28672, 8192), tokens=64).blocks == 112}
    assert wide == {"w4a8_qqq_channel", "w4a8_qqq_g128", "ternary_int8"}
    assert wide < whole
    assert not {"w8a8_int8", "nvfp4_e4m3", "nvfp4_bf16", "mxfp4_bf16"} & whole


@pytest.mark.parametrize(("name", "most"), [("w4a16_g128", 16), ("mxfp4_e4m3", 16), ("ternary_int8", 64)])
def test_two_thread_blocks_share_a_tile_whose_sums_four_warpgroups_have_no_room_for(name, most):
    work = Work(split=StreamK(rows=256, depth=256, blocks=112), n=28672, k=8192)
    assert [dealt(scaled_product(name), work, m) == work for m in (most, most + 1)] == [True, False]
    paired = dealt(scaled_product(name), work, most + 1)
    assert (paired.cluster, paired.run, paired.blocks, paired.planes) == (2, 2 * work.steps, 56, 1)
    odd = dealt(scaled_product(name), Work(split=StreamK(rows=256, depth=256, blocks=113), n=28928, k=8192), 256)
    assert (odd.run, odd.blocks, odd.planes) == (2 * odd.steps, 57, 1)
    cut = Work(split=StreamK(rows=256, depth=256, blocks=132), n=28672, k=8192)
    assert dealt(scaled_product(name), cut, 256) == cut  # in passes of as many tokens as fit
    assert Variant().passes(scaled_product(name), 64, cut) == (most, 64 // most)


def test_parts_are_even_where_every_block_has_one():
    for steps, blocks, parts in ((8, 16, 2), (8, 32, 4), (8, 8, 1), (8, 5, 1), (7, 56, 7), (7, 14, 1), (8, 999, 8)):
        work = Work(split=StreamK(rows=64, depth=128, blocks=blocks), n=512, k=128 * steps)
        assert work.even_parts == parts
        assert parts == 1 or set(work.parts()) == {parts}
        assert parts == 1 or work.blocks == work.tiles * parts


def test_two_thread_blocks_share_tiles_that_three_warpgroups_are_too_few_for():
    shared = {rows: Work(split=StreamK(rows=rows, blocks=66), n=1, k=1).cluster for rows in (64, 128, 192, 256, 384)}
    assert shared == {64: 1, 128: 1, 192: 1, 256: 2, 384: 2}
    assert Work(split=StreamK(rows=256, blocks=67), n=1, k=1).cluster == 1  # more clusters than run at once
