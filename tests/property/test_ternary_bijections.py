"""Ternary storages, triples, means and thresholds on drawn input."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from formats.ternary.storage import STORAGES
from formats.ternary.weights import WEIGHT_QUANTIZERS
from reference.array import ternary_mean
from reference.exact import ternary as judge
from reference.exact import ternary_storage as storage_judge
from reference.quantize.ternary import quantize_ternary
from reference.ternary_bitnet import lookup_dot, offset_dot
from reference.ternary_storage import join_triples, pack_trits, split_triples, unpack_trits

trits = st.integers(-1, 1)
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
#: numbers whose means, halves and tenths are often numbers of binary32 themselves, so that thresholds are hit
dyadic = st.integers(-24, 24).map(lambda n: n / 8)


@given(st.sampled_from(list(STORAGES.values())), st.data())
def test_storages_are_bijections(storage, data):
    shape = tuple(2 * size for size in storage.tile)
    x = data.draw(arrays.arrays(np.int8, shape, elements=st.integers(storage.least, storage.greatest)))
    words = pack_trits(x, storage)
    np.testing.assert_array_equal(unpack_trits(words, storage, foreign="refuse"), x)
    tile = x[tuple(slice(size) for size in storage.tile)].reshape(-1).tolist()
    assert storage_judge.pack_trits(tile, storage) == words.reshape(-1, storage.bytes_per_tile)[0].tolist()


@given(arrays.arrays(np.int8, (3, 30), elements=trits), arrays.arrays(np.int8, 30))
def test_triples_and_dot_products(t, a):
    np.testing.assert_array_equal(join_triples(*split_triples(t)), t)
    due = (t.astype(int) @ a.astype(int)).tolist()
    assert offset_dot(t, a).tolist() == due
    assert lookup_dot(t, a, group=2).tolist() == lookup_dot(t, a, group=3).tolist() == due


@given(st.lists(finite, min_size=1, max_size=40), st.sampled_from([Fraction(1), Fraction(4, 3), Fraction(7, 10)]))
def test_means_are_the_judges(numbers, factor):
    bits = np.array([numbers], np.float32).view(np.uint32)
    made = ternary_mean.mean(bits, factor, np, ternary_mean.scan_numpy).view(np.float32)[0]
    assert float(made) == float(judge.rounded(factor * sum(map(Fraction, numbers), Fraction(0)) / len(numbers)))


@given(st.lists(dyadic, min_size=2, max_size=16), st.sampled_from(list(WEIGHT_QUANTIZERS)))
def test_weights_are_the_judges(numbers, name):
    made = quantize_ternary(np.array([numbers], np.float32), name)
    codes, scales = judge.quantize_weights([numbers], name)
    assert made.codes.tolist() == codes
    np.testing.assert_array_equal(np.atleast_1d(made.scale), np.array([float(s) for s in scales], np.float32))
