"""``python -m analysis.integer_training``: digits learnt with integers only."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from analysis.integer_training.digits import Digits, digits
from analysis.integer_training.recipes import RECIPES
from analysis.integer_training.run import EXECUTORS, run


def main(
    *,
    recipes: Annotated[
        str, typer.Option(help=f"Comma-separated, of {', '.join(RECIPES)}.")
    ] = "niti,hybrid,zeroth_order",
    executor: Annotated[str, typer.Option(help=f"One of {', '.join(EXECUTORS)}: equal bit for bit.")] = "jax",
    seeds: Annotated[str, typer.Option(help="Comma-separated; each gives its own networks.")] = "1",
    every: Annotated[int, typer.Option(min=1, help="Print the accuracy after every so many epochs.")] = 10,
) -> None:
    """Train on 1347 digits with integers only and print the accuracy on 450 others, and a digest of the weights.

    niti: back-propagation. hybrid: the first layer by zeroth order, the last by back-propagation. frozen: the hybrid
    whose first layer stays as it was drawn. zeroth_order: one layer by zeroth order.

    Example: python -m analysis.integer_training --recipes niti --executor numpy
    """
    unknown = [name for name in recipes.split(",") if name not in RECIPES]
    if unknown or executor not in EXECUTORS or not all(seed.isdecimal() for seed in seeds.split(",")):
        accepted = f"recipes of {', '.join(RECIPES)}; executors {', '.join(EXECUTORS)}; seeds 0, 1, ..."
        print(f"recipes={recipes} executor={executor} seeds={seeds}; accepted: {accepted}", file=sys.stderr)
        raise typer.Exit(2)
    data = digits()
    for name in recipes.split(","):
        for seed in seeds.split(","):
            _train(name, data, int(seed), executor, every)


def _train(name: str, data: Digits, seed: int, executor: str, every: int) -> None:
    chosen = RECIPES[name]

    def after_epoch(number: int, held_out: float) -> None:
        if (number + 1) % every == 0 or number + 1 == chosen.epochs:
            print(f"{name} seed {seed} epoch {number + 1:4}/{chosen.epochs}: held out {held_out:.3f}", flush=True)

    outcome = run(chosen, data, seed=seed, executor=executor, after_epoch=after_epoch)
    print(
        f"{name} seed {seed}: held out {outcome.held_out[-1]:.3f}, trained on {outcome.trained:.3f}, {outcome.digest}"
    )


if __name__ == "__main__":
    typer.run(main)
