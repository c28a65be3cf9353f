"""Epochs of integer training under jit: the golden model's 32-bit words; 64-bit types may be on or off."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from formats.integer_only.training import StepRule
from kernels_ref.integer.training.products import MOST_ROWS, compare_products
from reference.array.integer import training_step
from reference.integer.training.block_exponent import BlockTensor
from reference.integer.training.linear import Perceptron
from reference.integer.training.update import check_exponents, check_training


def train_epoch(
    network: Perceptron,
    x: BlockTensor,
    target: NDArray[np.int32],
    rule: StepRule,
    *,
    seed: int,
    first_step: int,
    batches: NDArray[np.intp],
) -> tuple[Perceptron, NDArray[np.int32]]:
    """`reference.integer.training.train_epoch` in JAX: same arguments, weights, signs and errors, bit for bit.

    One error more: with a zeroth order, ``ValueError`` for batches above 64 rows.

    >>> from reference.integer.training import digest, perceptron
    >>> from reference.integer.training import train_epoch as golden
    >>> x, rule = BlockTensor(np.arange(-8, 8, dtype=np.int8).reshape(4, 4), -3), StepRule(gradient_bits=5)
    >>> options = {"seed": 1, "first_step": 0, "batches": np.arange(4).reshape(2, 2)}
    >>> arguments = perceptron([4, 3], seed=1), x, np.int32([0, 1, 2, 0]), rule
    >>> digest(train_epoch(*arguments, **options)[0]) == digest(golden(*arguments, **options)[0])
    True
    """
    check_training(network, x, rule)
    if rule.zeroth_order is not None and batches.shape[1] > MOST_ROWS:
        raise ValueError(f"batches of {batches.shape[1]} rows; losses are compared for {MOST_ROWS} rows at most")
    run = _compiled(network.exponents, x.exponent, rule)
    rows = batches.astype(np.int32)
    weights, (signs, seen) = run(network.weights, x.q, target, np.uint32(seed), np.uint32(first_step), rows)
    check_exponents(np.asarray(seen), rule)
    return Perceptron(tuple(np.asarray(weight) for weight in weights), network.exponents), np.asarray(signs)


def epoch(
    weights: tuple[Array, ...],
    x: Array,
    target: Array,
    seed: Array,
    first_step: Array,
    batches: Array,
    *,
    exponents: tuple[int, ...],
    input_exponent: int,
    rule: StepRule,
) -> tuple[tuple[Array, ...], tuple[Array, Array]]:
    """What is compiled: weights, then signs and exponents of logits of all steps. Integers only, to be traced.

    ``weights``, ``x``: int8; ``target``, ``batches``: int32; ``seed``, ``first_step``: uint32.
    """

    def step(carried: tuple[tuple[Array, ...], Array], rows: Array) -> tuple[Any, tuple[Array, Array]]:
        current, count = carried
        moved, sign, seen = training_step.step(
            current, exponents, x[rows], input_exponent, target[rows], rule,
            seed=seed, count=count, compare=compare_products, xp=jnp,
        )  # fmt: skip
        return (tuple(moved), count + count.dtype.type(1)), (sign, seen)

    (weights, _), outcome = lax.scan(step, (weights, first_step), batches)
    return weights, outcome


@functools.lru_cache(maxsize=64)
def _compiled(exponents: tuple[int, ...], input_exponent: int, rule: StepRule) -> Callable[..., Any]:
    fixed = functools.partial(epoch, exponents=exponents, input_exponent=input_exponent, rule=rule)
    return jax.jit(fixed)  # pyright: ignore[reportUnknownMemberType]
