"""Hopper's FP8 product by the Mosaic kernel's program: run on NumPy lanes, and compiled for an H100."""

from __future__ import annotations

import described_gpu
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hardware_matmul import PAIRS, codes, name_of

import formats
from kernels_ref.mosaic_matmul import Variant, layout, matmul
from kernels_ref.mosaic_matmul.kernel import kernel
from kernels_ref.mosaic_matmul.numpy_lanes import NumpyLanes
from kernels_ref.mosaic_matmul.operands import from_tiles, to_tiles
from kernels_ref.mosaic_matmul.step import NARROW, WIDE
from reference.matmul import matmul as golden

OLD = jax.__version_info__ < (0, 11, 2)


def words_of_c(rng, shape):
    """float32 words of 24 bits over 70 binades, both zeros among them."""
    c = rng.standard_normal(shape) * 2.0 ** rng.integers(-45, 25, shape)
    return np.where(rng.random(shape) < 0.2, np.copysign(0, c), c).astype(np.float32).view(np.uint32)


def check(a, b, c, pair, **options):
    got = np.asarray(matmul(a, b, c, accumulator=name_of(pair), interpret=True, **options))
    want = golden(a, b, c, accumulator=name_of(pair))
    np.testing.assert_array_equal(got, want)
    assert got.dtype == np.uint32


@pytest.mark.parametrize("family", ["any", "near one", "tiny", "zeros and extremes", "cancelling"])
@pytest.mark.parametrize("pair", PAIRS)
def test_chains_equal_the_golden_model(pair, family):
    rng = np.random.default_rng(len(family))
    a, b = codes(rng, (64, 64), pair[0], family), codes(rng, (64, 128), pair[1], family)
    check(a, b, words_of_c(rng, (64, 128)), pair)


@pytest.mark.parametrize("pair", PAIRS)
def test_any_code_and_any_c(pair):
    rng = np.random.default_rng(1)
    a = np.where(rng.random((64, 32)) < 0.97, codes(rng, (64, 32), pair[0], "any"), rng.integers(0, 256, (64, 32)))
    b = np.where(rng.random((32, 128)) < 0.99, codes(rng, (32, 128), pair[1], "any"), rng.integers(0, 256, (32, 128)))
    c = rng.integers(0, 1 << 32, (64, 128), dtype=np.uint64).astype(np.uint32)
    c[::7] = rng.choice(
        np.uint32([0x7F800000, 0xFF800000, 0x7FC00001, 0x80000000, 1, 0x807FFFFF, 0x7F7FFFFF]), c[::7].shape
    )
    check(a.astype(np.uint8), b.astype(np.uint8), c, pair)


@pytest.mark.parametrize("pair", [("e4m3", "e4m3"), ("e5m2", "e5m2")])
def test_infinities_and_nothing_but_zeros(pair):
    a, b = np.zeros((64, 32), np.uint8), np.full((32, 128), 0x80, np.uint8)
    a[3, 5], a[9, 6], a[10, 7], a[11, 8] = 0x7C, 0xFC, 0x7F, 0xFF
    b[5, 64:], b[6, ::2], b[7, 3], b[31, 7] = 0x3C, 0xBC, 0x7C, 0xFC
    c = np.random.default_rng(0).integers(0, 1 << 32, (64, 128), dtype=np.uint64).astype(np.uint32)
    check(a, b, c, pair)
    check(a, b, None, pair)


@pytest.mark.parametrize("shape", [(1, 32, 1), (65, 32, 3), (2, 64, 129)])
def test_ragged_shapes(shape):
    rng = np.random.default_rng(0)
    m, k, n = shape
    check(codes(rng, (m, k), "e4m3", "any"), codes(rng, (k, n), "e4m3", "any"), words_of_c(rng, (m, n)), PAIRS[0])


@pytest.mark.parametrize("unroll", [1, 32])
def test_variants_change_nothing(unroll):
    rng = np.random.default_rng(0)
    a, b = codes(rng, (64, 64), "e4m3", "any"), codes(rng, (64, 128), "e4m3", "any")
    check(a, b, None, PAIRS[0], variant=Variant(unroll=unroll))


def test_a_wrong_program_is_noticed(monkeypatch):
    """Without the stretch of C, negative C are cut away from zero."""
    from kernels_ref.mosaic_matmul import step

    monkeypatch.setattr(step, "STRETCH", 0x3F800000)
    rng = np.random.default_rng(0)
    a, b = codes(rng, (64, 64), "e4m3", "near one"), codes(rng, (64, 128), "e4m3", "near one")
    with pytest.raises(AssertionError, match="Arrays are not equal"):
        check(a, b, None, PAIRS[0])


def test_tiles_are_the_fragments_of_mma():
    """Thread 4 g + t of warp w holds rows 8 i + g and columns 32 w + 8 j + 2 t + p in register 8 i + 2 j + p."""
    matrix = jnp.arange(128.0 * 256).reshape(128, 256)
    tiles = np.asarray(to_tiles(matrix))
    np.testing.assert_array_equal(np.asarray(from_tiles(jnp.asarray(tiles))), matrix)
    i, j, p, w, g, t = 5, 2, 1, 3, 6, 1
    register, thread = 8 * i + 2 * j + p, 32 * w + 4 * g + t
    at = (register // 4 * layout.THREADS + thread) * 4 + register % 4
    assert tiles[1, 1, at] == matrix[64 + 8 * i + g, 128 + 32 * w + 8 * j + 2 * t + p]


def test_a_sum_that_leaves_its_binade_is_refused():
    lanes = NumpyLanes()
    one = np.ones(layout.THREADS, np.float32)
    with pytest.raises(ArithmeticError, match="a sum left its binade"):
        lanes.fma_down(one, one, one)


class TestRefusals:
    def test_other_accumulators(self):
        with pytest.raises(ValueError, match=r"ada\.mma.*: the kernel sums as hopper\.wgmma\.k32\.f32"):
            matmul([[0]], [[0]], accumulator="ada.mma.m16n8k32.f32.e4m3.e4m3", interpret=True)

    def test_shapes(self):
        a = np.zeros((64, 48), np.uint8)
        with pytest.raises(ValueError, match="K=48 must be a multiple of 32"):
            matmul(a, a.T, accumulator=name_of(("e4m3", "e4m3")), interpret=True)
        with pytest.raises(ValueError, match=r"a \(64, 48\) and b \(64, 48\) must be \(M, K\) and \(K, N\)"):
            matmul(a, a, accumulator=name_of(("e4m3", "e4m3")), interpret=True)
        a, c = np.zeros((64, 32), np.uint8), np.zeros((64, 32), np.uint32)
        with pytest.raises(ValueError, match=r"c \(64, 32\) must be \(M, N\) = \(64, 64\)"):
            matmul(a, a.T, c, accumulator=name_of(("e4m3", "e4m3")), interpret=True)

    def test_dtypes(self):
        a = np.zeros((64, 32), np.uint8)
        with pytest.raises(TypeError, match="a has dtype float32; it takes uint8 codes"):
            matmul(a.astype(np.float32), a.T, accumulator=name_of(("e4m3", "e4m3")), interpret=True)

    @pytest.mark.skipif(not OLD, reason="this jax has Mosaic GPU kernels")
    def test_an_old_jax_is_told_what_is_needed(self):
        a = np.zeros((64, 32), np.uint8)
        with pytest.raises(ImportError, match=r"need jax >= 0\.11\.2"):
            matmul(a, a.T, accumulator=name_of(("e4m3", "e4m3")))


@pytest.mark.parametrize(("weights", "variant"), [(NARROW, Variant()), (NARROW, Variant(stages=3)), (WIDE, Variant())])
def test_it_compiles_for_the_h100(weights, variant):
    sharding = described_gpu.h100()
    words = [(2, 4, lines, layout.LINE) for lines in (layout.A_LINES, layout.B_LINES)]
    shapes = [(words[0], jnp.int32), (words[1], jnp.int32), ((2, 2, 64 * 128), jnp.float32)]
    operands = [jax.ShapeDtypeStruct(shape, dtype, sharding=sharding) for shape, dtype in shapes]
    run = kernel(2, 2, 4, weights, variant)
    assert jax.jit(run, out_shardings=sharding).trace(*operands).lower().compile() is not None


def test_the_format_names_are_those_of_the_registry():
    found = formats.accumulator(name_of(("e4m3", "e5m2")))
    assert (found.a.name, found.b.name) == ("float8_e4m3fn", "float8_e5m2")
