"""`analysis.compare` against the golden quantiser and slow sums, its refusals, and its tables."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from rotation import rotate

import analysis
import formats
from analysis import comparison
from analysis.comparison import table as tables
from analysis.comparison.grid import Policy
from analysis.tensors import Tensor
from reference import quantize

POLICY = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite"}
RNG = np.random.default_rng(22)


def tensors(dtype):
    arrays = {"even": (6, 64), "ragged": (5, 37), "conv": (3, 4, 5), "vector": (45,)}
    found = {name: (RNG.standard_t(4, shape) * 0.1).astype(dtype) for name, shape in arrays.items()}
    found["even"][0] = 0
    return found


def golden(x, row):
    """The row that the golden quantiser and Python's exact sums give; terms as `analysis.metrics` rounds them."""
    made = quantize.recipe(
        row.format, scheme=row.scheme, scale_format=row.scale_format, rounding=row.rounding, saturation=row.saturation
    )
    found = quantize.quantize(x, made, granularity=row.granularity, scale_rule=row.scale_rule)
    y = quantize.dequantize(found).reshape(-1)
    flat = x.astype(y.dtype).reshape(-1)
    distance = np.abs(flat - y)
    noise = math.fsum(float(Fraction(float(d)) ** 2) for d in distance)
    nonzero = flat != 0
    relative = distance[nonzero] / np.abs(flat[nonzero])
    return {
        "noise": noise,
        "snr_db": 10 * math.log10(math.fsum(float(v) ** 2 for v in flat) / noise),
        "max_rel": float(relative.max()),
        "mean_rel": math.fsum(map(float, relative)) / nonzero.sum(),
        "underflowed": float((nonzero & (y == 0)).mean()),
        "bits_per_weight": made.spec.bits + made.group_bits * len(found.scale) / x.size,
    }


@pytest.mark.parametrize(
    ("dtype", "rule"),
    [(np.float16, "absmax"), (np.float32, "absmax"), (np.float64, "absmax"), (np.float16, "mse")],
)
def test_every_row_is_the_golden_quantisers(dtype, rule):
    """Bit for bit: sums of float64 terms differ by their order alone, maxima and counts not at all.

    The search may weigh float32 sums; a factor that it prefers then is as good to 2^-20, so its rows are held to that.
    """
    given = tensors(dtype)
    table = analysis.compare(
        given,
        formats=["int8", "float8_e4m3fn", "float4_e2m1fn"],
        granularities=["tensor", "channel", "group32", "group12"],
        scale_rules=[rule],
        **POLICY,
    )
    assert len(table) == 3 * 4 * 2 * len(given)
    slack = 1e-13 if rule == "absmax" else 2.0**-20
    for row in table.itertuples():
        expected = golden(given[row.tensor], row)
        assert row.noise == pytest.approx(expected["noise"], rel=slack), row
        assert row.bits_per_weight == pytest.approx(expected["bits_per_weight"], rel=1e-15)
        if rule == "absmax":
            assert row.snr_db == pytest.approx(expected["snr_db"], rel=1e-12)
            assert row.max_rel == expected["max_rel"]
            assert row.mean_rel == pytest.approx(expected["mean_rel"], rel=1e-12)
            assert row.underflowed == pytest.approx(expected["underflowed"], abs=1e-15)


def test_absmax_never_saturates_symmetric_formats_and_stays_within_half_an_ulp():
    given = {"w": (RNG.standard_normal((64, 300))).astype(np.float16)}
    names = [f for f in map(formats.get, rotate(comparison.SURVEY + comparison.CORE, 3)) if f.bits > 1]
    table = analysis.compare(given, formats=names, granularities=["group16"], schemes=["symmetric"],
                             scale_rules=["absmax"], **POLICY)  # fmt: skip
    assert (table["saturated"] == 0).all()
    assert (table["max_ulp"] <= 0.5).all()
    assert len(table) + len(table.attrs["left_out"]) == len(names)


def test_search_is_never_worse_than_absmax():
    given = {"w": (RNG.standard_t(3, (20, 96))).astype(np.float32)}
    table = analysis.compare(given, formats=["int8", "float4_e2m1fn"], granularities=["channel", "group32"], **POLICY)
    pairs = table.pivot_table(index=["format", "granularity", "scheme"], columns="scale_rule", values="noise")
    assert (pairs["mse"] <= pairs["absmax"] * (1 + 2.0**-20)).all()
    assert (pairs["mse"] < pairs["absmax"]).any()


def test_representable_weights_have_no_noise():
    given = {"w": np.float16([[-6, 4, 3, 2, 1.5, 1, 0.5, 0], [6, -4, -3, -2, -1.5, -1, -0.5, 0]])}
    row = analysis.compare(given, formats=["float4_e2m1fn"], granularities=["channel"], schemes=["symmetric"],
                           scale_rules=["absmax"], **POLICY).iloc[0]  # fmt: skip
    assert (row.snr_db, row.noise, row.max_rel, row.max_ulp) == (math.inf, 0, 0, 0)


def test_float32_subnormals_are_not_zero():
    given = {"w": np.float32([[1e-39, 3e-39, 1e-38]])}
    row = analysis.compare(given, formats=["float4_e2m1fn"], granularities=["tensor"], schemes=["asymmetric"],
                           scale_rules=["absmax"], **POLICY).iloc[0]  # fmt: skip
    assert (row.nonzero, row.signal > 0) == (3, True)


def test_search_drops_candidates_that_overflow():
    """Under SAT_NONE a shrunken range makes NaN of E4M3FN's largest weights; the full range never does."""
    given = {"w": RNG.standard_normal((4, 64)).astype(np.float32)}
    table = analysis.compare(given, formats=["float8_e4m3fn"], granularities=["channel"], schemes=["symmetric"],
                             rounding="nearest_ties_to_even", saturation="sat_none")  # fmt: skip
    absmax, mse = (table[table["scale_rule"] == rule].iloc[0] for rule in ("absmax", "mse"))
    assert np.isfinite(absmax["noise"])
    assert mse["noise"] <= absmax["noise"]


def test_default_grid_holds_every_narrow_format_once_per_channel():
    every, left_out = comparison.cells(Policy(scale_format="bfloat16", **POLICY))
    found = [cell for cell in every if isinstance(cell, comparison.Cell)]
    narrow = {n for n in formats.names() if formats.get(n).bits <= 8 and not n.startswith("Binary")}
    expected = narrow - {"float8_e8m0fnu"} | {"Binary8p4se", "Binary8p3se", "Binary4p2sf"}
    assert {cell.recipe.spec.name for cell in found if cell.granularity.name == "channel"} == expected
    assert {out.format for out in left_out} >= {"float8_e8m0fnu", "uint8", "int1"}
    assert len({*found}) == len(found)
    for name in comparison.CORE:
        assert sum(cell.recipe.spec.name == name for cell in found) == 5 * 2 * 2


def test_summary_is_of_the_concatenation():
    given = tensors(np.float32)
    both = analysis.compare(given, formats=["int4"], granularities=["group32"], **POLICY)
    one = {"all": np.concatenate([np.pad(a.reshape(-1), (0, -a.size % 32)) for a in given.values()])}
    joined = analysis.compare(one, formats=["int4"], granularities=["group32"], schemes=["symmetric"],
                              scale_rules=["absmax"], **POLICY).iloc[0]  # fmt: skip
    row = comparison.summary(both[both["tensor"] == "even"]).iloc[0]
    assert row["snr_db"] == pytest.approx(both[both["tensor"] == "even"]["snr_db"].max())
    sums = comparison.summary(both).query("scheme == 'symmetric' and scale_rule == 'absmax'").iloc[0]
    parts = both.query("scheme == 'symmetric' and scale_rule == 'absmax'")
    assert sums["snr_db"] == pytest.approx(10 * math.log10(parts["signal"].sum() / parts["noise"].sum()))
    assert sums["mean_rel"] == pytest.approx((parts["mean_rel"] * parts["nonzero"]).sum() / parts["nonzero"].sum())
    assert joined["signal"] == pytest.approx(parts["signal"].sum(), rel=1e-12)


def test_common_prefers_the_usual_combination_among_equals():
    rows = [
        (f, g, s, "absmax") for f in ("a", "b") for g in ("group32", "channel") for s in ("asymmetric", "symmetric")
    ]
    cells = pd.DataFrame(rows, columns=["format", "granularity", "scheme", "scale_rule"]).assign(kind="scalar")
    assert set(tables.common(cells)["granularity"] + tables.common(cells)["scheme"]) == {"channelsymmetric"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"layer.0": np.float32([[1, np.nan, np.inf, -np.inf]])},
            "tensor 'layer.0' holds 1 NaN and 2 infinite elements",
        ),
        ({"hollow": np.zeros((0, 4), np.float32)}, "tensor 'hollow' of shape (0, 4) is empty; leave it out"),
        ({}, "there is no tensor to compare"),
    ],
)
def test_bad_tensors_are_named(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        analysis.compare(given, **POLICY)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"formats": ["int9"]}, KeyError, "unknown format 'int9'; near names"),
        ({"granularities": ["row"]}, ValueError, "granularity='row' is not known"),
        ({"schemes": ["affine"]}, ValueError, "scheme='affine' is not known; choose one of: symmetric, asymmetric"),
        ({"scale_rules": ["max"]}, ValueError, "scale_rule='max' is not known; choose one of: absmax, mse"),
        ({"rounding": "rne"}, ValueError, "rounding='rne' is not known"),
        ({"saturation": None}, TypeError, "saturation must be stated"),
        ({"formats": []}, ValueError, "an empty list was given"),
        ({"formats": ["float8_e8m0fnu"]}, ValueError, "no combination is left to run: float8_e8m0fnu symmetric: "),
        ({"rounding": "stochastic_b"}, ValueError, "needs random bits"),
        ({"scale_format": "bf16"}, KeyError, "unknown format 'bf16'"),
    ],
)  # fmt: skip
def test_bad_choices_are_named(options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        analysis.compare({"w": np.ones((2, 2), np.float32)}, **{**POLICY, **options})


def test_a_scale_beyond_its_format_is_refused():
    with pytest.raises(ValueError, match="beyond the range of scale_format='float16'"):
        analysis.compare({"w": np.float32([1e30])}, formats=["int4"], scale_format="float16", **POLICY)


def test_tensors_of_one_name_stay_apart_and_progress_reaches_the_end():
    same = [Tensor(name="w", values=np.float16([[v, 1]]), source="here") for v in (0.5, 0.3)]
    heard = []
    table = analysis.compare(same, formats=["int4"], granularities=["channel"], schemes=["symmetric"],
                             progress=lambda done, total, label: heard.append((done, total)), **POLICY)  # fmt: skip
    assert len(table) == 4
    assert heard[0][0] == 0
    assert heard[-1][0] == heard[-1][1]


def test_importing_the_package_stays_cheap():
    import subprocess
    import sys

    script = "import analysis, sys; print([m for m in ('jax', 'pandas', 'matplotlib', 'numpy') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
