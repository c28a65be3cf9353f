"""What a unit has one of for each row: words that threads load, and the numbers in them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from formats.products import StreamK, scaled_product, scaled_products
from kernels_ref.hopper import default_split, row_scales
from kernels_ref.hopper.fragments import ROWS
from kernels_ref.hopper.rows import RowWords
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
    for weights in (None, 4096 * 4096, 28672 * 8192):
        split = default_split(name, weights=weights)
        work = Work(split=split, n=4096, k=8192)
        assert split.rows // work.cluster in (64, 128, 192)
        assert split.blocks * work.cluster == 132
        assert product.weight_rows == 1 or product.weight_rows % split.rows == 0
    assert default_split(name, weights=28672 * 8192) == default_split(name)


def test_parts_are_even_where_every_block_has_one():
    for steps, blocks, parts in ((8, 16, 2), (8, 32, 4), (8, 8, 1), (8, 5, 1), (7, 56, 7), (7, 14, 1), (8, 999, 8)):
        work = Work(split=StreamK(rows=64, depth=128, blocks=blocks), n=512, k=128 * steps)
        assert work.even_parts == parts
        assert parts == 1 or set(work.parts()) == {parts}
        assert parts == 1 or work.blocks == work.tiles * parts


def test_two_thread_blocks_share_tiles_that_three_warpgroups_are_too_few_for():
    shared = {rows: Work(split=StreamK(rows=rows), n=1, k=1).cluster for rows in (64, 128, 192, 256, 384)}
    assert shared == {64: 1, 128: 1, 192: 1, 256: 2, 384: 2}
