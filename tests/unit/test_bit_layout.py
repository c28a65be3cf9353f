"""Bit layouts: every one that has a name is a bijection, and judge, NumPy and JAX put its bits in the same places."""

from __future__ import annotations

from math import lcm, prod

import jax
import numpy as np
import pytest

import formats
import kernels_ref
import reference
from formats.layout import LAYOUTS, layout_names
from formats.layouts.bits import BitLayout, Field, SplitLayout
from reference import exact
from reference.array import bit_layout
from reference.array.rewrite import rewrite, together, unsigned

NAMES = [name for name in layout_names() if name not in LAYOUTS]
#: bits of different codes beside each other, more than one axis each way, an offset, and words from the top
INTERLEAVED = BitLayout(
    name="interleaved",
    code_bits=3,
    tile=(4, 4),
    axes="r2 s2 c4 b3",
    order="~b s c r",
    word_bits=8,
    words=(3, 2),
    big_endian=True,
    offset=5,
    source="a test",
)
WIDE = BitLayout(
    name="wide",
    code_bits=6,
    tile=(32,),
    axes="c32 b6",
    order="c b",
    word_bits=64,
    words=(3,),
    source="a test",
)
ALL = [*map(formats.layout, NAMES), INTERLEAVED, WIDE]
SINGLE = [layout for layout in ALL if isinstance(layout, BitLayout)]
by_name = pytest.mark.parametrize("layout", ALL, ids=lambda layout: layout.name)


def parts(layout):
    return [field.layout for field in layout.fields] if isinstance(layout, SplitLayout) else [layout]


def codes_for(layout, *, outer=(), grid=2, seed=0):
    """Random codes: ``grid`` tiles along each axis of the tile."""
    tile = [max(sizes) for sizes in zip(*(part.tile for part in parts(layout)), strict=True)]
    shape = (*outer, *(grid * size for size in tile))
    return np.random.default_rng(seed).integers(0, 1 << layout.code_bits, shape, dtype=np.uint32)


def regions(words):
    return [np.asarray(region) for region in (words if isinstance(words, tuple) else (words,))]


@by_name
def test_judge_numpy_and_jax_agree(layout):
    codes = codes_for(layout)
    words = reference.pack(codes, layout)
    due = exact.pack(codes.ravel().tolist(), layout, codes.shape)
    for region, judged in zip(regions(words), due if isinstance(due, tuple) else (due,), strict=True):
        assert region.ravel().tolist() == judged
    assert exact.unpack(due, layout, codes.shape) == codes.ravel().tolist()
    np.testing.assert_array_equal(reference.unpack(words, layout), codes)
    with jax.enable_x64(layout is WIDE):
        traced = jax.jit(lambda c: kernels_ref.pack(c, layout))(codes)
        for region, ours in zip(regions(traced), regions(words), strict=True):
            assert region.dtype == ours.dtype
            np.testing.assert_array_equal(region, ours)
        back = jax.jit(lambda w: kernels_ref.unpack(w, layout))(words)
    np.testing.assert_array_equal(back, codes)


@by_name
def test_every_word_has_codes(layout):
    """With the same number of bits on both sides, an inverse on each side is a bijection."""
    words = reference.pack(codes_for(layout), layout)
    random = np.random.default_rng(1)
    drawn = [random.integers(0, 1 << (8 * r.itemsize), r.shape, dtype=r.dtype, endpoint=False) for r in regions(words)]
    given = tuple(drawn) if isinstance(layout, SplitLayout) else drawn[0]
    for back, region in zip(regions(reference.pack(reference.unpack(given, layout), layout)), drawn, strict=True):
        np.testing.assert_array_equal(back, region)


@by_name
def test_one_bit_of_a_code_is_one_bit_of_a_word(layout):
    """Packing is linear over exclusive or, so the images of the single bits say all: a permutation matrix."""
    bits = layout.code_bits * prod(shape := codes_for(layout, grid=1).shape)
    base = np.concatenate([region.ravel() for region in regions(reference.pack(np.zeros(shape, np.uint32), layout))])
    seen = np.zeros_like(base)
    for source in range(0, bits, max(1, bits // 96)):
        codes = np.zeros(prod(shape), np.uint32)
        codes[source // layout.code_bits] = 1 << source % layout.code_bits
        packed = reference.pack(codes.reshape(shape), layout)
        moved = np.concatenate([region.ravel() for region in regions(packed)])
        if getattr(layout, "offset", 0) == 0:
            assert sum(int(word).bit_count() for word in moved) == 1
            assert not (seen & moved).any()
            seen |= moved


@pytest.mark.parametrize("layout", SINGLE, ids=lambda layout: layout.name)
def test_whole_codes_and_single_bits_give_the_same_words(layout):
    codes = codes_for(layout, outer=(2,)).astype(unsigned(layout.code_bits, np))
    words = reference.pack(codes, layout)
    by_bits = bit_layout.plan(layout, bitwise=True)
    np.testing.assert_array_equal(bit_layout.pack(codes, layout, by_bits, np, together), words)
    np.testing.assert_array_equal(bit_layout.unpack(words, layout, by_bits, np, together), codes)


def test_each_way_of_ordering_elements_is_taken():
    """Whole codes from the low end and from the high one, turned by hand, and single bits."""
    plans = {name: bit_layout.plan(formats.layout(name)) for name in ("6bit_high_first", "fp6_llm_4bit")}
    assert plans["6bit_high_first"].high_first
    assert not plans["6bit_high_first"].backwards
    assert plans["fp6_llm_4bit"].backwards
    assert not plans["fp6_llm_4bit"].high_first
    assert (bit_layout.plan(WIDE).width, bit_layout.plan(INTERLEAVED).width) == (6, 1)
    assert bit_layout.plan(INTERLEAVED).falling


@by_name
def test_leading_axes_are_packed_alone(layout):
    codes = codes_for(layout, outer=(2, 3), grid=1)
    words = reference.pack(codes, layout)
    for index in np.ndindex(2, 3):
        for region, alone in zip(regions(words), regions(reference.pack(codes[index], layout)), strict=True):
            np.testing.assert_array_equal(region[index], alone)
    np.testing.assert_array_equal(reference.unpack(words, layout), codes)


@pytest.mark.parametrize("name", ["6bit_high_first", "fp6_llm"])
def test_vmap(name):
    codes = codes_for(formats.layout(name), outer=(3,), grid=1)
    words = jax.vmap(lambda c: kernels_ref.pack(c, name))(codes)
    for region, due in zip(regions(words), regions(reference.pack(codes, name)), strict=True):
        np.testing.assert_array_equal(region, due)
    np.testing.assert_array_equal(jax.vmap(lambda w: kernels_ref.unpack(w, name))(words), codes)


@by_name
def test_nothing_is_an_empty_array(layout):
    codes = codes_for(layout, outer=(0,), grid=1)
    np.testing.assert_array_equal(reference.unpack(reference.pack(codes, layout), layout), codes)


@pytest.mark.parametrize("high_first", [False, True])
@pytest.mark.parametrize("to", [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 64])
def test_rows_of_every_width_are_rewritten(to, high_first):
    for width in range(1, 33):
        count = 2 * lcm(width, to) // width
        row = np.random.default_rng(width).integers(0, 1 << width, count, dtype=np.uint32)
        written = rewrite(row.astype(unsigned(width, np)), width, to, np, together, high_first=high_first)
        order = slice(None, None, -1 if high_first else 1)
        number = sum(value << width * i for i, value in enumerate(row[order].tolist()))
        due = [number >> low & ((1 << to) - 1) for low in range(0, count * width, to)]
        assert written.tolist() == due[order], width


class TestRefused:
    @pytest.mark.parametrize("verb", [reference, kernels_ref])
    def test_shapes_that_are_not_made_of_tiles(self, verb):
        with pytest.raises(
            ValueError, match=r"fp6_llm takes codes in tiles of \(64, 64\); the shape \(64, 32\) is not"
        ):
            verb.pack(np.zeros((64, 32), np.uint8), "fp6_llm")
        with pytest.raises(ValueError, match=r"fp6_llm takes codes in tiles of \(64, 64\); the shape \(64,\) is not"):
            verb.pack(np.zeros(64, np.uint8), "fp6_llm")
        with pytest.raises(
            ValueError, match=r"6bit_high_first takes words in tiles of \(3,\); the shape \(4,\) is not"
        ):
            verb.unpack(np.zeros(4, np.uint8), "6bit_high_first")

    @pytest.mark.parametrize("verb", [reference, kernels_ref])
    def test_codes_and_words_that_are_none(self, verb):
        with pytest.raises(ValueError, match=r"code 64 at \[2\] is none that 6bit_high_first stores: 0\.\.63"):
            verb.pack(np.array([0, 0, 64, 0]), "6bit_high_first")
        with pytest.raises(ValueError, match=r"code -1 at \[0\] is none that 6bit_high_first stores: 0\.\.63"):
            verb.pack(np.array([-1, 0, 64, 0]), "6bit_high_first")
        with pytest.raises(ValueError, match=r"word -1 at \[1\] .* words of 8 bits; view signed words as unsigned"):
            verb.unpack(np.array([0, -1, 0]), "6bit_high_first")
        with pytest.raises(ValueError, match=r"word 256 at \[1\] is none of 6bit_high_first"):
            verb.unpack(np.array([0, 256, 0]), "6bit_high_first")

    @pytest.mark.parametrize("verb", [reference, kernels_ref, exact])
    def test_regions_that_are_missing(self, verb):
        with pytest.raises(ValueError, match="fp6_llm has 2 regions, not 1"):
            verb.unpack((np.zeros((1, 256), np.uint32),), "fp6_llm")

    def test_by_the_judge(self):
        with pytest.raises(
            ValueError, match=r"codes of shape \(64, 32\) do not fill tiles of \(64, 64\), as fp6_llm_2"
        ):
            exact.pack([0] * 2048, "fp6_llm", (64, 32))
        with pytest.raises(ValueError, match=r"codes of shape \(6,\) do not fill tiles of \(4,\), as 6bit_high_first"):
            exact.pack([0] * 6, "6bit_high_first")
        with pytest.raises(ValueError, match=r"6 codes do not have the shape \(4,\)"):
            exact.pack([0] * 6, "6bit_high_first", (4,))
        with pytest.raises(ValueError, match="code 64 at 1 is none that 6bit_high_first stores"):
            exact.pack([0, 64, 0, 0], "6bit_high_first")
        with pytest.raises(ValueError, match=r"3 words of 6bit_high_first do not hold codes of shape \(8,\)"):
            exact.unpack([0] * 3, "6bit_high_first", (8,))
        with pytest.raises(ValueError, match="word 256 at 2 is none that 6bit_high_first has"):
            exact.unpack([0, 0, 256], "6bit_high_first")

    def test_words_that_jax_does_not_have(self):
        with pytest.raises(ValueError, match="wide has words of 64 bits, which JAX has only with jax_enable_x64"):
            kernels_ref.pack(np.zeros(32, np.uint8), WIDE)

    @pytest.mark.parametrize(
        ("match", "changes"),
        [
            (r"code_bits=0 must lie in 1\.\.32", {"code_bits": 0}),
            (r"word_bits=24 must be 8, 16, 32 or 64", {"word_bits": 24}),
            ("offset=64 must be a code of 6 bits", {"offset": 64}),
            (r"tile=\(4,\) and words=\(1, 3\) must have the same rank", {"words": (1, 3)}),
            (r"tile=\(-4,\) and words=\(-3,\) must be positive", {"tile": (-4,), "words": (-3,)}),
            ("a tile has 24 bits, its words have 32", {"words": (4,)}),
            ("axes='4c b6' must be letters with sizes", {"axes": "4c b6"}),
            ("order='c' must have each axis once", {"order": "c"}),
            ("order='c c' must have each axis once", {"order": "c c"}),
            ("order='c b' must have each axis once", {"axes": "c4 c6"}),
            (r"axes='c2 b6' do not split the tile \(4,\), 6 bits", {"axes": "c2 b6"}),
            (r"axes='b6 c4' do not split the tile \(4,\), 6 bits", {"axes": "b6 c4"}),
            (r"axes='c4 b6 d2' do not split the tile \(4,\), 6 bits", {"axes": "c4 b6 d2", "order": "c b d"}),
        ],
    )
    def test_a_bit_layout_must_make_sense(self, match, changes):
        fields = {"name": "demo", "code_bits": 6, "tile": (4,), "axes": "c4 b6", "order": "c b"}
        fields |= {"word_bits": 8, "words": (3,), "source": "a test"}
        with pytest.raises(ValueError, match="BitLayout 'demo': " + match):
            BitLayout(**{**fields, **changes})

    def test_a_split_must_make_sense(self):
        row = formats.layout("6bit_high_first")
        with pytest.raises(ValueError, match=r"SplitLayout 'demo': its fields have the bits \[1, 2, 3, 4, 5, 6\]"):
            SplitLayout(name="demo", fields=(Field(low=1, layout=row),), source="a test")
        with pytest.raises(ValueError, match="SplitLayout 'demo': the layout of a field has no offset"):
            SplitLayout(name="demo", fields=(Field(low=0, layout=INTERLEAVED),), source="a test")
