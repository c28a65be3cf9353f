"""Integer cross-entropy: its gradient, and the exact comparison of two losses, in judge, NumPy and JAX."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from formats.integer_only.training import NITI_CROSS_ENTROPY
from kernels_ref.integer.training import compare_products, products
from reference.array.integer import training_loss
from reference.array.integer.training_loss import GREATEST_EXPONENT, LEAST_EXPONENT
from reference.exact import integer_training as judge
from reference.integer.training import BlockTensor, loss_gradient, loss_sign, rough_loss_sign
from reference.integer.training.loss import compare_products as golden

compare = jax.jit(compare_products)
bounded = jax.jit(products._bounded)
exact = jax.jit(products._exact)
gradient = jax.jit(lambda q, e, y, r: training_loss.gradient(q, e, y, r, NITI_CROSS_ENTROPY, jnp))
octaves = jax.jit(lambda q, e: training_loss.octaves(q, e, 47274, jnp))
rough_loss = jax.jit(lambda t, y: training_loss.rough_loss(t, y, jnp))


# Worked from the rules, with truncating division.
@pytest.mark.parametrize(
    ("logits", "exponent", "target", "p", "due"),
    [
        ([40, -12, 5], -4, 0, [-320, 106, 214], [-20, 7, 13]),
        ([40, -12, 5], -8, 0, [-1285, 621, 664], [-81, 39, 41]),
        ([3, 1, -2], 0, 1, [1798, -1824, 26], [113, -114, 1]),
    ],
)
def test_worked_gradients(logits, exponent, target, p, due):
    random = [[0, 8, 15]]
    assert judge.probabilities([logits], exponent, [target], NITI_CROSS_ENTROPY) == [p]
    assert judge.loss_gradient([logits], exponent, [target], random, NITI_CROSS_ENTROPY) == [due]
    assert loss_gradient(BlockTensor(np.int8([logits]), exponent), [target], random).tolist() == [due]


@pytest.mark.parametrize("exponent", range(LEAST_EXPONENT, 9))
def test_gradients_equal_the_judge(exponent):
    rng = np.random.default_rng(exponent + 20)
    for classes in (1, 2, 10, 24):
        logits = rng.integers(-127, 128, (12, classes)).astype(np.int8)
        logits[:3], logits[3:6] = logits[:3] // 16, rng.choice(np.int8([-127, 0, 127]), (3, classes))
        target, random = rng.integers(0, classes, 12), rng.integers(0, 16, (12, classes))
        p = judge.probabilities(logits.tolist(), exponent, target.tolist(), NITI_CROSS_ENTROPY)
        due = judge.loss_gradient(logits.tolist(), exponent, target.tolist(), random.tolist(), NITI_CROSS_ENTROPY)
        assert loss_gradient(BlockTensor(logits, exponent), target, random).tolist() == due
        assert gradient(logits, jnp.int32(exponent), target, random.astype(np.uint32)).tolist() == due
        for row, label in zip(p, target, strict=True):
            assert sum(row) == 0
            assert row[label] <= 0
            assert all(v >= 0 for j, v in enumerate(row) if j != label)


@pytest.mark.parametrize("exponent", [-10, -7, -6, -3])
def test_gradient_is_near_that_of_the_cross_entropy(exponent):
    """Scale 128; what is lost: a unit of rounding, and one octave of flooring or the third order of Taylor."""
    q = np.int8([[60, 20, -30, 0]])
    if exponent == -10:
        q = q // 2
    p = np.array(judge.probabilities(q.tolist(), exponent, [0], NITI_CROSS_ENTROPY)[0]) / 2**11
    numbers = np.exp(q[0] * 2.0**exponent)
    due = numbers / numbers.sum() - [1, 0, 0, 0]
    assert abs(p - due).max() < (0.25 if exponent > -7 else 0.01)


def test_worked_signs():
    def scaled(rows):
        return BlockTensor(np.int8(rows), -4)

    a, b = [[40, -12, 5], [7, 30, -3]], [[60, -12, 4], [7, 9, -3]]
    assert judge.octaves(a, -4, 47274) == [[3, -2, 0], [0, 2, -1]]
    assert judge.octaves(b, -4, 47274) == [[5, -2, 0], [0, 0, -1]]
    assert judge.likelihood([[3, -2, 0], [0, 2, -1]], [0, 1]) == judge.Fraction(407, 256)
    assert judge.likelihood([[5, -2, 0], [0, 0, -1]], [0, 1]) == judge.Fraction(665, 256)
    assert (loss_sign(scaled(a), scaled(b), [0, 1]), loss_sign(scaled(b), scaled(a), [0, 1])) == (-1, 1)
    tie = [[40, -12, 5], [7, 9, -3]], [[42, -12, 4], [7, 8, -3]]
    assert {judge.likelihood(judge.octaves(rows, -4, 47274), [0, 1]) for rows in tie} == {judge.Fraction(185, 64)}
    assert loss_sign(scaled(tie[0]), scaled(tie[1]), [0, 1]) == 0


def float_loss(t, target):
    return sum(math.log2(math.fsum(2.0**v for v in row)) - row[y] for row, y in zip(t, target, strict=True))


@pytest.mark.parametrize("exponent", range(LEAST_EXPONENT, GREATEST_EXPONENT + 1, 2))
def test_signs_equal_the_judge(exponent):
    rng = np.random.default_rng(exponent + 100)
    for _ in range(12):
        sides = rng.integers(-127, 128, (2, 32, 10)).astype(np.int8)
        if rng.random() < 0.7:
            sides[1] = np.where(rng.random((32, 10)) < 0.02, sides[1], sides[0])
        target = rng.integers(0, 10, 32)
        t = [judge.octaves(side.tolist(), exponent, 47274) for side in sides]
        due = judge.loss_sign(t[0], t[1], target)
        a, b = (BlockTensor(side, exponent) for side in sides)
        assert loss_sign(a, b, target) == due
        assert loss_sign(b, a, target) == -due
        arrays = [jnp.asarray(side, jnp.int32) for side in t]
        assert [v.tolist() for v in arrays] == [octaves(side, jnp.int32(exponent)).tolist() for side in sides]
        assert int(compare(*arrays, target)) == due
        rough = [judge.rough_loss(side, target) for side in t]
        for side, loss in zip(arrays, rough, strict=True):
            assert int(rough_loss(side, target)) == loss
            assert int(training_loss.rough_loss(np.asarray(side), target, np)) == loss
            assert loss <= float_loss(side.tolist(), target) + 1e-6 < loss + 32.1
        assert rough_loss_sign(a, b, target) == np.sign(rough[0] - rough[1])
        if abs(rough[0] - rough[1]) >= 32:
            assert rough_loss_sign(a, b, target) == due
        gap = float_loss(t[0], target) - float_loss(t[1], target)
        if abs(gap) > 1e-6:
            assert due == np.sign(gap)


def powers(rng, rows, classes, span):
    made = rng.integers(0, span + 1, (2, rows, classes))
    made[1] = np.where(rng.random(made[0].shape) < 0.05, made[1], made[0])
    return made.astype(np.int32)


@pytest.mark.parametrize("span", [0, 1, 3, 30, 366, 735])
@pytest.mark.parametrize(("rows", "classes"), [(1, 24), (7, 10), (64, 3)])
def test_long_products(span, rows, classes):
    rng = np.random.default_rng(span + rows)
    for _ in range(6):
        both = powers(rng, rows, classes, span)
        a, b = (math.prod(sum(1 << v for v in row) for row in side.tolist()) for side in both)
        due = (a > b) - (a < b)
        assert int(exact(both)) == due
        assert int(bounded(both)) in (0, due)


def test_nearest_products():
    """Products that differ in their last bit only, and are far beyond what the bounds tell."""
    low = np.zeros((2, 32, 4), np.int32)
    low[:, :, 1:] = [20, 21, 22]
    low[1, 0, 0] = 1
    assert int(bounded(low)) == 0
    assert int(exact(low)) == -1
    assert int(exact(low[::-1])) == 1
    assert int(exact(low[[0, 0]])) == 0


def test_bounds_tell_most_signs():
    rng = np.random.default_rng(5)
    told = [int(bounded(powers(rng, 32, 10, 60))) != 0 for _ in range(60)]
    assert sum(told) > 40


def test_sign_does_not_change_with_a_shift_of_a_row():
    rng = np.random.default_rng(6)
    for _ in range(20):
        t = rng.integers(-40, 40, (2, 8, 5)).astype(np.int32)
        target = rng.integers(0, 5, 8).astype(np.int32)
        moved = t + rng.integers(-20, 20, (1, 8, 1)).astype(np.int32)
        assert golden(t[0], t[1], target) == golden(moved[0], moved[1], target) == int(compare(*moved, target))


def test_flooring_moves_a_loss_by_a_bit_a_row_at_most():
    """Where the real losses part by more than the flooring can hide, the exact sign of floored ones is theirs."""
    rng = np.random.default_rng(7)
    seen = 0
    for _ in range(60):
        q, target = rng.integers(-127, 128, (2, 8, 10)), rng.integers(0, 10, 8)
        real = [float_loss((side * 47274 / 2**15 / 16).tolist(), target) for side in q]
        if abs(real[0] - real[1]) > 2 * 8:
            seen += 1
            sides = [BlockTensor(side.astype(np.int8), -4) for side in q]
            assert loss_sign(*sides, target) == np.sign(real[0] - real[1])
    assert seen > 10


LOGITS = BlockTensor(np.int8([[1, 2]]), -4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: loss_gradient(BlockTensor(np.int8([[1, 2]]), -13), [0], [[0, 0]]), "exponent=-13"),
        (lambda: loss_gradient(LOGITS, [2], [[0, 0]]), r"target=\[2\]"),
        (lambda: loss_gradient(LOGITS, [0, 1], [[0, 0]]), r"target of shape \(2,\)"),
        (lambda: loss_gradient(LOGITS, [0], [[0, 16]]), r"0\.\.15"),
        (lambda: loss_gradient(LOGITS, [0], [0, 1]), r"\(1, 2\)"),
        (lambda: loss_gradient(BlockTensor(np.zeros((1, 25), np.int8), -4), [0], np.zeros((1, 25), int)), "24 classes"),
        (lambda: loss_sign(BlockTensor(np.int8([[1, 2]]), 1), LOGITS, [0]), r"exponent=1 .* -12\.\.0"),
        (lambda: rough_loss_sign(LOGITS, LOGITS, [3]), r"target=\[3\]"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
