"""The maps of differing requantisers against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.requantisers import compare_rules, matrix, picture
from analysis.requantisers.__main__ import main
from formats.integer_only.requantisers import requantisers


def test_half_up_and_half_away_differ_on_negative_ties_alone():
    found = compare_rules("tvm_upward", "tvm_tonearest", 0.5, reach=100)
    assert (found.compared, found.differing, found.largest, found.first) == (201, 50, 1, (-1, 0, -1))


def test_a_rule_and_itself():
    found = compare_rules("ruy", "tflite_double_rounding", 0.3)
    assert (found.differing, found.largest, found.first) == (0, 0, None)


def test_the_matrix_is_symmetric_with_a_zero_diagonal():
    shares = matrix(reach=200)
    assert list(shares.columns) == list(requantisers())
    np.testing.assert_array_equal(shares.to_numpy(), shares.to_numpy().T)
    assert (np.diag(shares.to_numpy()) == 0).all()
    assert (shares.to_numpy() > 0).any()
    assert picture(shares).axes


def test_what_is_refused():
    with pytest.raises(ValueError, match="gemmlowp takes -31 to 0"):
        compare_rules("gemmlowp_fixed_point", "ruy", 1.5)
    with pytest.raises(ValueError, match=r"reach=0 must lie in \[1, 2\^20\)"):
        compare_rules("ruy", "ruy", 0.5, reach=0)


def test_the_command(tmp_path, capsys):
    main(["--out", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 + len(requantisers())
    assert (tmp_path / "requantisers.png").stat().st_size > 10_000
