"""The kernel that streams weights, interpreted on the CPU: golden bits where every order of sums agrees."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rotation import rotate

import formats
import reference
from formats.products import Factor, StreamK, Weight, scaled_product, scaled_products
from kernels_ref.hopper import Variant, pack_weights, scaled_matmul, streamed
from kernels_ref.pallas import is_available
from reference.scaled_product import scaled_matmul as golden

needs_pallas = pytest.mark.skipif(not is_available(), reason="Mosaic GPU kernels need jax >= 0.11.2")
RNE = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite"}
NAMES = scaled_products()


def encoded(values, name):
    return reference.encode(np.asarray(values, np.float64), name, **RNE)


def exact_operands(name, m, n, k, seed=0):
    """Few and small activations and scales that are powers of two: no sum is ever rounded or cut."""
    rng, product = np.random.default_rng(seed), scaled_product(name)
    groups = -(-k // product.group) if product.group else 1
    w = rng.integers(0, 1 << formats.get(product.w).bits, (n, k)).astype(np.uint8)
    if product.w == "float8_e4m3fn":
        w = encoded(rng.choice([-2.0, -0.5, 0.0, 1.0, 1.5], (n, k)), product.w)
    few = 1.0 if product.a == "int8" else 1 / 16
    a = encoded(np.where(rng.random((m, k)) < few, rng.integers(-2, 3, (m, k)), 0), product.a)
    given = {}
    if product.group_scale is not None:
        exponents = rng.integers(-1, 2, (-(-n // product.weight_rows), groups))
        values = 2.0**exponents
        if product.weight is Weight.REQUANTISED:
            values = rng.uniform(0.1, 15.8, values.shape)
        given["group_scale"] = (
            values.astype(np.float32) if product.group_scale == "float32" else encoded(values, product.group_scale)
        )
    if product.weight is Weight.MINUS_ZERO_POINT:
        given["zero_point"] = rng.integers(0, 16, (n, groups)).astype(np.uint8)
    if product.a_grouped:
        given["a_scale"] = (2.0 ** rng.integers(-1, 2, (m, groups))).astype(np.float32)
    shapes = {Factor.WEIGHT_SCALE: (n,), Factor.TOKEN_SCALE: (m,), Factor.TENSOR_SCALE: ()}
    given |= {f.value: rng.uniform(0.5, 2, shapes[f]).astype(np.float32) for f in product.epilogue}
    if product.requantiser is not None:
        given |= {"multiplier": rng.integers(1 << 30, (1 << 31) - 1, n), "shift": rng.integers(36, 41, n)}
    return a, w, given


def check(name, shape, split, **options):
    a, w, given = exact_operands(name, *shape)
    got = np.asarray(scaled_matmul(a, w, product=name, **given, split=split, interpret=True, **options))
    want = golden(a, w, product=name, **given, split=split)
    np.testing.assert_array_equal(got, want)
    assert got.dtype == want.dtype


@needs_pallas
@pytest.mark.parametrize("name", rotate(NAMES, 8))
def test_products_with_parts_and_ragged_edges(name):
    split = StreamK(rows=128, depth=256, blocks=4)
    assert any(len(cuts) > 2 for cuts in split.cuts(200, 640))
    check(name, (5, 200, 640), split)


@needs_pallas
@pytest.mark.parametrize("name", rotate(NAMES, 12))
def test_products_whose_tiles_are_whole_are_finished_in_the_kernel(name):
    check(name, (8, 130, 256), StreamK(rows=128, depth=256, blocks=2))


@needs_pallas
@pytest.mark.parametrize("name", rotate([name for name in NAMES if scaled_product(name).weight_rows == 1], 12))
@pytest.mark.parametrize("m", [5, 17])
def test_four_warpgroups_have_a_tile_of_whole_k(name, m):
    check(name, (m, 300, 256), StreamK(rows=256, depth=256, blocks=67))


@needs_pallas
def test_other_tiles_and_several_passes():
    split = StreamK(rows=64, depth=128, blocks=2)
    check("w4a8_qqq_channel", (17, 128, 128), split, variant=Variant(tokens=8, stages=1))


@needs_pallas
def test_chains_under_way_together_are_folded_in_order():
    split = StreamK(rows=64, depth=256, blocks=1)
    check("w4a16_g128", (8, 64, 256), split, variant=Variant(flight=2))
    check("nvfp4_e4m3", (8, 64, 256), split, variant=Variant(sums=8))


@needs_pallas
def test_packed_weights_go_through_jit_and_take_operands_of_their_dtype():
    a, w, given = exact_operands("w8a8_int8", 3, 64, 128)
    split = StreamK(rows=64, depth=128, blocks=1)
    token = given.pop("token_scale")
    packed = jax.jit(lambda w, s: pack_weights(w, product="w8a8_int8", weight_scale=s, split=split))(
        jnp.asarray(w), jnp.asarray(given["weight_scale"])
    )
    got = streamed(packed, jnp.asarray(a.view(np.int8)), token_scale=token, interpret=True)
    want = golden(a, w, product="w8a8_int8", token_scale=token, **given, split=split)
    np.testing.assert_array_equal(np.asarray(got), want)


@needs_pallas
def test_no_tokens_make_an_empty_result():
    packed = pack_weights(np.zeros((64, 128), np.uint8), product="ternary_bf16", tensor_scale=np.float32(1))
    assert streamed(packed, np.zeros((0, 128), np.uint16), interpret=True).shape == (0, 64)


@needs_pallas
class TestRefusals:
    w = np.zeros((128, 256), np.uint8)

    def test_a_split_that_the_kernel_does_not_have(self):
        with pytest.raises(
            ValueError, match=r"split\.rows=96 must be 64, 128, 192, 256, or 384 with at most 66 blocks"
        ):
            pack_weights(self.w, product="ternary_bf16", tensor_scale=np.float32(1), split=StreamK(rows=96))
        with pytest.raises(ValueError, match=r"split\.rows=384 must be .* at most 66 blocks"):
            pack_weights(self.w, product="ternary_bf16", tensor_scale=np.float32(1), split=StreamK(rows=384))
        with pytest.raises(ValueError, match="depth that is a multiple of 128"):
            pack_weights(self.w, product="ternary_bf16", tensor_scale=np.float32(1), split=StreamK(depth=64))

    def test_scales_that_the_unit_of_integers_does_not_leave_room_for(self):
        scale = np.full((128, 2), 0x7C80, np.uint16)  # 2^122
        with pytest.raises(ValueError, match=r"group_scale\[0, 0\] is 5\.3.*e\+36; w4a16_g128 takes less than 2\^122"):
            pack_weights(self.w, product="w4a16_g128", group_scale=scale)
        assert pack_weights(self.w, product="w4a16_g128", group_scale=scale - 1).scales is not None

    def test_nan_among_weights_that_are_decoded(self):
        w = self.w.copy()
        w[3, 5] = 0xFF
        scale = np.full((128, 8), 127, np.uint8)
        with pytest.raises(ValueError, match=r"w\[3, 5\] is NaN; mxfp8_bf16 decodes weights to numbers"):
            pack_weights(w, product="mxfp8_bf16", group_scale=scale)

    def test_k_at_which_integers_overflow(self):
        w = np.zeros((1, 1 << 17), np.uint8)
        with pytest.raises(ValueError, match="K=131072 must be below 131072: sums of ternary_int8 are kept in the top"):
            pack_weights(w, product="ternary_int8", tensor_scale=np.float32(1))

    def test_arguments_that_are_missing_or_mean_nothing(self):
        packed = pack_weights(self.w, product="ternary_bf16", tensor_scale=np.float32(1))
        a = np.zeros((1, 256), np.uint16)
        with pytest.raises(TypeError, match="ternary_bf16 takes no token_scale"):
            streamed(packed, a, token_scale=np.ones(1, np.float32), interpret=True)
        with pytest.raises(TypeError, match="w4a16_g128 needs group_scale"):
            pack_weights(self.w, product="w4a16_g128")

    def test_shapes(self):
        packed = pack_weights(self.w, product="ternary_bf16", tensor_scale=np.float32(1))
        with pytest.raises(ValueError, match=r"a has shape \(1, 128\); the weights need \(M, 256\)"):
            streamed(packed, np.zeros((1, 128), np.uint16), interpret=True)

    @pytest.mark.parametrize("wrong", [{"join": "atomics"}, {"stages": 0}, {"tokens": 12}, {"tokens": 512}])
    def test_variants(self, wrong):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}="):
            Variant(**wrong)


@pytest.mark.skipif(is_available(), reason="this jax has Mosaic GPU kernels")
def test_an_old_jax_is_told_what_is_needed():
    packed = pack_weights(np.zeros((128, 256), np.uint8), product="ternary_bf16", tensor_scale=np.float32(1))
    with pytest.raises(ImportError, match=r"need jax >= 0\.11\.2"):
        streamed(packed, np.zeros((1, 256), np.uint16), interpret=True)
