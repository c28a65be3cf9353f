"""A recipe carried out on the digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import kernels_ref.integer.training
from analysis.integer_training.digits import Digits
from analysis.integer_training.recipes import Recipe
from reference.integer.training import Perceptron, accuracy, digest, perceptron, train, train_epoch
from reference.integer.training.update import Epoch

EXECUTORS: dict[str, Epoch] = {"jax": kernels_ref.integer.training.train_epoch, "numpy": train_epoch}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Accuracy on the held-out digits after every epoch, that on the training digits at the end, and the digest."""

    held_out: tuple[float, ...]
    trained: float
    digest: str


def run(
    recipe: Recipe,
    data: Digits,
    *,
    seed: int,
    executor: str = "jax",
    after_epoch: Callable[[int, float], None] = lambda number, held_out: None,
) -> Outcome:
    """Train from ``seed``, which gives weights, order, roundings and perturbations; the outcome is a function of it.

    ``executor``: ``jax`` or ``numpy``, equal bit for bit. ``after_epoch`` hears the number of an epoch, from 0, and
    the accuracy on the held-out digits.

    >>> from analysis.integer_training import RECIPES, digits
    >>> import dataclasses
    >>> short = dataclasses.replace(RECIPES["niti"], phases=RECIPES["niti"].phases[:1])
    >>> round(run(short, digits(), seed=1, executor="numpy").held_out[-1], 2)
    0.91
    """
    if executor not in EXECUTORS:
        raise ValueError(f"executor={executor!r} is unknown; accepted: {', '.join(EXECUTORS)}")
    accuracies: list[float] = []

    def hear(number: int, network: Perceptron, signs: NDArray[np.int32]) -> None:
        accuracies.append(accuracy(network, data.held_out_x, data.held_out_y))
        after_epoch(number, accuracies[-1])

    network = train(
        perceptron(recipe.widths, seed=seed),
        data.train_x,
        data.train_y,
        recipe.phases,
        seed=seed,
        batch=recipe.batch,
        epoch=EXECUTORS[executor],
        after_epoch=hear,
    )
    trained = accuracy(network, data.train_x, data.train_y)
    return Outcome(held_out=tuple(accuracies), trained=trained, digest=digest(network))
