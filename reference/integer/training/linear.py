"""Layers without biases, ReLU between them, on int8 tensors with one exponent each."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from formats.integer_only.training import NITI_CLIPPED, BlockExponentRule
from reference.array.integer import training_random, training_step
from reference.integer.training.block_exponent import BlockTensor, Int8
from reference.integer.training.random import random_words

#: the longest sum of products of int8 that an int32 holds
LONGEST_SUM = ((1 << 31) - 1) // (128 * 127)


def linear(x: BlockTensor, weight: BlockTensor, *, rule: BlockExponentRule = NITI_CLIPPED) -> BlockTensor:
    """``x W^T`` in int32, then int8 with the exponent of the result: of ``x`` (batch, in) and ``W`` (out, in).

    ``ValueError`` where the shapes do not fit or a sum has more than 132104 terms. Source: NITI's code, TiLinear.

    >>> x = BlockTensor(np.int8([[10, -20, 127], [3, 5, -7]]), -5)
    >>> made = linear(x, BlockTensor(np.int8([[50, -3, 2], [-127, 127, 127]]), -8))
    >>> made.q.tolist(), made.exponent
    ([[6, 96], [1, -5]], -6)
    """
    check_product(x.q.shape, weight.q.shape)
    values, exponent = training_step.forward([weight.q], [weight.exponent], x.q, x.exponent, rule, np)
    return BlockTensor(values[-1], int(exponent))


def check_product(x: tuple[int, ...], weight: tuple[int, ...]) -> None:
    """``ValueError`` where ``x W^T`` is none, or its int32 sums might overflow."""
    if len(x) != 2 or len(weight) != 2 or x[1] != weight[1]:
        raise ValueError(f"x of shape {x} and weight of shape {weight}; accepted: (batch, in) and (out, in)")
    if max(x[1], x[0], weight[0]) > LONGEST_SUM:
        raise ValueError(f"x of shape {x}, weight of shape {weight}: int32 holds sums of {LONGEST_SUM} terms at most")


@dataclass(frozen=True, slots=True, eq=False)
class Perceptron:
    """Layers of int8 weights (out, in), each with its exponent, which training never changes."""

    weights: tuple[Int8, ...]
    exponents: tuple[int, ...]

    def logits(self, x: BlockTensor, *, rule: BlockExponentRule = NITI_CLIPPED) -> BlockTensor:
        """The logits of a batch (batch, in). They depend on the batch: its greatest accumulator sets the shifts."""
        check_product(x.q.shape, self.weights[0].shape)
        values, exponent = training_step.forward(self.weights, self.exponents, x.q, x.exponent, rule, np)
        return BlockTensor(values[-1], int(exponent))


def perceptron(widths: Sequence[int], *, seed: int) -> Perceptron:
    """Weights from a seed: uniform integers of -127..127, with exponents after Glorot.

    The exponent is ``ceil(log2 l) - 7``, where the limit ``l = sqrt(6 / (in + out))``. The words are those of
    `random_words` in the stream ``weights``, one part for each layer. Source: NITI's code draws floats of that
    distribution and quantises them; drawing the integers is proposed by this project.

    >>> made = perceptron([64, 48, 10], seed=1)
    >>> [weight.shape for weight in made.weights], made.exponents
    ([(48, 64), (10, 48)], (-9, -8))
    """
    if len(widths) < 2 or min(widths) < 1 or max(widths) > LONGEST_SUM:
        raise ValueError(f"widths={list(widths)} must be two numbers or more, of 1..{LONGEST_SUM}")
    weights: list[Int8] = []
    exponents: list[int] = []
    for part, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        word = random_words(seed, 0, "weights", part, inputs * outputs)[0]
        weights.append(training_random.uniform(word, 127, np).astype(np.int8).reshape(outputs, inputs))
        exponents.append(_limit_exponent(inputs + outputs) - 7)
    return Perceptron(tuple(weights), tuple(exponents))


def _limit_exponent(fans: int) -> int:
    """``ceil(log2 sqrt(6 / fans))``: the least ``k`` with ``6 <= fans * 4^k``."""
    k = 2
    while 6 * 4 ** max(-(k - 1), 0) <= fans * 4 ** max(k - 1, 0):
        k -= 1
    return k
