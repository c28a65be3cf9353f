"""Parts of the dense kernels without a kernel: layouts and tiles, packed weights, the requantiser of the epilogue."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import formats
from formats.products import StreamK, scaled_product
from kernels_ref.hopper import dense_epilogue
from kernels_ref.hopper.dense import default_variant
from kernels_ref.hopper.dense_epilogue import high_word, moves, rescaled
from kernels_ref.hopper.dense_plan import Plan
from kernels_ref.hopper.dense_variant import DenseVariant, Walk
from kernels_ref.hopper.dense_weights import block_index, blocks, dense_weights, pack_dense
from kernels_ref.hopper.packed import pack_weights
from reference.integer.requantise import requantise

OLD = jax.__version_info__ < (0, 11, 2)
rescale = jax.jit(lambda x, multiplier, shift: rescaled(x, multiplier, moves(shift)))


def nearest(x, multiplier, shift):
    """``x multiplier / 2^shift``, halves away from zero, saturated: from integers of any size."""
    product = abs(int(x)) * int(multiplier)
    y = (2 * product + (1 << int(shift))) >> (int(shift) + 1)
    return max(-128, min(127, -y if x < 0 else y))


def check(x, multiplier, shift):
    x, multiplier, shift = (np.asarray(each, np.int32) for each in np.broadcast_arrays(x, multiplier, shift))
    got = np.asarray(rescale(x, multiplier, shift))
    want = [nearest(*each) for each in zip(x.flat, multiplier.flat, shift.flat, strict=True)]
    np.testing.assert_array_equal(got.ravel(), np.array(want, np.int8))


def accumulators(multiplier, shift):
    """Around each half between two results, and the ends."""
    halves = np.arange(-129, 129)[:, None] + 0.5
    near = halves * 2.0**shift / multiplier
    near = (np.floor(near)[..., None] + np.arange(-1, 3)).reshape(-1, shift.size)
    ends = np.array([-(2**31), 2**31 - 1, 0, 1, -1])[:, None] + np.zeros(shift.size)
    return np.clip(np.concatenate([near, ends]), -(2**31), 2**31 - 1).astype(np.int64).astype(np.int32)


def test_every_shift_around_every_half():
    shift = np.arange(63)
    for multiplier in (1 << 30, (1 << 31) - 1, 3 << 29, 0x5A5A5A5A):
        x = accumulators(float(multiplier), shift)
        check(x, multiplier, shift[None])


@given(st.integers(-(2**31), 2**31 - 1), st.integers(1 << 30, (1 << 31) - 1), st.integers(0, 62))
def test_any_ratio(x, multiplier, shift):
    check([x], multiplier, shift)


def test_it_is_the_golden_requantiser():
    rng = np.random.default_rng(0)
    x, shift = rng.integers(-(1 << 20), 1 << 20, (64, 40), np.int32), rng.integers(33, 62, 40)
    multiplier = rng.integers(1 << 30, 1 << 31, 40)
    ratios = np.ldexp(multiplier.astype(np.float64), -shift).tolist()
    want = requantise(x, ratios, rule="hawq_v3_tvm", fmt="int8")
    got = rescale(x, multiplier[None].astype(np.int32), shift[None].astype(np.int32))
    np.testing.assert_array_equal(np.asarray(got), want)


def test_upper_words():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.integers(0, 1 << 31, 999), [1 << 31, 0]])
    y = np.concatenate([rng.integers(0, 1 << 31, 999), [(1 << 31) - 1, 5]])
    got = jax.jit(high_word)(x.astype(np.uint32).view(np.int32), y.astype(np.int32))
    np.testing.assert_array_equal(np.asarray(got), [int(a) * int(b) >> 32 for a, b in zip(x, y, strict=True)])


def test_halves_towards_zero_are_noticed(monkeypatch):
    monkeypatch.setattr(dense_epilogue, "high_word", lambda x, y: high_word(x, y) - 1)
    wrong = jax.jit(lambda x, m, s: rescaled(x, m, moves(s)))
    x = accumulators(float(1 << 30), np.arange(36, 50))
    shift = np.broadcast_to(np.arange(36, 50, dtype=np.int32), x.shape)
    want = [nearest(a, 1 << 30, s) for a, s in zip(x.flat, shift.flat, strict=True)]
    assert (np.asarray(wrong(x, np.full_like(x, 1 << 30), shift)).ravel() != want).any()


class TestPackedWeights:
    @pytest.mark.parametrize("name", ["w4a8_qqq_channel", "w4a8_qqq_g128", "ternary_int8"])
    def test_each_block_is_where_its_index_says(self, name):
        """A block of the whole is the only block of its own."""
        product = scaled_product(name)
        spec = formats.get(product.w)
        codes = np.random.default_rng(0).integers(0, 3, (300, 520)).astype(np.uint8) & ((1 << spec.bits) - 1)
        codes = np.where(codes == 2, (1 << spec.bits) - 1, codes).astype(np.uint8)

        def words(w):
            scale = (
                {} if product.group is None else {"group_scale": np.zeros((len(w), -(-w.shape[1] // 128)), np.uint16)}
            )
            return np.asarray(blocks(pack_dense(w, product=product, **scale).words, product))

        whole = words(codes)
        for row, step in ((0, 0), (64, 3), (128, 1), (192, 2), (256, 4)):
            part = np.zeros((64, 128), np.uint8)
            there = codes[row : row + 64, 128 * step : 128 * (step + 1)]
            part[: there.shape[0], : there.shape[1]] = there
            np.testing.assert_array_equal(whole[block_index(row, step, 520)], words(part)[0])

    def test_weights_for_streaming_are_shared(self):
        rng = np.random.default_rng(0)
        w, scale = rng.integers(0, 8, (150, 400)).astype(np.uint8), rng.uniform(1, 9, (150, 4)).astype(np.float16)
        terms = {"product": "w4a8_qqq_g128", "group_scale": scale.view(np.uint16)}
        packed = pack_weights(w, weight_scale=np.ones(150, np.float32), **terms, split=StreamK())
        own = pack_dense(w, **terms)
        shared = dense_weights(packed)
        assert shared.words is packed.words
        assert (shared.n, shared.k) == (150, 400)
        np.testing.assert_array_equal(np.asarray(shared.words), np.asarray(own.words))
        np.testing.assert_array_equal(np.asarray(shared.scales)[:4, :150], scale.view(np.uint16).T)
        assert shared.scales.dtype == own.scales.dtype

    def test_weights_of_other_units_are_not(self):
        packed = pack_weights(
            np.zeros((3, 8), np.uint8), product="ternary_int8", tensor_scale=1.0, split=StreamK(rows=64)
        )
        with pytest.raises(ValueError, match="has other units than the dense kernel: 128 rows, 256 of K"):
            dense_weights(packed)

    def test_sizes_are_kept(self):
        packed = pack_dense(np.zeros((5, 7), np.uint8), product="w4a8_qqq_channel")
        leaves, tree = jax.tree.flatten(packed)
        assert (packed.n, packed.k, len(leaves)) == (5, 7, 1)
        assert jax.tree.unflatten(tree, leaves).k == 7

    def test_refusals(self):
        with pytest.raises(TypeError, match=r"w has dtype int8 and shape \(2, 2\); it takes uint8 codes \(N, K\)"):
            pack_dense(np.zeros((2, 2), np.int8), product="w4a8_qqq_channel")
        with pytest.raises(ValueError, match=r"w: .*16"):
            pack_dense(np.full((2, 2), 16, np.uint8), product="w4a8_qqq_channel")
        with pytest.raises(TypeError, match=r"w4a8_qqq_g128 needs group_scale, of shape \(2, 1\)"):
            pack_dense(np.zeros((2, 2), np.uint8), product="w4a8_qqq_g128")
        with pytest.raises(TypeError, match="group_scale means nothing for ternary_int8"):
            pack_dense(np.zeros((2, 2), np.uint8), product="ternary_int8", group_scale=np.zeros((2, 1), np.uint16))
        with pytest.raises(ValueError, match=r"group_scale has shape \(1, 1\); w4a8_qqq_g128 takes \(2, 1\)"):
            pack_dense(np.zeros((2, 2), np.uint8), product="w4a8_qqq_g128", group_scale=np.zeros((1, 1), np.uint16))
        scale = np.full((1, 1), 19, np.float16).view(np.uint16)
        with pytest.raises(ValueError, match=r"w\[0, 0\] is 7.0 and its scale 19.0"):
            pack_dense(np.full((1, 1), 7, np.uint8), product="w4a8_qqq_g128", group_scale=scale)
        with pytest.raises(ValueError, match="w8a8_int8 has no packed weights"):
            pack_dense(np.zeros((2, 2), np.uint8), product="w8a8_int8")
        with pytest.raises(TypeError, match="call pack_dense outside of jit"):
            jax.jit(lambda w: pack_dense(w, product="ternary_int8"))(np.zeros((2, 2), np.uint8))


class TestWalk:
    """Every tile once, by one cluster, whatever the sizes."""

    @pytest.mark.parametrize(("rows", "columns"), [(1, 1), (8192, 8192), (700, 28672), (4100, 300)])
    @pytest.mark.parametrize("variant", [DenseVariant(), DenseVariant(cluster=4, blocks=128, band=3, columns=64)])
    @pytest.mark.skipif(OLD, reason="this jax has no Mosaic GPU kernels as these need them")
    def test_every_tile_is_computed_once(self, rows, columns, variant):
        walk = Walk.over(rows, columns, 128, variant)
        clusters = np.arange(walk.clusters)
        most = -(-walk.tiles // walk.clusters)
        index, cluster, place = np.meshgrid(np.arange(most), clusters, np.arange(variant.cluster), indexing="ij")
        wanted = index < np.asarray(walk.count(clusters))[cluster]
        origin = jax.jit(jax.vmap(walk.origin))(*(x[wanted].astype(np.int32) for x in (cluster, place, index)))
        found = {(int(row), int(column)) for row, column in zip(*map(np.asarray, origin), strict=True)}
        assert len(found) == wanted.sum() == walk.tiles * variant.cluster
        covered = {(row, column) for row, column in found if row < rows and column < columns}
        assert len(covered) == -(-rows // variant.rows) * -(-columns // variant.columns)
        assert max(row for row, _ in found) < walk.filled_rows


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("rows", 96, r"rows=96 must be a multiple of 128 in \[128, 256\]"),
        ("columns", 512, r"columns=512 must be a multiple of 64 in \[64, 256\]"),
        ("depth", 32, r"depth=32 must be a multiple of 64 in \[64, 256\]"),
        ("blocks", 131, "blocks=131 must be a multiple of 2"),
        ("cluster", 3, r"cluster=3 must be one of \[1, 2, 4\]"),
        ("warpgroups", 3, r"warpgroups=3 must be one of \[1, 2\]"),
        ("stages", 1, "stages=1 must be one of"),
        ("band", 0, "band=0 must be at least 1"),
        ("rows", 256, "256 x 256 results need 256 registers a thread of 128"),
    ],
)
def test_layouts_that_there_are_not(field, value, message):
    with pytest.raises(ValueError, match=message):
        DenseVariant(**{field: value})


@pytest.mark.parametrize(
    ("name", "m", "n", "wanted"),
    [
        ("w8a8_int8", 8192, 8192, DenseVariant()),
        ("w8a8_int8", 16, 28672, DenseVariant(rows=64, columns=128, stages=6, warpgroups=1, cluster=1)),
        ("w8a8_fp8_token", 256, 4096, DenseVariant(columns=128, stages=6)),
        ("w4a8_qqq_channel", 256, 28672, DenseVariant()),
        ("w4a8_qqq_channel", 128, 28672, DenseVariant(columns=128, stages=6)),
        ("w4a8_qqq_channel", 1, 28672, DenseVariant(columns=64, stages=8)),
        ("w8a8_fp8_block128", 8192, 8192, DenseVariant(columns=128)),
        ("w8a8_fp8_block128", 1, 1, DenseVariant(rows=64, columns=128, warpgroups=1, cluster=1)),
    ],
)
def test_default_layouts_fit_the_sizes(name, m, n, wanted):
    assert default_variant(name, m, n) == wanted


def test_sums_that_int32_might_not_hold_are_refused():
    """Weights of 4 bits are expanded to 16 times what they are; requantised ones are not."""
    sizes = {"m": 8, "n": 64, "variant": DenseVariant()}
    Plan(product=scaled_product("w4a8_qqq_channel"), k=(1 << 17) - 128, **sizes)
    Plan(product=scaled_product("w4a8_qqq_g128"), k=1 << 17, **sizes)
    with pytest.raises(ValueError, match="K=131072 must be below 131072"):
        Plan(product=scaled_product("w4a8_qqq_channel"), k=1 << 17, **sizes)
