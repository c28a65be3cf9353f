"""``assay compare`` from end to end: the files it writes, what it prints, and hostile names."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis import cli, plots, report

HOSTILE = ("<script>alert(1)</script>", "$\\frac{x}$[/bold]", 'a"onload="x', "\u202e\u0000é\n")


def run(*arguments):
    return CliRunner().invoke(cli.app, ["compare", *map(str, arguments)])


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.npz"
    random = np.random.default_rng(23)
    np.savez(path, up=random.standard_normal((8, 40)).astype(np.float16), down=random.standard_normal((5, 8)))
    return path


def test_files_and_json(weights, tmp_path):
    out = tmp_path / "deep" / "out"
    result = run("--tensors", weights, "--formats", "int4,float4_e2m1fn", "--granularities", "channel,group8",
                 "--scales", "absmax", "--out", out, "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert sorted(p.name for p in out.iterdir()) == ["compare.html", "compare.parquet", "pareto.png"]
    table = pd.read_parquet(out / "compare.parquet")
    assert len(table) == 2 * 2 * 2 * 2
    assert set(table["tensor"]) == {"up", "down"}
    assert len(found["summary"]) == 8
    best = max(found["summary"], key=lambda row: row["snr_db"])
    assert best == found["summary"][0]
    rows = table[
        (table[["format", "granularity", "scheme"]] == [best[k] for k in ("format", "granularity", "scheme")]).all(
            axis=1
        )
    ]
    assert best["snr_db"] == pytest.approx(10 * math.log10(rows["signal"].sum() / rows["noise"].sum()))
    assert re.fullmatch("[0-9a-f]{64}", found["provenance"]["SHA-256"])
    page = (out / "compare.html").read_text("utf-8")
    assert found["provenance"]["SHA-256"] in page
    assert page.count("data:image/png;base64,") == 3
    assert not re.search(r"(src|href)=.(?!data:)", page)
    assert (out / "pareto.png").read_bytes().startswith(b"\x89PNG")


def test_terminal_names_policy_and_what_was_left_out(tmp_path):
    result = run("--distribution", "student_t:3", "--size", 4096, "--seed", 5, "--formats", "uint4,int8", "--scales",
                 "absmax", "--out", tmp_path)  # fmt: skip
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "student_t:3, 4096 elements, seed 5: 1 tensors, 4,096 weights" in text
    assert "rounding nearest_ties_to_even, saturation sat_finite, scales in bfloat16" in text
    assert "left out: uint4 symmetric: unsigned" in text
    assert set(pd.read_parquet(tmp_path / "compare.parquet")["shape"]) == {"4x1024"}


def test_a_seed_repeats_a_run_and_another_does_not(tmp_path):
    noise = []
    for seed in (9, 9, 10):
        options = (
            "--distribution",
            "laplace",
            "--size",
            2048,
            "--seed",
            seed,
            "--formats",
            "int4",
            "--scales",
            "absmax",
        )
        assert run(*options, "--granularities", "channel", "--out", tmp_path).exit_code == 0
        noise.append(pd.read_parquet(tmp_path / "compare.parquet")["noise"].tolist())
    assert noise[0] == noise[1] != noise[2]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (["--tensors", "missing.npz"], FileNotFoundError, "there is no file missing.npz"),
        (["--distribution", "norml"], KeyError, "unknown distribution 'norml'; near names: normal"),
        (["--distribution", "normal", "--names", "x"], ValueError, "does not go with --tensors or --names"),
        (["--distribution", "normal", "--size", "64", "--formats", "int3"], KeyError, "unknown format 'int3'"),
        (["--distribution", "normal", "--size", "64", "--scheme", "odd"], ValueError, "scheme='odd' is not known"),
    ],
)
def test_wrong_use_says_what_is_accepted(options, error, message):
    result = run(*options)
    assert isinstance(result.exception, error)
    assert message in str(result.exception.args[0] if error is KeyError else result.exception)


def test_names_choose_tensors(weights, tmp_path):
    assert run("--tensors", weights, "--names", "up*", "--formats", "int4", "--out", tmp_path).exit_code == 0
    assert set(pd.read_parquet(tmp_path / "compare.parquet")["tensor"]) == {"up"}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = set()
        self.attributes = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_hostile_names_are_text_everywhere(tmp_path):
    path = tmp_path / "w.safetensors"
    from safetensors.numpy import save_file

    random = np.random.default_rng(24)
    save_file({name: random.standard_normal((4, 8)).astype(np.float32) for name in HOSTILE}, path)
    result = run("--tensors", path, "--formats", "int4", "--granularities", "channel", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "out" / "compare.html").read_text("utf-8")
    parser = Tags()
    parser.feed(page)
    assert "script" not in parser.seen
    assert not any(name.startswith("on") for name in parser.attributes)
    assert set(pd.read_parquet(tmp_path / "out" / "compare.parquet")["tensor"]) == set(HOSTILE)


@pytest.mark.parametrize("name", HOSTILE)
def test_page_escapes_every_kind_of_text(name):
    from analysis.report import markup

    sections = [
        markup.table(name, name, [{name: name}]),
        markup.notes(name, {name: name}),
        markup.figure(name, name, b"png"),
    ]
    parser = Tags()
    parser.feed(report.page(name, name, sections))
    assert "script" not in parser.seen
    assert not any(attribute.startswith("on") for attribute in parser.attributes)
    assert plots.plain(name).isascii()
    assert plots.plain(name).isprintable()


def test_an_interrupt_leaves_the_old_file_alone(tmp_path, monkeypatch):
    from pathlib import Path

    path = report.write(tmp_path / "page.html", b"old")

    def interrupted(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        report.write(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    assert path.read_bytes() == b"old"
