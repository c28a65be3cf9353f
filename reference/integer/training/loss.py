"""Cross-entropy of int8 logits: its gradient, and which of two batches of logits has the greater loss."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.integer_only.training import NITI_CROSS_ENTROPY, CrossEntropyRule
from reference.array.integer import training_loss
from reference.array.integer.training_loss import GREATEST_EXPONENT, LEAST_EXPONENT, MOST_CLASSES
from reference.integer.training.block_exponent import BlockTensor, Int8, Int32, accumulator


def loss_gradient(
    logits: BlockTensor, target: ArrayLike, random: ArrayLike, *, rule: CrossEntropyRule = NITI_CROSS_ENTROPY
) -> Int8:
    """int8 ``softmax - onehot``, on a scale of 128: see `formats.integer_only.training.CrossEntropyRule`.

    ``logits``: (batch, classes), at most 24 classes, of an exponent of at least -12 (so that 32-bit words hold every
    step). ``target``: a class for each row. ``random``: integers of 0..2^shift - 1 in the shape of the logits.
    ``ValueError`` where this does not hold. Source: NITI's code, ti_loss.py, with truncating divisions.

    >>> loss_gradient(BlockTensor(np.int8([[40, -12, 5]]), -4), [0], [[0, 8, 15]]).tolist()
    [[-20, 7, 13]]
    """
    labels, drawn = _checked(logits, target), accumulator(random)
    if drawn.shape != logits.q.shape or ((drawn < 0) | (drawn >> rule.shift != 0)).any():
        raise ValueError(f"random must have the shape {logits.q.shape} and lie in 0..{(1 << rule.shift) - 1}")
    return training_loss.gradient(logits.q, np.int32(logits.exponent), labels, drawn.astype(np.uint32), rule, np)


def loss_sign(plus: BlockTensor, minus: BlockTensor, target: ArrayLike, *, multiplier: int = 47274) -> int:
    """The sign of ``L(plus) - L(minus)``, of losses in base 2, by exact comparison (proposed by this project).

    With ``t_bj = floor(q_bj * multiplier * 2^e / 2^15)``, ``L = log2 prod_b sum_j 2^(t_bj - t_b,target)``: the
    products are compared as integers. ``multiplier``: about ``2^15 log2(e)``. Exponents: -12..0; at most 24 classes.

    >>> a = BlockTensor(np.int8([[40, -12, 5], [7, 30, -3]]), -4)
    >>> b = BlockTensor(np.int8([[60, -12, 4], [7, 9, -3]]), -4)
    >>> loss_sign(a, b, [0, 1]), loss_sign(b, a, [0, 1]), loss_sign(a, a, [0, 1])
    (-1, 1, 0)
    """
    sides = (_octaves(plus, target, multiplier), _octaves(minus, target, multiplier))
    return compare_products(*sides, accumulator(target))


def rough_loss_sign(plus: BlockTensor, minus: BlockTensor, target: ArrayLike, *, multiplier: int = 47274) -> int:
    """`loss_sign` by whole bits of every row: ``sum_b floor(log2 sum_j 2^(t_bj)) - t_b,target`` is compared.

    Each row of a loss loses less than one bit. So the sign is exact where both sums differ by the batch or more.

    >>> a = BlockTensor(np.int8([[40, -12, 5], [7, 30, -3]]), -4)
    >>> b = BlockTensor(np.int8([[60, -12, 4], [7, 9, -3]]), -4)
    >>> rough_loss_sign(a, b, [0, 1])
    -1
    """
    labels = accumulator(target)
    sums = [int(training_loss.rough_loss(_octaves(side, target, multiplier), labels, np)) for side in (plus, minus)]
    return (sums[0] > sums[1]) - (sums[0] < sums[1])


def compare_products(plus: NDArray[np.int32], minus: NDArray[np.int32], target: NDArray[np.int32]) -> int:
    """The sign of ``prod_b sum_j 2^(t_bj - t_b,target)`` of one side less that of the other, from ``t``."""
    least = min(int((t - t[np.arange(len(t)), target][:, None]).min()) for t in (plus, minus))
    products: list[int] = []
    for t in (plus, minus):
        powers = (t - t[np.arange(len(t)), target][:, None] - least).tolist()
        products.append(prod(sum(1 << power for power in row) for row in powers))
    return (products[0] > products[1]) - (products[0] < products[1])


def _octaves(logits: BlockTensor, target: ArrayLike, multiplier: int) -> Int32:
    _checked(logits, target)
    if logits.exponent > GREATEST_EXPONENT:
        raise ValueError(f"exponent={logits.exponent} of the logits must lie in {LEAST_EXPONENT}..{GREATEST_EXPONENT}")
    return training_loss.octaves(logits.q, np.int32(logits.exponent), multiplier, np)


def _checked(logits: BlockTensor, target: ArrayLike) -> Int32:
    labels = accumulator(target)
    if logits.q.ndim != 2 or logits.q.shape[1] > MOST_CLASSES or labels.shape != logits.q.shape[:1]:
        raise ValueError(
            f"logits of shape {logits.q.shape} and target of shape {labels.shape}; accepted: (batch, classes) with at "
            f"most {MOST_CLASSES} classes, and (batch,)"
        )
    if ((labels < 0) | (labels >= logits.q.shape[1])).any():
        raise ValueError(f"target={labels.tolist()} must lie in 0..{logits.q.shape[1] - 1}")
    if logits.exponent < LEAST_EXPONENT:
        raise ValueError(f"exponent={logits.exponent} of the logits must be at least {LEAST_EXPONENT}")
    return labels
