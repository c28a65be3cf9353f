"""Convolutions of integer training: judge, NumPy and JAX agree, forward and backward."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from formats.integer_only.training import NITI_CLIPPED
from reference.array.integer import training_convolution
from reference.exact import integer_training as judge
from reference.exact import integer_training_convolution as judge_convolution
from reference.integer.training import BlockTensor, convolution, convolution_error, convolution_gradient

compiled = {
    name: jax.jit(functools.partial(getattr(training_convolution, name), xp=jnp)) for name in ("convolve", "propagate")
}


@functools.partial(jax.jit, static_argnames="size")
def weight_gradient(x, error, size):
    return training_convolution.weight_gradient(x, error, size, jnp)


def flat(pictures):
    return np.array(pictures).reshape(1, -1).tolist()


@pytest.mark.parametrize(
    ("size", "inputs", "outputs", "shape"), [(3, 2, 3, (2, 4, 5)), (1, 3, 2, (1, 2, 2)), (5, 1, 2, (1, 3, 4))]
)
def test_convolutions_equal_the_judge(size, inputs, outputs, shape):
    rng = np.random.default_rng(size)
    x, error = (rng.integers(-127, 128, (*shape, channels)).astype(np.int8) for channels in (inputs, outputs))
    weight = rng.integers(-127, 128, (outputs, size, size, inputs)).astype(np.int8)
    cases = [
        ("convolve", judge_convolution.convolve, convolution, x),
        ("propagate", judge_convolution.propagate, convolution_error, error),
    ]
    for name, exact, golden, array in cases:
        due = exact(array.tolist(), weight.tolist())
        assert compiled[name](array, weight).tolist() == due
        made = golden(BlockTensor(array, -3), BlockTensor(weight, -8))
        q, growth = judge.narrow(flat(due), NITI_CLIPPED)
        assert (flat(made.q), made.exponent) == (q, growth - 11)
    due = judge_convolution.weight_gradient(x.tolist(), error.tolist(), size)
    assert weight_gradient(x, error, size=size).tolist() == due
    assert convolution_gradient(BlockTensor(x, 0), BlockTensor(error, 0), size=size).tolist() == due


def test_backward_is_the_derivative_of_forward():
    """sum(error * convolve(x, w)) is linear in x and in w: both gradients give it back, exactly."""
    rng = np.random.default_rng(1)
    x, error = rng.integers(-9, 10, (2, 3, 4, 2)).tolist(), rng.integers(-9, 10, (2, 3, 4, 5)).tolist()
    weight = rng.integers(-9, 10, (5, 3, 3, 2)).tolist()
    total = np.sum(np.array(error) * np.array(judge_convolution.convolve(x, weight)))
    assert np.sum(np.array(x) * np.array(judge_convolution.propagate(error, weight))) == total
    assert np.sum(np.array(weight) * np.array(judge_convolution.weight_gradient(x, error, 3))) == total


PICTURE, KERNEL = BlockTensor(np.zeros((1, 2, 2, 3), np.int8), 0), BlockTensor(np.zeros((4, 3, 3, 3), np.int8), 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: convolution(PICTURE, BlockTensor(KERNEL.q[..., :2], 0)), r"\(4, 3, 3, 2\)"),
        (lambda: convolution(PICTURE, BlockTensor(KERNEL.q[:, :2, :2], 0)), "odd size"),
        (lambda: convolution_error(PICTURE, KERNEL), "accepted"),
        (lambda: convolution_gradient(PICTURE, PICTURE, size=2), "size=2"),
        (
            lambda: convolution_gradient(PICTURE, BlockTensor(np.zeros((1, 2, 1, 3), np.int8), 0), size=3),
            r"\(1, 2, 1, 3\)",
        ),
        (
            lambda: convolution(
                BlockTensor(np.zeros((1, 1, 1, 14679), np.int8), 0), BlockTensor(np.zeros((1, 3, 3, 14679), np.int8), 0)
            ),
            "132104",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
