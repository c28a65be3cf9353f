"""``assay accumulate`` from end to end, and its pictures."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from analysis.accumulation import matrices, measure, pictures
from analysis.commands.accumulate import accumulate
from analysis.plots import png
from formats import accumulator

app = typer.Typer()
app.command()(accumulate)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


SMALL = ("--input", "normal", "--rows", 6, "--columns", 5, "--k", "128,64")
NAMES = "hopper.wgmma.k32.f32.e4m3.e4m3,hopper.wgmma.k32.f32.e4m3.e4m3.promote64,exact.f32"


def test_files_and_json(tmp_path):
    result = run(*SMALL, "--accumulators", NAMES, "--out", tmp_path / "deep", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    table = pd.read_parquet(tmp_path / "deep" / "accumulate.parquet")
    assert found["input"] == "normal, seed 0"
    assert [row["k"] for row in found["table"]] == [64, 128] * 3
    assert table["norm_rel"].tolist() == [row["norm_rel"] for row in found["table"]]
    fast, promoted, exact = (table[table["accumulator"] == name].iloc[-1] for name in NAMES.split(","))
    assert fast["norm_rel"] > promoted["norm_rel"] > exact["norm_rel"]
    assert exact["ulp_max"] <= 0.5
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == [
        "accumulate.parquet", "accumulate.png", "accumulate_distribution.png",
    ]  # fmt: skip
    for name in ("accumulate.png", "accumulate_distribution.png"):
        assert (tmp_path / "deep" / name).read_bytes().startswith(b"\x89PNG")


def test_table_on_the_terminal_and_another_seed(tmp_path):
    outputs = [run(*SMALL, "--accumulators", NAMES, "--seed", seed, "--out", tmp_path).output for seed in (0, 0, 1)]
    assert outputs[0] == outputs[1] != outputs[2]
    assert "hopper.wgmma.k32.f32.e4m3.e4m3.promote64" in outputs[0]
    assert "S = sum |a b|" in outputs[0]


def test_a_format_for_accumulators_that_take_any(tmp_path):
    result = run(*SMALL, "--accumulators", "fma.bf16,int32.wrap", "--format", "int8", "--out", tmp_path, "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["table"]
    assert rows[-1]["rms"] == 0
    assert rows[0]["rms"] > 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (["--accumulators", "hopper.wgma"], KeyError, "unknown accumulator 'hopper.wgma'"),
        (["--k", "12,x"], ValueError, "--k '12,x': positive whole numbers"),
        (["--k", "48"], ValueError, "K=48 must be a multiple of k=32"),
        (["--accumulators", ","], ValueError, "--accumulators ',' names none"),
        (["--format", "fp9"], KeyError, "unknown format 'fp9'"),
        (["--input", "norm"], KeyError, "unknown distribution 'norm'"),
    ],
)
def test_wrong_use_says_what_is_accepted(options, error, message, tmp_path):
    result = run("--rows", 2, "--columns", 2, "--input", "normal", *options, "--out", tmp_path)
    assert isinstance(result.exception, error)
    assert message in str(result.exception.args[0] if error is KeyError else result.exception)
    assert not list(tmp_path.iterdir())


def test_an_error_beyond_its_bound_ends_with_1(tmp_path, monkeypatch):
    import analysis.accumulation.measured as measured

    monkeypatch.setattr(measured, "results", lambda operands, *_: measured.exact_sums(operands)[0] * 1.1)
    assert run(*SMALL, "--accumulators", "fma.f32", "--out", tmp_path).exit_code == 1


def test_pictures_of_nothing_lost_are_drawn():
    made = matrices("uniform", k=32, rows=2, columns=2, seed=0)
    chosen = accumulator("int32.wrap")
    found = measure(made.quantised(chosen, "int8"), chosen)
    assert not found.error.any()
    figures = pictures.distribution([found]), pictures.against_k(pd.DataFrame([found.row()]))
    assert all(png(figure).startswith(b"\x89PNG") for figure in figures)
    assert np.isfinite(found.running).all()
