"""Dense kernels in Pallas' interpreter against the golden product, on operands whose sums are exact in every order."""

from __future__ import annotations

import importlib
from dataclasses import replace

import jax
import ml_dtypes
import numpy as np
import pytest

import formats
from formats.products import scaled_product, scaled_products
from kernels_ref.hopper.dense import dense_matmul
from kernels_ref.hopper.dense_plan import is_dense, is_expanded
from kernels_ref.hopper.dense_variant import DenseVariant, Walk
from kernels_ref.hopper.dense_weights import pack_dense
from kernels_ref.pallas import pallas
from reference.products.arguments import expected, size
from reference.scaled_product import scaled_matmul as golden

OLD = jax.__version_info__ < (0, 11, 2)
interpreted = pytest.mark.skipif(OLD, reason="this jax has no Mosaic GPU kernels as these need them")
DENSE = [name for name in scaled_products() if is_dense(scaled_product(name))]
#: a warpgroup, a thread block: the smallest kernel; K takes more steps than there are stages
SMALL = DenseVariant(rows=64, columns=64, depth=64, stages=2, warpgroups=1, cluster=1, blocks=2)
#: what the product of 128 x 128 blocks and weights in registers allow
SMALL_BY_128 = DenseVariant(rows=64, columns=128, depth=128, stages=2, warpgroups=1, cluster=1, blocks=2)


def codes(rng, fmt, shape):
    """Any integers; of E4M3 those of at most 4, whose sums float32 holds."""
    if fmt == "int8":
        return rng.integers(0, 256, shape).astype(np.uint8)
    if fmt != "float8_e4m3fn":
        spec = formats.get(fmt)
        return (rng.integers(spec.minimum, spec.maximum + 1, shape) & ((1 << spec.bits) - 1)).astype(np.uint8)
    return rng.integers(-4, 5, shape).astype(ml_dtypes.float8_e4m3fn).view(np.uint8)


def operands(rng, product, m, n, k):
    a, w = codes(rng, product.a, (m, k)), codes(rng, product.w, (n, k))
    terms = {}
    for name, shape in expected(product, size(product, a.shape, w.shape, None)).items():
        if name == "multiplier":
            terms[name] = rng.integers(1 << 30, 1 << 31, shape).astype(np.int32)
        elif name == "shift":
            terms[name] = rng.integers(40, 46, shape).astype(np.int32)
        elif name == "group_scale" and product.group_scale == "float16":
            terms[name] = rng.uniform(0.1, 15.5, shape).astype(np.float16).view(np.uint16)
        else:
            terms[name] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return a, w, terms


def fitting(product):
    return SMALL_BY_128 if product.a_grouped or is_expanded(product) else SMALL


def both(product, m, n, k, seed=0, **options):
    a, w, terms = operands(np.random.default_rng(seed), product, m, n, k)
    want = golden(a, w, product=product, **terms)
    options = {"variant": fitting(product), **options}
    return np.asarray(dense_matmul(a, w, product=product, **terms, interpret=True, **options)), want


@interpreted
@pytest.mark.parametrize("name", DENSE)
def test_every_dense_product_equals_the_golden_one(name):
    """Ragged in M, N and K, over more tiles than thread blocks."""
    got, want = both(scaled_product(name), 70, 150, 272)
    np.testing.assert_array_equal(got, want)
    assert got.dtype == want.dtype


@interpreted
@pytest.mark.parametrize("name", ["w8a8_fp8_token", "w8a8_fp8_block128"])
def test_float32_results_show_every_rounding(name):
    """bfloat16 hides most of the roundings before it: here the order of factors and the fused addition are seen."""
    got, want = both(replace(scaled_product(name), name="wide", out="float32"), 64, 128, 256)
    np.testing.assert_array_equal(got, want)


@interpreted
@pytest.mark.parametrize(
    "variant",
    [
        DenseVariant(rows=128, columns=64, depth=64, stages=3, cluster=2, blocks=4, band=2),
        DenseVariant(rows=128, columns=128, depth=128, stages=2, warpgroups=1, cluster=1, blocks=1),
    ],
)
def test_the_layout_changes_nothing(variant):
    """Clusters that share weights, two warpgroups, one with two rows of squares; a row of tiles beyond the edge."""
    got, want = both(scaled_product("w8a8_int8"), 300, 136, 160, variant=variant)
    np.testing.assert_array_equal(got, want)


@interpreted
def test_one_token_and_pitches_that_tma_does_not_take():
    got, want = both(scaled_product("w8a8_int8"), 1, 9, 37)
    np.testing.assert_array_equal(got, want)


@interpreted
def test_packed_weights_under_jit():
    product = scaled_product("w4a8_qqq_g128")
    a, w, terms = operands(np.random.default_rng(1), product, 5, 64, 100)
    want = golden(a, w, product=product, **terms)
    options = {"product": product, "variant": SMALL_BY_128, "interpret": True}
    packed = pack_dense(w, product=product, group_scale=terms.pop("group_scale"))
    got = jax.jit(lambda a, w, terms: dense_matmul(a, w, **terms, **options))(a, packed, terms)
    np.testing.assert_array_equal(np.asarray(got), want)


@interpreted
@pytest.mark.parametrize("shape", [(0, 8), (8, 0)])
def test_no_results(shape):
    got, want = both(scaled_product("w8a8_fp8_tensor"), *shape, 32)
    assert got.shape == want.shape == shape


class TestPlantedFaults:
    """What would be wrong is seen in the results."""

    @interpreted
    def test_factors_in_the_other_order(self):
        product = replace(scaled_product("w8a8_int8"), name="wide", out="float32")
        a, w, terms = operands(np.random.default_rng(0), product, 64, 64, 32)
        turned = replace(product, epilogue=product.epilogue[::-1])
        got = dense_matmul(a, w, product=turned, **terms, variant=SMALL, interpret=True)
        assert (np.asarray(got) != golden(a, w, product=product, **terms)).mean() > 0.1

    @interpreted
    def test_two_roundings_in_place_of_one(self, monkeypatch):
        from kernels_ref.hopper import dense_block

        class Separate:
            """A barrier keeps the product from the sum."""

            def __getattr__(self, name):
                return getattr(jax.lax, name)

            def broadcast_in_dim(self, *arguments):
                return _Rounded(jax.lax.broadcast_in_dim(*arguments))

        monkeypatch.setattr(dense_block, "lax", Separate())
        product = replace(scaled_product("w8a8_fp8_block128"), name="twice", out="float32")
        got, want = both(product, 64, 128, 256)
        assert 0.01 < (got != want).mean() < 0.9

    @interpreted
    def test_a_step_of_k_that_is_missing(self, monkeypatch):
        right = Walk.over
        monkeypatch.setattr(Walk, "over", staticmethod(lambda m, n, k, v: right(m, n, k - v.depth, v)))
        got, want = both(replace(scaled_product("w8a8_int8"), name="short"), 64, 64, 256)
        assert (got != want).mean() > 0.9


class _Rounded:
    def __init__(self, scale):
        self.scale = scale

    def __rmul__(self, d):
        return jax.lax.optimization_barrier(d * self.scale)


class TestRefusals:
    def call(self, name="w8a8_int8", shape=(2, 3, 32), **changes):
        product = scaled_product(name)
        a, w, terms = operands(np.random.default_rng(0), product, *shape)
        given = {"a": a, "w": w, "product": name, **terms, **changes}
        return dense_matmul(given.pop("a"), given.pop("w"), interpret=True, **given)

    @interpreted
    def test_products_without_a_dense_kernel(self):
        with pytest.raises(
            ValueError, match=r"w4a16_g128 has no dense kernel; those with one: w4a8_qqq_channel, w4a8_qqq_g128,"
        ):
            dense_matmul([[0]], [[0]], product="w4a16_g128")

    @interpreted
    def test_terms(self):
        with pytest.raises(TypeError, match=r"w8a8_int8 needs weight_scale, of shape \(3,\)"):
            self.call(weight_scale=None)
        with pytest.raises(TypeError, match=r"shift means nothing for w8a8_int8"):
            self.call(shift=np.zeros(3, np.int32))
        with pytest.raises(ValueError, match=r"token_scale has shape \(3,\); w8a8_int8 takes \(2,\)"):
            self.call(token_scale=np.ones(3, np.float32))

    @interpreted
    def test_operands(self):
        with pytest.raises(TypeError, match="a must hold codes of int8, integers, not float32"):
            self.call(a=np.zeros((2, 32), np.float32))
        with pytest.raises(TypeError, match="a holds uint8 codes of int8, not int8"):
            self.call(a=np.zeros((2, 32), np.int8))
        with pytest.raises(ValueError, match="a has K=16 columns and w 32"):
            self.call(a=np.zeros((2, 16), np.uint8))
        with pytest.raises(TypeError, match="w8a8_int8 takes codes of weights, not packed ones"):
            self.call(w=pack_dense(np.zeros((3, 32), np.uint8), product="ternary_int8"))

    @interpreted
    def test_scales_are_packed_once(self):
        scale = np.zeros((3, 1), np.uint16)
        packed = pack_dense(np.zeros((3, 32), np.uint8), product="w4a8_qqq_g128", group_scale=scale)
        with pytest.raises(TypeError, match="group_scale was packed with the weights"):
            self.call("w4a8_qqq_g128", w=packed, group_scale=scale)

    @interpreted
    def test_layouts_that_a_product_does_not_allow(self):
        with pytest.raises(ValueError, match="w8a8_fp8_block128 needs depth=128 and columns=128"):
            self.call("w8a8_fp8_block128", variant=DenseVariant())
        with pytest.raises(ValueError, match="rows=256 leave no registers for the sums of w8a8_fp8_block128; use 128"):
            self.call("w8a8_fp8_block128", variant=DenseVariant(rows=256, columns=128))
        with pytest.raises(ValueError, match="w4a8_qqq_channel needs rows=128 and depth=128; not"):
            self.call("w4a8_qqq_channel", variant=DenseVariant(depth=64))

    @pytest.mark.skipif(not OLD, reason="this jax has Mosaic GPU kernels")
    def test_an_old_jax_is_told_what_is_needed(self):
        with pytest.raises(ImportError, match=r"need jax >= 0\.11\.2"):
            dense_matmul([[0]], [[0]], product="w8a8_int8")


class TestRaces:
    """The interpreter's race detector on the buffers of results; what wgmma reads it does not see."""

    def races(self, monkeypatch, columns):
        from kernels_ref.hopper import dense, dense_kernel

        plgpu, _ = pallas()
        dense._compiled.cache_clear()
        monkeypatch.setattr(dense_kernel, "interpreter", lambda _: plgpu.InterpretGPUParams(detect_races=True))
        variant = replace(SMALL, columns=columns, blocks=1)
        run = importlib.import_module("jax._src.pallas.mosaic_gpu.interpret.interpret_pallas_call")
        try:
            got, want = both(scaled_product("w8a8_int8"), 128, 2 * columns, 128, variant=variant)
        except jax.errors.JaxRuntimeError as error:  # jax 0.12 stops at a race
            run.reset_gpu_interpret_mode_state()
            if "RACE DETECTED" not in str(error):
                raise
            return True
        finally:
            dense._compiled.cache_clear()
        np.testing.assert_array_equal(got, want)
        return run.get_races().races_found

    @interpreted
    @pytest.mark.parametrize("columns", [64, 128])
    def test_buffers_are_free_before_they_are_written(self, monkeypatch, columns):
        """One square for each tile, then two."""
        assert not self.races(monkeypatch, columns)

    @interpreted
    def test_a_buffer_that_is_still_read_is_noticed(self, monkeypatch):
        plgpu, _ = pallas()
        wait = plgpu.wait_smem_to_gmem
        monkeypatch.setattr(plgpu, "wait_smem_to_gmem", lambda n, **read: wait(n + len(read), **read))
        assert self.races(monkeypatch, 64)
