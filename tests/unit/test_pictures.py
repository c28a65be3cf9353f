"""Pictures as a reader sees them: a format's colour, and what stands beside what."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from typer.testing import CliRunner

from analysis import cli, plots
from analysis.agreement import draw_map, pictures
from analysis.tensors import Tensor


def colours(figure):
    """By format, of lines or of histograms; a scheme's name may follow the format's."""
    found = {}
    for handle, label in zip(*figure.axes[0].get_legend_handles_labels(), strict=True):
        colour = handle.get_color() if isinstance(handle, Line2D) else handle.get_edgecolor()
        found[label.split(",")[0]] = to_hex(colour)
    return found


def test_a_format_has_one_colour_in_both_pictures(tmp_path, monkeypatch):
    drawn = {}
    for name in ("by_tensor", "errors"):
        original = getattr(plots, name)

        def keep(given, name=name, original=original):
            drawn[name] = original(given)
            return drawn[name]

        monkeypatch.setattr(plots, name, keep)
    options = ["--distribution", "normal", "--size", "4096", "--scales", "absmax", "--granularities", "channel"]
    done = CliRunner().invoke(
        cli.app, ["compare", *options, "--formats", "float4_e2m1fn,int8,int4,float8_e4m3fn", "--out", str(tmp_path)]
    )
    assert done.exit_code == 0, done.output
    lines, histograms = colours(drawn["by_tensor"]), colours(drawn["errors"])
    assert len(set(lines.values())) == 4
    assert lines == histograms


def test_no_two_lines_of_a_picture_look_alike():
    """Nine formats are more than there are colours; where there is one tensor, a line is a point."""
    rows = pd.DataFrame([{"tensor": "w", "format": f"format{i}", "snr_db": float(i)} for i in range(20)])
    lines = plots.by_tensor(rows).axes[0].get_lines()
    assert len({(to_hex(line.get_color()), line.get_marker()) for line in lines}) == 20


def test_bars_lie_beside_their_costs():
    values = np.random.default_rng(0).standard_normal((4, 32)).astype(np.float32)
    found = draw_map({"one": [Tensor(name="w", values=values, source="drawn")]}, formats=["mxfp4"], with_peers=False)
    bars, costs = pictures.picture(found).axes
    assert bars.get_ylim() == costs.get_ylim()
    height = len(found.choices["mxfp4"])
    assert bars.get_ylim() == pytest.approx((height - 0.5, -0.5))
