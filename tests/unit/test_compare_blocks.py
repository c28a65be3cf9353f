"""Block formats in `analysis.compare`, against the golden model on whole tensors and exact sums."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from rotation import rotate
from typer.testing import CliRunner

import analysis
import formats
from analysis import cli, comparison, metrics, plots
from analysis.comparison import block_execute
from analysis.comparison import table as tables
from analysis.comparison.block_cells import block_cells
from analysis.comparison.grid import Policy
from formats.block_formats.named import block, blocks
from formats.block_formats.rules import block_rule, block_rules
from formats.block_formats.spec import Shift
from formats.code_books.book import CodebookSpec
from reference import dequantize_blocks, quantize_blocks
from reference.array.block_grid import spread
from reference.array.block_value import numbers
from reference.quantize.granularity import channels

POLICY = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite"}
RNG = np.random.default_rng(41)


def tensors(dtype):
    shapes = {"even": (6, 256), "ragged": (5, 37), "conv": (3, 4, 5), "vector": (45,), "tall": (130, 20)}
    found = {name: (RNG.standard_t(4, shape) * 0.1).astype(dtype) for name, shape in shapes.items()}
    found["even"][0] = 0
    found["even"][1, :32] = 2.0**-24  # beside the others the scale of its blocks may round to 0
    found["tall"][3, 4] = -3
    return found


def golden(x, row):
    """The same numbers from a tensor that is quantised whole: Python's exact sums, the units of `analysis.metrics`."""
    spec, table = block(row.format), np.float32(x).reshape(channels(x.shape))
    made = quantize_blocks(table, spec, rule=row.scale_rule, ragged="short")
    flat, y = table.reshape(-1).astype(np.float64), dequantize_blocks(made).reshape(-1).astype(np.float64)
    distance, nonzero = np.abs(flat - y), flat != 0
    bits = sum(part.size * b for part, b in stored(made))
    quotient, scale, low, high = (part.reshape(-1) for part in quotients(table, made))
    ulps = ratio(distance, scale * metrics.last_place(quotient, metrics.ulp_scale(spec.element), np))
    return {
        "noise": math.fsum(float(Fraction(float(d)) ** 2) for d in distance),
        "max_rel": (distance[nonzero] / np.abs(flat[nonzero])).max(),
        "mean_rel": math.fsum(distance[nonzero] / np.abs(flat[nonzero])) / nonzero.sum(),
        "max_ulp": ulps.max(),
        "mean_ulp": math.fsum(ulps) / x.size,
        "saturated": ((quotient < low) | (quotient > high)).mean(),
        "underflowed": (nonzero & (y == 0)).mean(),
        "bits_per_weight": bits / x.size,
    }


def stored(made):
    """Every array of the record, with the bits of its elements."""
    spec = made.spec
    parts = [(made.codes, spec.element.bits), (made.scales, spec.scale.format.bits)]
    if made.second is not None:
        parts.append((made.second, 32))
    return parts if spec.shift is None else [*parts, (made.shifts, spec.shift.format.bits)]


def quotients(x, made):
    """What was rounded, its scale, and the bounds it is held to, for each element."""
    spec = made.spec
    scale = numbers(made.scales, spec.scale.format)
    if made.second is not None:
        scale = scale / made.second if spec.scale.form.value == "divisor" else scale * np.float64(made.second)
    shift = np.zeros(scale.shape) if spec.shift is None else numbers(made.shifts, spec.shift.format)
    scale, shift = (spread(part, spec.block, x.shape, np) for part in (scale, shift))
    low, high = bounds(spec.element)
    if spec.shift_kind is Shift.ZERO_POINT:
        return ratio(x, scale), scale, low - shift, high - shift
    return ratio(x - shift, scale), scale, np.full(x.shape, low), np.full(x.shape, high)


def ratio(a, b):
    """The quotient, which is 0 for 0 in a block whose scale is 0, infinite for all else there."""
    with np.errstate(divide="ignore"):
        return np.divide(a, b, out=np.zeros(a.shape), where=a != 0)


def bounds(element):
    if isinstance(element, CodebookSpec):
        values = [element.fraction(code) for code in range(element.size)]
        return float(min(values)), float(max(values))
    if isinstance(element, formats.IntSpec):
        return element.minimum / 2**element.fraction_bits, element.maximum / 2**element.fraction_bits
    largest = {
        "float8_e4m3fn": 448,
        "float8_e5m2": 57344,
        "float6_e2m3fn": 7.5,
        "float6_e3m2fn": 28,
        "float4_e2m1fn": 6,
    }
    return -largest[element.name], largest[element.name]


def hold(table, given):
    for row in table.itertuples():
        expected = golden(given[row.tensor], row)
        for name in ("noise", "mean_rel", "mean_ulp", "saturated", "underflowed", "bits_per_weight"):
            assert getattr(row, name) == pytest.approx(expected[name], rel=1e-13), (row.format, row.tensor, name)
        assert (row.max_rel, row.max_ulp) == (expected["max_rel"], pytest.approx(expected["max_ulp"], rel=1e-15))


@pytest.mark.parametrize("name", rotate(blocks(), 4))
def test_every_row_is_the_golden_models(name):
    given = tensors(np.float16)
    table = analysis.compare(given, formats=[block(name)], **POLICY)
    assert len(table) == len(given)
    assert set(table["kind"]) == {"block"}
    hold(table, given)


@pytest.mark.parametrize("name", ["nvfp4", "uint4_g32_offset", "deepseek_128x128"])
def test_pieces_change_nothing(name, monkeypatch):
    """Many pieces, each with a part of the tensor: a number for the whole tensor is still that of the tensor."""
    monkeypatch.setattr(block_execute, "_PIECE", 64)
    given = tensors(np.float32)
    table = analysis.compare(given, formats=[name], **POLICY)
    hold(table, given)


def test_every_block_format_has_a_rule_that_goes_with_it():
    assert set(comparison.DEFAULT_RULES) == set(blocks())
    found, left_out = block_cells(map(block, blocks()))
    assert (len(found), left_out) == (len(blocks()), [])
    assert [cell.rule.name for cell in found] == [comparison.DEFAULT_RULES[name] for name in blocks()]


def test_rules_and_formats_that_go_together_are_run_and_the_others_named():
    found, left_out = block_cells(map(block, blocks()), block_rules())
    assert len(found) + len(left_out) == len(blocks()) * len(block_rules())
    assert {"mxfp4, even", "nvfp4, modelopt_nvfp4", "int4_g128, absmax_half_step"} <= {cell.label for cell in found}
    reasons = {out.what: out.reason for out in left_out}
    assert reasons["nvfp4 symmetric floor"] == "only one of them has a second level"
    assert reasons["uint4_g128 asymmetric absmax"] == "only one of them has a shift"
    assert reasons["mxfp8_e4m3 symmetric bitsandbytes_nf4"].startswith("rule 'bitsandbytes_nf4' is for elements in nf4")


def test_rows_say_what_was_run():
    given = {"w": np.float32(RNG.standard_normal((4, 40)))}
    names = ["mxfp4", "int4", "deepseek_128x128", "uint4_g128", "nf4_g64"]
    table = analysis.compare(given, formats=names, granularities=["channel"], schemes=["symmetric"],
                             scale_rules=["mse"], **POLICY)  # fmt: skip
    keys = ["kind", "format", "bits", "granularity", "scheme", "scale_rule", "scale_format", "rounding"]
    assert table[keys].to_numpy().tolist() == [
        ["scalar", "int4", 4, "channel", "symmetric", "mse", "bfloat16", "nearest_ties_to_even"],
        ["block", "mxfp4", 4, "group32", "symmetric", "floor", "float8_e8m0fnu", "nearest_ties_to_even"],
        ["block", "deepseek_128x128", 8, "tile128x128", "symmetric", "deepseek_v3", "float32", "nearest_ties_to_even"],
        ["block", "uint4_g128", 4, "group128", "asymmetric", "minmax_zero_point", "float16", "nearest_ties_to_even"],
        ["block", "nf4_g64", 4, "group64", "symmetric", "bitsandbytes_nf4", "float32", "bitsandbytes_nf4"],
    ]
    assert table["bits_per_weight"].tolist()[1:4] == [4 + 8 * 8 / 160, 8 + 32 / 160, 4 + 20 * 4 / 160]


def test_a_name_of_a_format_and_a_block_format_stands_for_both():
    table = analysis.compare({"w": np.ones((2, 32), np.float32)}, formats=["mxint8"], granularities=["group32"],
                             schemes=["symmetric"], scale_rules=["absmax"], **POLICY)  # fmt: skip
    assert table["kind"].tolist() == ["scalar", "block"]
    assert len(comparison.summary(table)) == 2


def test_the_survey_holds_block_formats_and_a_choice_does_not():
    policy = Policy(scale_format="bfloat16", **POLICY)
    found, _ = comparison.cells(policy)
    assert tuple((c.spec.name, c.rule.name) for c in found if isinstance(c, comparison.BlockCell)) == (
        comparison.SURVEY_BLOCKS
    )
    chosen, _ = comparison.cells(policy, granularities=["channel"])
    assert not any(isinstance(cell, comparison.BlockCell) for cell in chosen)
    ruled, left_out = comparison.cells(policy, block_rules=["even"])
    names = {c.spec.name for c in ruled if isinstance(c, comparison.BlockCell)}
    assert names | {out.format for out in left_out if out.rule} == set(blocks())
    assert {"mxfp4", "mxfp8_e4m3", "msfp12"} <= names
    assert {"nvfp4 symmetric even", "nf4_g64 symmetric even"} <= {out.what for out in left_out}


def test_a_scale_of_zero_counts_as_saturated_underflowed_and_infinitely_far():
    given = {"w": np.float32([[2.0**-40, 0.0] * 64])}
    row = analysis.compare(given, formats=["int4_g128"], **POLICY).iloc[0]
    assert (row.underflowed, row.saturated, row.max_rel) == (0.5, 0.5, 1)
    assert (row.max_ulp, row.mean_ulp, row.snr_db) == (math.inf, math.inf, 0)
    zeros = analysis.compare({"w": np.zeros((1, 64), np.float32)}, formats=["mxfp4", "nvfp4"], **POLICY)
    assert (zeros[["noise", "max_ulp", "saturated", "underflowed"]] == 0).all(axis=None)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"formats": ["mxfp5"]}, KeyError, "unknown format 'mxfp5'"),
        ({"formats": ["mxfp4"], "block_rules": ["flor"]}, KeyError, "unknown block rule 'flor'; known: floor, "),
        ({"formats": ["int4"], "block_rules": ["even"]}, ValueError, "block_rules are for block formats, of which"),
        ({"formats": ["nvfp4"], "block_rules": ["even"]}, ValueError,
         "no combination is left to run: nvfp4 symmetric even: only one of them has a second level"),
        ({"formats": [replace(block("mxfp4"), name="mine")]}, ValueError, "no rule is known for block format 'mine'"),
        ({"formats": [replace(block("mxfp4"), block=(2, 2, 2))]}, ValueError, "tensors are cut into groups or tiles"),
        ({"formats": ["mxfp4"], "scale_format": "nf4"}, KeyError, "'nf4' is a code-book"),
    ],
)  # fmt: skip
def test_bad_choices_are_named(options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        analysis.compare({"w": np.ones((2, 2), np.float32)}, **{**POLICY, **options})


def test_a_block_format_of_ones_own_takes_a_stated_rule():
    mine = replace(block("mxfp4"), name="mine", block=(6,))
    x = np.float32(RNG.standard_normal((3, 20)))
    row = analysis.compare({"w": x}, formats=[mine], block_rules=[block_rule("rceil")], **POLICY).iloc[0]
    y = dequantize_blocks(quantize_blocks(x, mine, rule="rceil", ragged="short"))
    assert row.granularity == "group6"
    assert row.noise == pytest.approx(float(((x.astype(np.float64) - y) ** 2).sum()), rel=1e-13)
    assert row.bits_per_weight == 4 + 8 * 12 / 60


def test_float64_is_left_out_by_name():
    given = {"narrow": np.ones((2, 32), np.float32), "wide": np.ones((2, 32))}
    table = analysis.compare(given, formats=["mxfp4", "int4"], granularities=["channel"], **POLICY)
    assert set(table["format"]) == {"int4"}
    assert table.attrs["left_out"][-1] == {
        "format": "mxfp4", "scheme": "symmetric", "rule": "floor",
        "reason": "tensor 'wide' is float64, which block formats do not take",
    }  # fmt: skip
    with pytest.raises(
        ValueError, match="no combination is left to run: mxfp4 symmetric floor: tensor 'wide' is float64"
    ):
        analysis.compare(given, formats=["mxfp4"], **POLICY)


def test_last_places_of_a_code_book_are_the_distances_of_its_values():
    scale = metrics.ulp_scale(block("nf4_g64").element)
    assert isinstance(scale, metrics.Neighbours)
    middles = (scale.values[1:] + scale.values[:-1]) / 2
    assert (metrics.last_place(middles, scale, np) == np.diff(scale.values)).all()
    assert metrics.last_place(np.array([-2.0, 2.0]), scale, np).tolist() == np.diff(scale.values)[[0, -1]].tolist()


def test_scalars_alone_decide_what_lies_side_by_side():
    keys = ["kind", "format", "granularity", "scheme", "scale_rule"]
    rows = [("block", f, "group32", "symmetric", "floor") for f in "abc"] + [
        ("scalar", "d", "channel", "symmetric", "mse")
    ]
    cells = pd.DataFrame(rows, columns=keys)
    assert tables.common(cells)["format"].tolist() == ["d"]
    assert tables.common(tables.part(cells, "block"))["format"].tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("names", ["mxfp4,nvfp4,deepseek_128x128", "mxfp4,nf4_g64,int4"])
def test_command(names, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "by_tensor", lambda rows, draw=plots.by_tensor: drawn.append(rows) or draw(rows))
    arguments = ["--distribution", "normal", "--size", "4096", "--formats", names, "--block-rules", "floor,even,absmax"]
    result = CliRunner().invoke(cli.app, ["compare", *arguments, "--scales", "absmax", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "mxfp4 group32 sym even" in text
    assert ("rounding nearest_ties_to_even" in text) == ("int4" in names)
    assert set(drawn[0]["format"]) >= {"mxfp4, floor", "mxfp4, even"}
    page = (tmp_path / "compare.html").read_text("utf-8")
    assert ("Relative errors</h2>" in page) == ("int4" in names)
    assert "<h2>Block formats</h2>" in page
    left_out = "nvfp4 symmetric floor" if "nvfp4" in names else "nf4_g64 symmetric floor"
    assert f"<dt>{left_out}</dt>" in page
    assert f"left out: {left_out}: " in text
