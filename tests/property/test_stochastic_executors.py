"""Stochastic rounding of every bfloat16 number, any format, any count of random bits: JAX equals the golden model."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import formats
import kernels_ref
import reference
from formats import Rounding
from formats.policy import MAX_RANDOM_BITS

EVERY_BFLOAT16 = np.arange(1 << 16, dtype=np.uint16).view(jnp.bfloat16.dtype)
NARROW = [name for name in formats.names() if formats.get(name).bits <= 8]


@pytest.mark.parametrize("mode", [mode for mode in Rounding if mode.is_stochastic])
@given(fmt=st.sampled_from(NARROW), count=st.integers(1, MAX_RANDOM_BITS), seed=st.integers(0, 9))
@example(fmt="int2", count=2, seed=0)  # a tick was a carry out of 32 bits: 5e-7 became 1
@example(fmt="int8", count=MAX_RANDOM_BITS, seed=0)
@settings(max_examples=12)
def test_jax_equals_the_golden_model(mode, fmt, count, seed):
    drawn = np.random.default_rng(seed).integers(0, 1 << count, 1 << 16).astype(np.uint32)
    drawn[seed::10] = (1 << count) - 1  # the draw that rounds up what any other does
    policy = {"rounding": mode, "saturation": "sat_finite", "nan": "zero"}
    policy |= {"random_bits": drawn, "random_bit_count": count}
    golden = reference.encode(EVERY_BFLOAT16, fmt, **policy)
    np.testing.assert_array_equal(kernels_ref.encode(EVERY_BFLOAT16, fmt, **policy), golden)
