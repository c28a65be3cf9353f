"""Steps of integer training on NumPy arrays: NITI's back-propagation, ElasticZO-INT8, and both in one network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from formats.integer_only.training import StepRule
from reference.array.integer import training_step
from reference.array.integer.training_loss import GREATEST_EXPONENT, LEAST_EXPONENT
from reference.integer.training.block_exponent import BlockTensor, Int8, Int32
from reference.integer.training.linear import Perceptron, check_product
from reference.integer.training.loss import compare_products
from reference.integer.training.random import permutation

#: ``run(network, x, target, rule, seed=..., first_step=..., batches=...)``: one epoch, and its signs
Epoch = Callable[..., tuple[Perceptron, NDArray[np.int32]]]


def train_step(
    network: Perceptron, x: BlockTensor, target: Int32, rule: StepRule, *, seed: int, step: int
) -> tuple[Perceptron, int]:
    """The network after step number ``step``, and the sign of ``L+ - L-`` (0 without a zeroth order).

    ``x``: (batch, in), ``target``: a class for each row. All random numbers come from seed and step. ``ValueError``
    where shapes do not fit, or a loss would leave the exponents that 32-bit words hold.

    >>> from reference.integer.training.linear import perceptron
    >>> x = BlockTensor(np.arange(-6, 6, dtype=np.int8).reshape(3, 4), -3)
    >>> before = perceptron([4, 2], seed=1)
    >>> after, _ = train_step(before, x, np.int32([0, 1, 0]), StepRule(gradient_bits=5), seed=1, step=0)
    >>> (after.weights[0].astype(int) - before.weights[0]).tolist()
    [[-2, 6, 14, 18], [2, -6, -14, -22]]
    """
    check_training(network, x, rule)
    weights, sign, seen = training_step.step(
        network.weights,
        network.exponents,
        x.q,
        x.exponent,
        target,
        rule,
        seed=seed,
        count=step,
        compare=_compare,
        xp=np,
    )
    check_exponents(seen, rule)
    return Perceptron(tuple(weights), network.exponents), int(sign)


def train_epoch(
    network: Perceptron,
    x: BlockTensor,
    target: Int32,
    rule: StepRule,
    *,
    seed: int,
    first_step: int,
    batches: NDArray[np.intp],
) -> tuple[Perceptron, Int32]:
    """Steps over rows of ``batches`` (steps, batch), which index ``x`` and ``target``; the signs of all steps."""
    signs: list[int] = []
    for count, rows in enumerate(batches):
        part = BlockTensor(x.q[rows], x.exponent)
        network, sign = train_step(network, part, target[rows], rule, seed=seed, step=first_step + count)
        signs.append(sign)
    return network, np.array(signs, np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """So many epochs by one rule."""

    epochs: int
    rule: StepRule


def train(
    network: Perceptron,
    x: BlockTensor,
    target: Int32,
    phases: Sequence[Phase],
    *,
    seed: int,
    batch: int,
    epoch: Epoch = train_epoch,
    after_epoch: Callable[[int, Perceptron, Int32], None] = lambda number, network, signs: None,
) -> Perceptron:
    """The network after all epochs: every one takes a new `permutation` in batches, without the rows left over.

    Steps are counted through. ``epoch`` runs one, in NumPy or elsewhere. ``after_epoch`` hears the number of the
    epoch from 0, the network and the signs of its steps. ``ValueError`` where no batch can be filled.
    """
    if not 1 <= batch <= len(x.q):
        raise ValueError(f"batch={batch} must lie in 1..{len(x.q)}, the number of rows")
    number, steps = 0, len(x.q) // batch
    for phase in phases:
        for _ in range(phase.epochs):
            rows = permutation(seed, number, len(x.q))[: steps * batch].reshape(steps, batch)
            network, signs = epoch(network, x, target, phase.rule, seed=seed, first_step=number * steps, batches=rows)
            after_epoch(number, network, signs)
            number += 1
    return network


def digest(network: Perceptron) -> str:
    """SHA-256 of exponents, shapes and weights, as hexadecimal digits.

    >>> digest(Perceptron((np.int8([[1, -2]]),), (-8,)))[:16]
    'c9d68b0b2cb455ea'
    """
    state = hashlib.sha256()
    for weight, exponent in zip(network.weights, network.exponents, strict=True):
        state.update(f"{exponent} {weight.shape}\n".encode())
        state.update(weight.astype(np.int8).tobytes())
    return state.hexdigest()


def accuracy(network: Perceptron, x: BlockTensor, target: Int32) -> float:
    """The fraction of rows whose greatest logit, the first of equal ones, is that of the target; all in one batch."""
    best: NDArray[np.intp] = np.argmax(network.logits(x).q, axis=1)
    return int(np.sum(best == target)) / len(target)


def check_training(network: Perceptron, x: BlockTensor, rule: StepRule) -> None:
    """``ValueError`` where a network cannot be trained so."""
    check_product(x.q.shape, network.weights[0].shape)
    if rule.first > len(network.weights):
        raise ValueError(f"first={rule.first} must lie in 0..{len(network.weights)}, the number of layers")


def check_exponents(seen: NDArray[np.int32], rule: StepRule) -> None:
    """``ValueError`` where logits had an exponent that 32-bit words do not hold."""
    greatest = GREATEST_EXPONENT if rule.zeroth_order is not None else 31
    if seen.min() < LEAST_EXPONENT or seen.max() > greatest:
        raise ValueError(
            f"exponents of the logits span {seen.min()}..{seen.max()}; accepted: {LEAST_EXPONENT}..{greatest}"
        )


def _compare(plus: Int32, minus: Int32, target: Int32) -> NDArray[np.int32]:
    return np.asarray(compare_products(plus, minus, target), np.int32)


__all__ = ["Int8", "Phase", "accuracy", "digest", "train", "train_epoch", "train_step"]
