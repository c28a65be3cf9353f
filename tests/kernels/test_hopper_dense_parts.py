"""Parts of the dense kernels without a kernel: INT4 weights in registers, and the requantiser of its epilogue."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels_ref.hopper import dense_epilogue
from kernels_ref.hopper.dense_epilogue import high_word, moves, rescaled
from kernels_ref.hopper.dense_int4 import RUN, _in_order, pack_dense_int4, registers
from reference.integer.requantise import requantise

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


def fragment(word_of_lane, codes):
    """What a warp's registers must hold for a run: PTX, wgmma, layout of A for 8-bit types.

    Thread ``4 g + t`` has in register ``2 i`` of its rows ``g``, byte ``b``, column ``16 i + 4 t + b``.
    """
    for lane in range(32):
        row, t = divmod(lane, 4)
        for i, made in enumerate(registers(word_of_lane(row, t))):
            held = np.array([made], np.uint32).view(np.int8)
            np.testing.assert_array_equal(held, 16 * codes[row, 16 * i + 4 * t + np.arange(4)])


@pytest.mark.parametrize("run", [0, 1, 3])
def test_registers_hold_the_operand_of_wgmma(run):
    """A thread is given word ``t`` of its row's run, as ldmatrix hands out rows of 16 bytes."""
    rng = np.random.default_rng(run)
    w = rng.integers(0, 16, (8, 4 * RUN)).astype(np.uint8)
    signed = (w.astype(np.int8) ^ 8) - 8
    words = np.asarray(pack_dense_int4(w)).reshape(8, -1, 16).view(np.uint32)
    fragment(lambda row, t: words[row, run, t], signed[:, RUN * run : RUN * (run + 1)])


def test_every_pair_of_codes_keeps_its_halves_apart():
    bytes_ = np.arange(256, dtype=np.uint8)
    low, high = registers(bytes_.view(np.uint32))
    signed = (np.arange(16) ^ 8) - 8
    np.testing.assert_array_equal(low.astype(np.uint32).view(np.int8), 16 * signed[bytes_ & 15])
    np.testing.assert_array_equal(high.astype(np.uint32).view(np.int8), 16 * signed[bytes_ >> 4])


@pytest.mark.parametrize("k", [1, 31, 32, 100])
def test_packed_weights_come_back_in_order(k):
    """As the interpreter has them: 4-bit elements, the low half of a byte first."""
    w = np.random.default_rng(0).integers(0, 16, (3, k)).astype(np.uint8)
    packed = np.asarray(pack_dense_int4(w))
    elements = jnp.stack([packed & 15, packed >> 4], -1).reshape(3, -1)
    back = np.asarray(_in_order((elements.astype(jnp.int8) ^ 8) - 8))
    assert packed.shape == (3, -(-k // RUN) * 16)
    np.testing.assert_array_equal(back[:, :k], 16 * ((w.astype(np.int8) ^ 8) - 8))
    assert not back[:, k:].any()


def test_packing_takes_codes():
    with pytest.raises(TypeError, match=r"w has dtype int8 and shape \(2, 2\); it takes uint8 codes \(N, K\)"):
        pack_dense_int4(np.zeros((2, 2), np.int8))
    with pytest.raises(TypeError, match=r"shape \(2,\)"):
        pack_dense_int4(np.zeros(2, np.uint8))
