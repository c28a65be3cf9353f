"""Tests import modules of tests and of benchmarks by their bare names: no name may be in both."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_module_of_tests_is_named_as_one_of_benchmarks():
    ours, theirs = ({path.stem for path in (ROOT / folder).glob("*.py")} for folder in ("tests", "benchmarks"))
    assert ours
    assert theirs
    assert not ours & theirs
