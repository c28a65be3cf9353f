"""Every byte and every tuple of codes of every layout: judge, golden model and JAX agree, or refuse alike."""

from __future__ import annotations

import itertools
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rotation import rotate

import formats
import kernels_ref
import reference
from formats.layout import LAYOUTS, layout_names
from formats.layouts.bits import BitLayout
from reference import exact

pytestmark = pytest.mark.exhaustive
VERBS = (exact, reference, kernels_ref)


def stored_codes(spec):
    return [(digit - spec.offset) % (1 << spec.code_bits) for digit in range(spec.max_digit + 1)]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_tuple_of_codes(layout):
    tuples = np.array(list(itertools.product(stored_codes(layout), repeat=layout.per_byte)), np.uint8)
    due = np.array([exact.pack(row.tolist(), layout) for row in tuples])
    assert len(set(due.ravel())) == len(tuples) == (layout.max_digit + 1) ** layout.per_byte
    for verb in (reference, kernels_ref):
        words = verb.pack(tuples, layout)
        np.testing.assert_array_equal(words, due)
        np.testing.assert_array_equal(verb.unpack(words, layout), tuples)
    np.testing.assert_array_equal([exact.unpack(row.tolist(), layout) for row in due], tuples)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_byte_round_trips_or_is_refused(layout):
    packed = {
        exact.pack(list(row), layout)[0] for row in itertools.product(stored_codes(layout), repeat=layout.per_byte)
    }
    for byte in range(256):
        for verb in VERBS:
            if byte in packed:
                assert list(verb.pack(verb.unpack([byte], layout), layout)) == [byte]
            else:
                with pytest.raises(ValueError, match=f"byte {byte} at "):
                    verb.unpack([byte], layout)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_code_is_stored_or_refused(layout):
    for code in range(-2, 258):
        for verb in VERBS:
            codes = [code] * layout.per_byte
            if code in stored_codes(layout):
                assert list(verb.unpack(verb.pack(codes, layout), layout)) == codes
            else:
                with pytest.raises(ValueError, match=f"code {code} at "):
                    verb.pack(codes, layout)


@given(st.sampled_from(list(LAYOUTS)), st.lists(st.integers(0, 5), max_size=2), st.integers(0, 9), st.data())
def test_rows_are_packed_alone(layout, outer, count, data):
    spec = LAYOUTS[layout]
    shape = (*outer, count * spec.per_byte)
    seed = data.draw(st.integers(0, 2**32 - 1))
    codes = np.random.default_rng(seed).choice(stored_codes(spec), shape).astype(np.uint8)
    words = reference.pack(codes, layout)
    assert words.shape == (*outer, count)
    rows = zip(words.reshape(-1, count), codes.reshape(-1, shape[-1]), strict=True) if words.size else ()
    for word_row, code_row in rows:
        assert word_row.tolist() == exact.pack(code_row.tolist(), layout)
        assert exact.unpack(word_row.tolist(), layout) == code_row.tolist()
    np.testing.assert_array_equal(reference.unpack(words, layout), codes)


SMALL = [
    spec
    for name in layout_names()
    if isinstance(spec := formats.layout(name), BitLayout) and prod(spec.tile) * spec.code_bits <= 16
]


@pytest.mark.parametrize("layout", SMALL, ids=lambda layout: layout.name)
def test_every_tile_of_a_small_bit_layout(layout):
    count = prod(layout.tile)
    numbers = np.arange(1 << count * layout.code_bits)
    codes = numbers[:, None] >> np.arange(count) * layout.code_bits & (1 << layout.code_bits) - 1
    tiles = codes.reshape(len(numbers), *layout.tile).astype(np.uint16)
    words = reference.pack(tiles, layout)
    assert len(np.unique(words.reshape(len(numbers), -1), axis=0)) == len(numbers)
    np.testing.assert_array_equal(kernels_ref.pack(tiles, layout), words)
    for verb in (reference, kernels_ref):
        np.testing.assert_array_equal(verb.unpack(words, layout), tiles)
    for some in rotate(range(len(numbers)), 64):
        assert words[some].ravel().tolist() == exact.pack(tiles[some].ravel().tolist(), layout, layout.tile)


def test_every_three_bytes_of_six_bit_codes():
    for first in rotate(range(256), 16):
        rest = np.arange(1 << 16, dtype=np.uint32)
        number = np.uint32(first << 16) | rest
        words = np.stack([number >> low & 0xFF for low in (16, 8, 0)], axis=-1)
        codes = np.stack([number >> low & 0x3F for low in (18, 12, 6, 0)], axis=-1)
        for verb in (reference, kernels_ref):
            np.testing.assert_array_equal(verb.unpack(words, "6bit_high_first"), codes)
            np.testing.assert_array_equal(verb.pack(codes, "6bit_high_first"), words)
