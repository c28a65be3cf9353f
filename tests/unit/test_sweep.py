"""The sweep's bookkeeping: counting, resuming, choosing cells, and the command's exit status."""

from __future__ import annotations

import ast
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import formats
from analysis import evidence
from analysis.cli import app
from analysis.commands.sweep import select
from analysis.sweep import KINDS, PROOF, Cell, Outcome, Result, Results, carry_out, cells, digest, key, summary
from analysis.sweep.outcome import Tally
from formats import Rounding, Saturation

ROOT = Path(digest.__file__).parents[2]
OUTCOME = Outcome(compared=10, mismatches=0, first="", digest="ab")
RESULT = Result(cell="codes/int4", key="k", outcome=OUTCOME, seconds=0.5)
WEE = ["sweep", "--kinds", "codes", "--formats", "int4,uint4", "--jobs", "1"]


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


class TestTally:
    def test_equal_arrays(self):
        tally = Tally()
        tally.equal(np.arange(6), np.arange(6), np.arange(6), "a")
        tally.equal(np.arange(4), np.arange(4), np.arange(4), "b")
        outcome = tally.outcome()
        assert (outcome.compared, outcome.mismatches, outcome.first) == (10, 0, "")

    def test_every_difference_counts_and_the_first_is_kept(self):
        tally = Tally()
        tally.equal(np.uint8([1, 2, 3]), np.uint8([1, 5, 6]), np.float32([0.5, 1.5, 2.5]), "one")
        tally.equal(np.uint8([1, 2, 3]), np.uint8([9, 2, 3]), np.float32([0.5, 1.5, 2.5]), "two")
        outcome = tally.outcome()
        assert (outcome.compared, outcome.mismatches) == (6, 3)
        assert outcome.first == "one: input np.float32(1.5): np.uint8(2) expected, np.uint8(5) found"

    @pytest.mark.parametrize("got", [np.uint8([1, 2]), np.uint16([1, 2, 3]), np.uint8([[1, 2, 3]])])
    def test_another_shape_or_dtype_is_wrong_throughout(self, got):
        tally = Tally()
        tally.equal(np.uint8([1, 2, 3]), got, np.arange(3), "short")
        outcome = tally.outcome()
        assert (outcome.compared, outcome.mismatches) == (3, 3)
        assert outcome.first.startswith("short: uint")

    def test_the_digest_is_that_of_what_was_expected(self):
        def digest_of(expected, got):
            tally = Tally()
            tally.equal(np.uint8(expected), np.uint8(got), np.arange(len(expected)), "")
            return tally.outcome().digest

        assert digest_of([1, 2], [1, 2]) == digest_of([1, 2], [3, 4]) != digest_of([1, 3], [1, 3])


class TestCells:
    def test_every_kind_covers_what_it_says(self):
        narrow = [formats.get(name) for name in formats.names() if formats.get(name).bits <= 8]
        policies = sum(len(spec.saturations) for spec in narrow)
        wrapping = sum(Saturation.WRAP in spec.saturations for spec in narrow)
        counts = {kind: len([*cells(kind)]) for kind in KINDS}
        assert counts["codes"] == len(formats.names())
        assert 2 * counts["sixteen"] == counts["float32"] == 2 * 6 * policies  # float32 has a cell for each sign
        assert counts["stochastic"] == 3 * policies
        assert counts["classes"] == 6 * (policies - wrapping)
        assert {cell.kept for cell in cells("fold")} == set(range(2, 11))

    def test_names_are_unique(self):
        names = [cell.name for kind in KINDS for cell in cells(kind)]
        assert len(set(names)) == len(names)
        assert "classes/float8_e5m2/to_odd/sat_none" in names
        assert {"codes/tf32", "fold/5"} < set(names)

    def test_work_is_positive(self):
        assert all(cell.work > 0 for kind in KINDS for cell in cells(kind))

    def test_unknown_kind(self):
        with pytest.raises(ValueError, match="unknown kind 'all'; choose among: codes, fold, classes"):
            [*cells("all")]

    def test_the_proof_is_the_default(self):
        assert select("", "", "1/1") == [cell for kind in PROOF for cell in cells(kind)]

    def test_parts_are_disjoint_and_together_the_whole(self):
        parts = [select("sixteen, codes", "", f"{i}/3") for i in (1, 2, 3)]
        union = [cell for part in parts for cell in part]
        assert len(union) == len(set(union))
        assert set(union) == {*cells("sixteen"), *cells("codes")}

    def test_formats_by_any_spelling(self):
        assert {cell.fmt for cell in select("", "e3m2, int4", "1/1")} == {"float6_e3m2fn", "int4"}

    @pytest.mark.parametrize("part", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", ""])
    def test_bad_parts(self, part):
        with pytest.raises(ValueError, match="is no i/n with 1 <= i <= n, such as 1/4"):
            select("codes", "", part)

    def test_formats_without_a_cell(self):
        with pytest.raises(ValueError, match="no cell of these kinds is about float16"):
            select("classes", "float16,int4", "1/1")


class TestKeys:
    CELL = Cell(kind="sixteen", fmt="int4", rounding=Rounding.TO_ODD, saturation=Saturation.WRAP)

    def test_a_key_depends_on_name_and_sources(self):
        others = [dataclasses.replace(self.CELL, fmt="uint4"), dataclasses.replace(self.CELL, kind="float32")]
        assert len({key(cell, "s") for cell in (self.CELL, *others)} | {key(self.CELL, "t")}) == 4

    def test_a_key_depends_on_the_format_record(self, monkeypatch):
        before = key(self.CELL, "s")
        monkeypatch.setattr(formats, "get", lambda name: dataclasses.replace(SPEC, minimum=-7))
        assert key(self.CELL, "s") != before

    def test_the_source_digest_depends_on_every_source(self, monkeypatch, tmp_path):
        for source in digest.SOURCES:
            (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / source).write_bytes((ROOT / source).read_bytes())
        assert digest.source_digest() == digest.source_digest()
        before = digest.source_digest()
        monkeypatch.setattr(digest, "_ROOT", tmp_path)
        assert digest.source_digest() == before
        seen = {before}
        for source in digest.SOURCES:
            with (tmp_path / source).open("a") as file:
                file.write("\n")
            seen.add(digest.source_digest())
        assert len(seen) == len(digest.SOURCES) + 1

    def test_no_module_that_runs_in_a_cell_is_left_out(self):
        """All that the listed files import from modules of this project is listed; packages only pass names on."""
        elsewhere = {"formats/registry.py", "formats/p3109.py"}  # what they say is in the record, part of the key
        for source in digest.SOURCES:
            assert imports(ROOT / source) <= {*digest.SOURCES, *elsewhere}


SPEC = formats.get("int4")


def imports(path):
    """The project's modules that a file imports, as paths."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            found |= {f"{name.replace('.', '/')}.py" for name in names}
    return {module for module in found if (ROOT / module).is_file()}


class TestResults:
    def test_kept_from_one_run_to_the_next(self, tmp_path):
        Results(tmp_path / "deep").add(RESULT)
        assert Results(tmp_path / "deep").get("codes/int4", "k") == RESULT

    def test_stale_and_unknown(self, tmp_path):
        results = Results(tmp_path)
        results.add(RESULT)
        assert results.get("codes/int4", "another key") is None
        assert results.get("codes/int8", "k") is None

    def test_a_later_line_replaces_an_earlier_one(self, tmp_path):
        later = dataclasses.replace(RESULT, key="new", seconds=2.0)
        for result in (RESULT, later):
            Results(tmp_path).add(result)
        assert Results(tmp_path).get("codes/int4", "new") == later
        assert Results(tmp_path).get("codes/int4", "k") is None

    def test_a_last_line_cut_off_is_done_again(self, tmp_path):
        results = Results(tmp_path)
        results.add(RESULT)
        results.add(dataclasses.replace(RESULT, cell="codes/int8"))
        content = results.path.read_bytes()
        for length in range(len(content) // 2 + 1, len(content)):
            results.path.write_bytes(content[:length])
            again = Results(tmp_path)
            assert again.get("codes/int4", "k") == RESULT
            assert again.get("codes/int8", "k") is None
            again.add(dataclasses.replace(RESULT, cell="codes/int8"))
            assert results.path.read_bytes() == content

    @pytest.mark.parametrize("line", ["{}", "no json", '{"cell": 1}', "[]"])
    def test_a_line_that_is_no_result_is_named(self, tmp_path, line):
        results = Results(tmp_path)
        results.add(RESULT)
        with results.path.open("a") as file:
            file.write(line + "\n")
        with pytest.raises(ValueError, match=r"results.jsonl, line 2 is no result of a sweep"):
            Results(tmp_path)


class TestSummary:
    RED = Result(
        cell="fold/5", key="k", outcome=Outcome(compared=7, mismatches=2, first="here", digest="cd"), seconds=1.25
    )

    def test_counts(self):
        total = summary([RESULT, self.RED, dataclasses.replace(RESULT, cell="codes/int8")])
        assert (total["cells"], total["compared"], total["mismatches"], total["seconds"]) == (3, 27, 2, 2.2)
        assert total["kinds"]["codes"] == {"cells": 2, "compared": 20, "mismatches": 0, "seconds": 1.0}
        assert total["failures"] == {"fold/5": "here"}

    def test_the_digest_depends_on_results_and_not_on_their_order(self):
        forward, backward = summary([RESULT, self.RED]), summary([self.RED, RESULT])
        assert forward == backward
        assert forward["result_digest"] != summary([RESULT])["result_digest"]


class TestWorkers:
    def test_a_cell_that_breaks_is_red_and_the_others_go_on(self):
        broken = Cell(kind="codes", fmt="no_such_format")
        found = {
            cell: outcome
            for cell, outcome, _ in carry_out([broken, Cell(kind="codes", fmt="int4")], jobs=1, heard=print)
        }
        assert found[broken].mismatches == 1
        assert found[broken].first.startswith("KeyError: \"unknown format 'no_such_format'")
        assert found[Cell(kind="codes", fmt="int4")].mismatches == 0

    def test_progress_is_heard(self):
        heard = []
        cell = Cell(kind="classes", fmt="float3_e2m0", rounding=Rounding.TO_ODD, saturation=Saturation.SAT_NONE)
        [(_, outcome, seconds)] = carry_out([cell], jobs=1, heard=lambda *note: heard.append(note))
        assert heard == [(cell, 0.5), (cell, 1.0)]
        assert outcome.mismatches == 0
        assert seconds > 0


class TestCommand:
    def test_runs_records_and_resumes(self, tmp_path):
        first = run(*WEE, "--out", tmp_path, "--record", tmp_path / "new" / "record.json")
        assert first.exit_code == 0, first.output
        assert "HOLDS: a part of the proof" in first.output
        record = json.loads((tmp_path / "new" / "record.json").read_text())
        assert (record["cells"], record["mismatches"], record["complete"]) == (2, 0, False)
        assert record["spec_digest"] == evidence.spec_digest()
        assert record["source_digest"] == digest.source_digest()
        assert {"date", "machine", "versions", "python", "result_digest", "seconds", "kinds"} <= record.keys()
        lines = (tmp_path / "results.jsonl").read_text()
        assert len(lines.splitlines()) == 2
        second = run(*WEE, "--out", tmp_path, "--json")
        assert second.exit_code == 0
        assert json.loads(second.stdout)["result_digest"] == record["result_digest"]
        assert (tmp_path / "results.jsonl").read_text() == lines

    def test_a_mismatch_is_exit_status_1(self, tmp_path):
        sources = digest.source_digest()
        bad = Outcome(compared=10, mismatches=1, first="somewhere", digest="")
        for name in ("int4", "uint4"):
            cell = Cell(kind="codes", fmt=name)
            Results(tmp_path).add(Result(cell=cell.name, key=key(cell, sources), outcome=bad, seconds=0.1))
        result = run(*WEE, "--out", tmp_path)
        assert result.exit_code == 1
        assert "codes/uint4: somewhere" in result.output
        assert "FALLS SHORT" in result.output

    def test_stale_results_are_done_again(self, tmp_path):
        Results(tmp_path).add(dataclasses.replace(RESULT, cell="codes/int4", key="of other code"))
        result = run("sweep", "--kinds", "codes", "--formats", "int4", "--jobs", 1, "--out", tmp_path, "--json")
        assert result.exit_code == 0
        assert json.loads(result.stdout)["compared"] > 10

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--kinds", "some"], "unknown kind 'some'"),
            (["--formats", "int5"], "unknown format 'int5'"),
            (["--part", "2/1"], "is no i/n"),
        ],
    )
    def test_wrong_use(self, tmp_path, arguments, message):
        result = run("sweep", *arguments, "--out", tmp_path)
        assert message in str(result.exception)
        assert isinstance(result.exception, (KeyError, ValueError))

    def test_help_has_an_example(self):
        assert "assay sweep --kinds codes,classes --formats float8_e4m3fn,int8" in run("sweep", "--help").output
