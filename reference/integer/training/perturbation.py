"""Weights moved along a random direction that a seed gives again, and by a ternary gradient."""

from __future__ import annotations

import numpy as np

from formats.integer_only.training import ZerothOrderRule
from reference.array.integer import training_step
from reference.integer.training.block_exponent import Int8, Int32
from reference.integer.training.random import random_words


def direction(shape: tuple[int, ...], *, rule: ZerothOrderRule, seed: int, step: int, part: int) -> Int32:
    """int32 ``z = m * u`` of that shape: see `formats.integer_only.training.ZerothOrderRule`.

    The words are those of `random_words` in the stream ``perturbation``, elements in C order: the first word is for
    ``m``, the second for ``u``. ``part``: which tensor. Proposed by this project.

    >>> rule = ZerothOrderRule(zeros=1 << 15, greatest=3, update_shift=0)
    >>> direction((2, 4), rule=rule, seed=1, step=0, part=0).tolist()
    [[3, 0, 0, 2], [2, 0, 3, 0]]
    """
    pair = random_words(seed, step, "perturbation", part, int(np.prod(shape)))
    return training_step.perturbation(pair, rule.zeros, rule.greatest, np).reshape(shape)


def perturb(theta: Int8, z: Int32) -> tuple[Int8, Int8]:
    """``clip(theta + z)`` and ``clip(theta - z)``; ``theta`` itself is kept, so there is nothing to restore.

    Adding ``z``, taking ``2 z`` and adding ``z`` again in place is another function: a clip in between is not undone.

    >>> plus, minus = perturb(np.int8([120, -3, -127, 55]), np.int32([7, 0, -5, 3]))
    >>> plus.tolist(), minus.tolist()
    ([127, -3, -127, 58], [113, -3, -122, 52])
    """
    plus, minus = (training_step.perturbed([theta], [z], sign, np)[0] for sign in (1, -1))
    return plus, minus


def zeroth_order_update(theta: Int8, z: Int32, sign: int, *, rule: ZerothOrderRule) -> Int8:
    """``clip(theta - shift(sign * z, update_shift))`` for the sign of ``L+ - L-``: -1, 0 or 1.

    >>> rule = ZerothOrderRule(zeros=0, greatest=7, update_shift=1, rounding="round_shift")
    >>> zeroth_order_update(np.int8([120, -3, -127, 55]), np.int32([7, 0, -5, 3]), -1, rule=rule).tolist()
    [124, -3, -127, 57]
    """
    if sign not in (-1, 0, 1):
        raise ValueError(f"sign={sign} must be -1, 0 or 1")
    move = training_step.zeroth_order_step(z, np.int32(sign), rule, np)
    return training_step.update(theta, move, np)
