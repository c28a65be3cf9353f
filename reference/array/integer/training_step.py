"""Steps of integer training for layers without biases, ReLU between them, once for NumPy and jax.numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from formats.integer_only.shifts import shift_rule
from formats.integer_only.training import BlockExponentRule, StepRule, ZerothOrderRule
from reference.array.carrier import Array, Namespace
from reference.array.integer.training_loss import gradient, octaves
from reference.array.integer.training_random import perturbation, words
from reference.array.integer.training_shift import clip, narrow, narrow_gradient, shift_right

Weights = Sequence[Array]


def multiply(a: Array, b: Array, xp: Namespace) -> Array:
    """The int32 matrix product of two int8 arrays."""
    return xp.matmul(a.astype(xp.int32), b.astype(xp.int32))


def forward(
    weights: Weights, exponents: Sequence[int], x: Array, exponent: Array | int, rule: BlockExponentRule, xp: Namespace
) -> tuple[list[Array], Array]:
    """The input of every layer, then the logits, and the exponent of the logits."""
    values = [x]
    for weight, weight_exponent in zip(weights, exponents, strict=True):
        q, growth = narrow(multiply(values[-1], weight.T, xp), rule, xp)
        exponent = exponent + weight_exponent + growth
        values.append(xp.maximum(q, 0) if len(values) < len(weights) else q)
    return values, exponent


def backward(weights: Weights, values: Sequence[Array], error: Array, rule: StepRule, xp: Namespace) -> list[Array]:
    """int8 gradients of the weights from layer ``rule.first`` on, by the int8 error of the logits."""
    rounding = shift_rule(rule.gradient_rounding)
    gradients: list[Array] = []
    for layer in range(len(weights) - 1, rule.first - 1, -1):
        accumulator = multiply(error.T, values[layer], xp)
        gradients.append(narrow_gradient(accumulator, rule.gradient_bits, rounding, xp))
        if layer > rule.first:
            propagated, _ = narrow(multiply(error, weights[layer], xp), rule.block, xp)
            error = xp.where(values[layer] > 0, propagated, 0)
    return gradients[::-1]


def update(weight: Array, gradient: Array, xp: Namespace) -> Array:
    """int8 ``clip(weight - gradient)``: both in units of the weights, whatever the exponent of the gradient."""
    return clip(weight.astype(xp.int32) - gradient.astype(xp.int32), xp)


def perturbations(
    weights: Weights, rule: ZerothOrderRule, seed: Array | int, step: Array | int, xp: Namespace
) -> list[Array]:
    """int32 ``z`` for each of the tensors."""
    return [
        perturbation(words(seed, step, "perturbation", part, weight.size, xp), rule.zeros, rule.greatest, xp).reshape(
            weight.shape
        )
        for part, weight in enumerate(weights)
    ]


def perturbed(weights: Weights, directions: Sequence[Array], sign: int, xp: Namespace) -> list[Array]:
    """``clip(theta + sign * z)``."""
    return [clip(weight.astype(xp.int32) + sign * z, xp) for weight, z in zip(weights, directions, strict=True)]


def zeroth_order_step(direction: Array, sign: Array, rule: ZerothOrderRule, xp: Namespace) -> Array:
    """int8 ``shift(g z)``: what is taken from the weights."""
    moved = direction * sign
    if not rule.update_shift:
        return clip(moved, xp)
    return shift_right(moved, rule.update_shift, shift_rule(rule.rounding), xp)


def step(
    weights: Weights,
    exponents: Sequence[int],
    x: Array,
    input_exponent: int,
    target: Array,
    rule: StepRule,
    *,
    seed: Array | int,
    count: Array | int,
    compare: Callable[[Array, Array, Array], Array],
    xp: Namespace,
) -> tuple[list[Array], Array, Array]:
    """New weights, the sign of ``L+ - L-`` (0 without a zeroth order), and the exponents of all logits computed.

    ``compare(t+, t-, target)``: the sign, from logits in base 2.
    """
    seen: list[Array] = []
    moves: list[Array] = []
    sign = xp.zeros((), xp.int32)
    if rule.zeroth_order is not None:
        directions = perturbations(weights[: rule.first], rule.zeroth_order, seed, count, xp)
        sides: list[Array] = []
        for side in (1, -1):
            trial = [*perturbed(weights[: rule.first], directions, side, xp), *weights[rule.first :]]
            values, exponent = forward(trial, exponents, x, input_exponent, rule.block, xp)
            sides.append(octaves(values[-1], exponent, rule.loss.multiplier, xp))
            seen.append(exponent)
        sign = compare(sides[0], sides[1], target)
        moves = [zeroth_order_step(direction, sign, rule.zeroth_order, xp) for direction in directions]
    if rule.first < len(weights):
        values, exponent = forward(weights, exponents, x, input_exponent, rule.block, xp)
        seen.append(exponent)
        logits = values[-1]
        drawn = words(seed, count, "loss", 0, logits.size, xp)[0].reshape(logits.shape)
        moves += backward(weights, values, gradient(logits, exponent, target, drawn, rule.loss, xp), rule, xp)
    return [update(weight, move, xp) for weight, move in zip(weights, moves, strict=True)], sign, xp.stack(seen)
