"""Properties of integer training that hold for all numbers; strategies aim at ties, powers of two and clips."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import kernels_ref.integer.training
from formats.integer_only.shifts import shift_rule, shift_rules
from formats.integer_only.training import NITI_CLIPPED, NITI_CROSS_ENTROPY, StepRule, ZerothOrderRule
from reference.array.integer import training_shift
from reference.exact import integer_training as judge
from reference.exact import integer_training_step as judge_step
from reference.integer.training import (
    BlockTensor,
    Perceptron,
    direction,
    linear,
    loss_sign,
    narrow,
    perturb,
    shift_right,
    train_epoch,
    zeroth_order_update,
)

SHIFTS = {rule: jax.jit(lambda x, s, r, rule=rule: training_shift.shift_right(
    x, s, shift_rule(rule), jnp, bits=r if shift_rule(rule).is_stochastic else None
)) for rule in shift_rules()}  # fmt: skip
INT8 = st.integers(-127, 127) | st.sampled_from([-127, -126, -1, 0, 1, 126, 127])


@st.composite
def near_ties(draw):
    """An accumulator and a shift: near a multiple, a half, or the limits of int8."""
    shift = draw(st.integers(1, 24))
    quotient = draw(st.integers(-127, 127) | st.sampled_from([-127, 126, 127, 0]))
    offset = draw(
        st.sampled_from([0, 1, (1 << shift) // 2 - 1, (1 << shift) // 2, (1 << shift) // 2 + 1, (1 << shift) - 1])
    )
    return draw(st.sampled_from([1, -1])) * ((quotient << shift) + offset), shift


def int8_array(rows, columns):
    return st.lists(INT8, min_size=rows * columns, max_size=rows * columns).map(
        lambda v: np.array(v, np.int8).reshape(rows, columns)
    )


@given(near_ties(), st.sampled_from(shift_rules()), st.integers(0, 2**24 - 1))
def test_shifts(case, rule, word):
    x, shift = case
    random = word % (1 << shift) if shift_rule(rule).is_stochastic else None
    due = judge.shift_right(x, shift, rule, random=random)
    assert shift_right([x], shift, rule=rule, random=None if random is None else [random]).tolist() == [due]
    assert SHIFTS[rule](jnp.int32([x]), jnp.int32(shift), jnp.uint32([word])).tolist() == [due]
    if not rule.endswith("_floor") and abs(due) < 127:
        assert abs(due * 2**shift - x) < 2**shift


@given(int8_array(3, 5), int8_array(4, 5), st.integers(-12, 12), st.integers(-12, 12), st.integers(-30, 30))
def test_linear_keeps_value_and_exponents(x, weight, e, w, k):
    made = linear(BlockTensor(x, e), BlockTensor(weight, w))
    product = x.astype(int) @ weight.T.astype(int)
    growth = made.exponent - e - w
    assert growth == max(judge.bit_width(product.tolist()) - 7, 0)
    kept = abs(made.q.astype(int)) < 127
    assert (2 * abs(made.q.astype(int) * 2**growth - product)[kept] <= 2**growth).all()
    moved = linear(BlockTensor(x, e + k), BlockTensor(weight, w))
    assert moved.exponent == made.exponent + k
    assert (moved.q == made.q).all()


@given(
    st.lists(
        st.integers(0, 30).flatmap(lambda k: st.sampled_from([2**k - 1, 2**k, -(2**k), 2**k // 2 + 1])), min_size=1
    )
)
def test_narrowing_never_leaves_int8(x):
    made = narrow(x, 0)
    due, growth = judge.narrow([x], NITI_CLIPPED)
    assert (made.q.tolist(), made.exponent) == (due[0], growth)
    assert abs(made.q.astype(int)).max() <= 127


@given(int8_array(3, 4), st.integers(-12, 8), st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_gradient_rows_sum_to_zero(logits, exponent, target):
    for row, label in zip(
        judge.probabilities(logits.tolist(), exponent, target, NITI_CROSS_ENTROPY), target, strict=True
    ):
        assert sum(row) == 0
        assert row[label] <= 0 <= min(v for j, v in enumerate(row) if j != label)


@given(int8_array(4, 3), int8_array(4, 3), st.integers(-12, 0), st.lists(st.integers(0, 2), min_size=4, max_size=4))
def test_signs(plus, minus, exponent, target):
    a, b = BlockTensor(plus, exponent), BlockTensor(minus, exponent)
    sign = loss_sign(a, b, target)
    t = [judge.octaves(side.tolist(), exponent, 47274) for side in (plus, minus)]
    assert sign == judge.loss_sign(t[0], t[1], target) == -loss_sign(b, a, target)
    assert loss_sign(a, a, target) == 0
    assert (sign == 0) == (judge.likelihood(t[0], target) == judge.likelihood(t[1], target))
    rough = [judge.rough_loss(side, target) for side in t]
    for side, loss in zip(t, rough, strict=True):
        assert judge.Fraction(2) ** loss <= judge.likelihood(side, target) < judge.Fraction(2) ** (loss + 4)
    if abs(rough[0] - rough[1]) >= 4:
        assert sign == math.copysign(1, rough[0] - rough[1])


@given(
    int8_array(2, 6),
    st.integers(1, 127),
    st.integers(0, 65536),
    st.integers(0, 7),
    st.sampled_from([-1, 0, 1]),
    st.integers(0, 2**32 - 1),
)
def test_perturbations_and_updates_stay_in_reach(theta, greatest, zeros, shift, sign, seed):
    rule = ZerothOrderRule(zeros=zeros, greatest=greatest, update_shift=shift)
    kept = theta.copy()
    z = direction((2, 6), rule=rule, seed=seed, step=0, part=0)
    plus, minus = perturb(theta, z)
    after = zeroth_order_update(theta, z, sign, rule=rule)
    assert (theta == kept).all()
    assert (direction((2, 6), rule=rule, seed=seed, step=0, part=0) == z).all()
    assert abs(z).max() <= greatest
    for moved in (plus, minus, after):
        off = abs(moved.astype(int) - theta.astype(int))
        assert (off <= abs(z)).all()
        assert abs(moved.astype(int)).max() <= 127
    assert (np.sign(plus.astype(int) - theta.astype(int)) * np.sign(z) >= 0).all()


RULE = StepRule(gradient_bits=4, first=1, zeroth_order=ZerothOrderRule(zeros=20000, greatest=5, update_shift=1))


SMALL = st.integers(-7, 7)  # so that the exponents of the logits stay within -12..0


def small_array(rows, columns):
    return st.lists(SMALL, min_size=rows * columns, max_size=rows * columns).map(
        lambda v: np.array(v, np.int8).reshape(rows, columns)
    )


@settings(max_examples=25)
@given(
    int8_array(4, 5),
    small_array(6, 5),
    small_array(3, 6),
    st.lists(st.integers(0, 2), min_size=4, max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_whole_steps(x, first, second, target, seed):
    network = Perceptron((first, second), (-4, -4))
    weights, sign = judge_step.step(
        [first.tolist(), second.tolist()], network.exponents, x.tolist(), -4, target, RULE, seed=seed, count=7
    )
    for run in (train_epoch, kernels_ref.integer.training.train_epoch):
        made, signs = run(
            network, BlockTensor(x, -4), np.int32(target), RULE, seed=seed, first_step=7, batches=np.arange(4)[None]
        )
        assert [weight.tolist() for weight in made.weights] == weights
        assert signs.tolist() == [sign]
