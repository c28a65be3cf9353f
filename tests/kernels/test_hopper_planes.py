"""Weights as the streaming kernel stores and decodes them: every code in every place, for every product."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rotation import rotate

import formats
import reference
from formats.products import ScaledProduct, Weight, scaled_product, scaled_products
from kernels_ref.hopper import fragments
from kernels_ref.hopper import rows as row_words
from kernels_ref.hopper.array_lanes import ArrayLanes
from kernels_ref.hopper.decoder import Decoder, decoder
from kernels_ref.hopper.expand import expand
from kernels_ref.hopper.fragments import CHUNK, ROWS, THREADS
from kernels_ref.hopper.planes import pack_planes, unpack_planes
from reference.products.weights import missing_weights, weight_table

PRODUCTS = [scaled_product(name) for name in scaled_products()]
#: one product for each way to decode
WAYS = list({decoder(product): product for product in PRODUCTS}.values())
by_name = pytest.mark.parametrize("product", WAYS, ids=lambda product: product.name)


@by_name
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), tiles=st.integers(1, 2), steps=st.integers(1, 2), warpgroups=st.integers(1, 3))
def test_packing_is_a_bijection(product, seed, tiles, steps, warpgroups):
    code, rows, depth = decoder(product), 64 * warpgroups, 128 * (1 + seed % 2)
    codes = np.random.default_rng(seed).integers(0, 1 << code.bits, (tiles * rows, steps * depth))
    words = pack_planes(codes, code, rows, depth)
    assert words.dtype == np.uint32
    assert words.size * 32 == codes.size * code.bits
    np.testing.assert_array_equal(unpack_planes(words, code, rows, depth, codes.shape), codes)


@by_name
def test_a_unit_lies_in_one_run_and_holds_its_own_codes_alone(product):
    code = decoder(product)
    codes = np.zeros((256, 512), np.uint8)
    codes[128:, 256:] = (1 << code.bits) - 1
    words = pack_planes(codes, code, 128, 256)
    assert words.shape == (4, 4 * 2 * code.bits, 128)
    assert (words[:3] == 0).all()
    assert (words[3] == 0xFFFFFFFF).all()


def test_jax_packs_as_numpy_does():
    codes = np.random.default_rng(0).integers(0, 64, (64, 128), np.uint8)
    code = decoder(scaled_product("fp6_e3m2_bf16"))
    np.testing.assert_array_equal(pack_planes(jnp.asarray(codes), code, 64, 128), pack_planes(codes, code, 64, 128))


@by_name
def test_fields_fill_a_word_and_bits_come_once(product):
    code = decoder(product)
    assert sorted(bit for plane in code.planes for bit in plane.bits) == list(range(code.bits))
    for plane in code.planes:
        kept = [(place - rotation) % plane.lane for rotation in plane.rotations for place in plane.places]
        assert sorted(kept) == list(range(plane.lane))


@pytest.mark.parametrize("bits", [8, 16])
def test_fragments_cover_a_block(bits):
    places = fragments.places(bits)
    assert places.shape == (fragments.registers(bits), THREADS, 32 // bits)
    np.testing.assert_array_equal(np.sort(places, axis=None), np.arange(ROWS * CHUNK))
    np.testing.assert_array_equal(fragments.as_block(places), np.arange(ROWS * CHUNK).reshape(ROWS, CHUNK))


def everywhere(code: Decoder):
    """Blocks in which every code comes in every place, (codes, 64, 128)."""
    place = np.arange(ROWS * CHUNK).reshape(ROWS, CHUNK)
    return (place + np.arange(1 << code.bits)[:, None, None]) % (1 << code.bits)


def decoded(product: ScaledProduct, code: Decoder, blocks, rows=()):
    """The operands that the program makes of blocks, as values."""
    bits = formats.get(product.a).bits
    words = pack_planes(blocks.reshape(-1, CHUNK), code, ROWS, CHUNK)
    own = words.reshape(len(blocks), -1, THREADS, 4).transpose(1, 3, 0, 2).reshape(-1, len(blocks), THREADS)
    registers = np.stack(expand(ArrayLanes(np), code, list(own), rows))
    lanes = registers.view(np.uint16 if bits == 16 else np.uint8).reshape(*registers.shape, -1)
    out = np.empty((len(blocks), ROWS * CHUNK), lanes.dtype)
    out[:, fragments.places(bits)] = lanes.transpose(1, 0, 2, 3)
    return reference.decode(out.reshape(blocks.shape), product.a) * 2.0**-code.exponent


def due(product: ScaledProduct, blocks, shared=0):
    return reference.decode(weight_table(product)[blocks, shared], product.a) * 2.0**product.lowered


@pytest.mark.parametrize("product", [p for p in WAYS if p.weight is Weight.DECODED], ids=lambda p: p.name)
def test_every_code_in_every_place(product):
    code = decoder(product)
    blocks = everywhere(code)
    wanted = due(product, blocks)
    there = ~np.isnan(wanted) | (product.a == product.w)  # packing refuses NaN where it is decoded
    np.testing.assert_array_equal(decoded(product, code, blocks)[there], wanted[there])


@pytest.mark.parametrize("name", scaled_products())
def test_records_declare_by_how_much_bits_that_are_only_moved_are_too_low(name):
    product = scaled_product(name)
    assert product.lowered == (-decoder(product).exponent if product.a == "float8_e4m3fn" else 0)


def numbers(product: ScaledProduct):
    """Codes of zero points or scales, and the words that rows are made with."""
    if product.weight is Weight.MINUS_ZERO_POINT:
        codes = np.arange(16)
        return codes, np.asarray(row_words.minus(product, jnp.asarray(codes))).view(np.uint32)
    spec = formats.get(product.group_scale)
    codes = np.arange(1 << spec.bits)
    codes = codes[~missing_weights(product)[:, codes].any(0)]
    if product.weight is Weight.REQUANTISED:
        return codes, codes.astype(np.uint32) * np.uint32(0x10001)
    values = reference.decode(codes.astype(np.uint8), spec).astype(np.float32)
    return codes, (values.view(np.uint32) >> np.uint32(16)) * np.uint32(0x10001)


@pytest.mark.parametrize("product", [p for p in WAYS if p.weight is not Weight.DECODED], ids=lambda p: p.name)
def test_every_code_with_every_zero_point_or_scale(product):
    code = decoder(product)
    codes, words = numbers(product)
    groups = CHUNK // (product.group or CHUNK)
    blocks = everywhere(code)
    some = rotate(range(len(codes)), max(1, len(codes) // 64))
    for i in some:
        scale = [(i + 3 * g) % len(codes) for g in range(2 * groups)]  # other numbers for rows g + 8, and by group
        rows = [tuple(np.full((1, THREADS), words[scale[2 * g + half]]) for half in range(2)) for g in range(groups)]
        lower = np.arange(ROWS) // 8 % 2
        shared = codes[scale].reshape(groups, 2)[:, lower].T.repeat(CHUNK // groups, axis=1)
        np.testing.assert_array_equal(decoded(product, code, blocks, rows), due(product, blocks, shared))


@by_name
def test_a_rotation_that_is_off_is_seen(product):
    code = decoder(product)
    planes = code.planes
    if len(planes[0].rotations) == 1:
        pytest.skip("bytes are not rotated")
    moved = replace(planes[0], rotations=(planes[0].rotations[1], planes[0].rotations[0], *planes[0].rotations[2:]))
    wrong = replace(code, planes=(moved, *planes[1:]))
    codes = np.random.default_rng(0).integers(0, 1 << code.bits, (64, 128))
    assert (unpack_planes(pack_planes(codes, code, 64, 128), wrong, 64, 128, codes.shape) != codes).any()
