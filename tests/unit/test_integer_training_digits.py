"""Digits learnt with integers only: NumPy and JAX give one digest, and whole runs give the recorded ones."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import typer
from rotation import rotate
from typer.testing import CliRunner

from analysis.integer_training import RECIPES, digits, recipe, run
from analysis.integer_training.__main__ import main
from reference.integer.training import Phase

#: SHA-256 of the weights of whole runs from seed 1, and the digits of 450 that they get right
WHOLE = {
    "niti": ("fa9b142d1e8d5831452ec46503e6ac390742647d6825d303653a2c41b3f0df0d", 438),
    "hybrid": ("7437e7bb1925f926105ae2fd0859a3cbf04e49add78bc10b10fa054b514877e8", 418),
    "zeroth_order": ("343e61a8e57a2f6687c4bc90c0958e65d3b0f83cdb8ba0c9be86964bb2d82e01", 410),
}


def shortened(name, epochs):
    known = RECIPES[name]
    return dataclasses.replace(known, phases=(Phase(epochs=epochs, rule=known.phases[0].rule),))


def test_split():
    data = digits()
    assert data.train_x.q.shape == (1347, 64)
    assert data.held_out_x.q.shape == (450, 64)
    assert data.train_x.exponent == data.held_out_x.exponent == -3
    assert sorted(set(np.unique(data.train_x.q).tolist())) == [*range(0, 121, 8), 127]
    assert [len(data.train_y), len(data.held_out_y)] == [1347, 450]


def test_short_run_learns_in_numpy_and_jax_alike():
    short, data = shortened("niti", 3), digits()
    made = {executor: run(short, data, seed=1, executor=executor) for executor in ("numpy", "jax")}
    assert made["numpy"] == made["jax"]
    assert made["numpy"].digest == "30f94803504be743a73ee9c225e43836b6217832a66dbec9ec8b1b308aeba5d9"
    assert made["numpy"].held_out[-1] > 0.85
    assert made["numpy"] == run(short, data, seed=1, executor="numpy")
    assert made["numpy"].digest != run(short, data, seed=2, executor="numpy").digest


def test_short_hybrid_run_is_the_same_in_numpy_and_jax():
    short, data = shortened("hybrid", 2), digits()
    made = {executor: run(short, data, seed=1, executor=executor) for executor in ("numpy", "jax")}
    assert made["numpy"] == made["jax"]
    assert made["numpy"].digest == "1454d4dbe31ffd0c6ddb083fdc8f5f042c76742838df6b68477f69164767d167"


def test_another_rounding_is_seen_in_the_digest():
    rule = dataclasses.replace(RECIPES["niti"].phases[0].rule, gradient_rounding="psto_shift_floor")
    other = dataclasses.replace(RECIPES["niti"], phases=(Phase(epochs=1, rule=rule),))
    assert run(other, digits(), seed=1, executor="numpy") != run(
        shortened("niti", 1), digits(), seed=1, executor="numpy"
    )


def test_whole_back_propagation():
    made = run(RECIPES["niti"], digits(), seed=1, executor="numpy")
    assert (made.digest, round(450 * made.held_out[-1])) == WHOLE["niti"]
    assert made.held_out[-1] > 0.95


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "executor"), rotate([*itertools.product(WHOLE, ("jax", "numpy"))], 3))
def test_whole_runs(name, executor):
    made = run(RECIPES[name], digits(), seed=1, executor=executor)
    assert (made.digest, round(450 * made.held_out[-1])) == WHOLE[name]
    assert made.held_out[-1] > 0.9


def test_command(monkeypatch):
    monkeypatch.setitem(RECIPES, "niti", shortened("niti", 2))
    app = typer.Typer()
    app.command()(main)
    said = CliRunner().invoke(app, ["--recipes", "niti", "--executor", "numpy", "--every", "1"])
    assert said.exit_code == 0
    assert "niti seed 1 epoch    1/2: held out 0." in said.output
    assert said.output.count("\n") == 3
    for wrong in (["--recipes", "nit"], ["--executor", "cuda"], ["--seeds", "one"]):
        refused = CliRunner().invoke(app, wrong)
        assert refused.exit_code == 2
        assert "accepted: recipes of niti, hybrid, frozen, zeroth_order" in refused.output


def test_bad_input():
    with pytest.raises(ValueError, match="accepted: jax, numpy"):
        run(RECIPES["niti"], digits(), seed=1, executor="cuda")
    with pytest.raises(KeyError, match="known: niti, hybrid, frozen, zeroth_order"):
        recipe("nit")
    with pytest.raises(ValueError, match=r"batch=5000 must lie in 1\.\.1347"):
        run(dataclasses.replace(RECIPES["niti"], batch=5000), digits(), seed=1, executor="numpy")
