"""Handwritten digits as int8 tensors, in a fixed split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.networks.digits import loaded
from reference.integer.training import BlockTensor, permutation, quantise_input

HELD_OUT = 450
#: the seed of the split, and of nothing else
SPLIT_SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class Digits:
    """Rows of 64 pixels and their classes: 1347 to train on, 450 held out."""

    train_x: BlockTensor
    train_y: NDArray[np.int32]
    held_out_x: BlockTensor
    held_out_y: NDArray[np.int32]


def digits() -> Digits:
    """The 1797 pictures of 8 by 8 that scikit-learn carries, pixels 0..16, quantised to multiples of 1/8.

    16 becomes 15.875: the only number that int8 does not hold. The split is the `permutation` of seed 0. Source: E.
    Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, the test part.

    >>> made = digits()
    >>> made.train_x.q.shape, made.held_out_x.q.shape, made.train_x.exponent, int(made.train_x.q.max())
    ((1347, 64), (450, 64), -3, 127)
    """
    pixels, labels = loaded()
    x = quantise_input(pixels)
    order = permutation(SPLIT_SEED, 0, len(x.q))
    held, rest = order[:HELD_OUT], order[HELD_OUT:]
    y = labels.astype(np.int32)
    return Digits(BlockTensor(x.q[rest], x.exponent), y[rest], BlockTensor(x.q[held], x.exponent), y[held])
