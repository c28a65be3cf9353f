"""Quotients stay exact where the processor's are not: GPUs divide to 2 units in the last place."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.operations import Operation
from kernels_ref import block_binary32 as binary32

NUMBERS = st.integers(0x00800000, 0x7F7FFFFF)  # patterns of positive normal numbers


def quotients(a, b):
    return np.asarray(binary32.calculate(Operation.DIV, jnp.asarray(a), jnp.asarray(b)))


def due(a, b):
    with np.errstate(all="ignore"):
        return (a.view(np.float32) / b.view(np.float32)).view(np.int32)


@pytest.fixture(params=[-2, -1, 0, 1, 2])
def units(request, monkeypatch):
    """A processor whose quotients are so many units off."""

    def nearly(x, y):
        return binary32.number_of(binary32.bits_of(x / y) + request.param)

    monkeypatch.setattr(binary32, "nearly", nearly)
    return request.param


def test_quotients_are_exact_whatever_the_processor_loses(units):
    rng = np.random.default_rng(units + 2)
    a, b = (rng.integers(0x00800000, 0x7F800000, 1 << 16).astype(np.int32) for _ in range(2))
    np.testing.assert_array_equal(quotients(a, b), due(a, b))


def test_significands_next_to_each_other(units):
    significand = np.concatenate([np.arange(64), (1 << 23) - 1 - np.arange(64)]).astype(np.int32) | (127 << 23)
    a, b = (np.ascontiguousarray(x) for x in np.broadcast_arrays(significand[:, None], significand))
    np.testing.assert_array_equal(quotients(a, b), due(a, b))


@given(st.lists(NUMBERS, min_size=8, max_size=8), st.lists(NUMBERS, min_size=8, max_size=8))
def test_a_processor_off_by_more_is_noticed(a, b):
    """The correction reaches two units and no more: the check can fail."""
    x, y = (np.array(v, np.int32) for v in (a, b))
    original = binary32.nearly
    try:
        binary32.nearly = lambda p, q: binary32.number_of(binary32.bits_of(p / q) + 5)
        wrong = quotients(x, y)
    finally:
        binary32.nearly = original
    finite = (due(x, y) >= 0x00800000) & (due(x, y) < 0x7F7FFFF0)
    assert (wrong != due(x, y))[finite].all()


def test_divided_is_division():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 4096), dtype=np.float32)
    np.testing.assert_array_equal(np.asarray(binary32.divided(jnp.asarray(a), jnp.asarray(b))), a / b)
