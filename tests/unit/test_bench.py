"""Kernels on the clock, as far as a machine without a GPU goes: plans, costs, clocks, tables, refusals."""

from __future__ import annotations

import json
import time
from pathlib import Path

import jax
import pytest
import typer
from typer.testing import CliRunner

from analysis.bench import cost, measured, pictures, plan, require_gpu, tables, timed
from analysis.bench.run import attempt
from analysis.commands.bench import bench
from kernels_ref.contracts import Operation, Shape, contract, contracts

RECORD = Path(__file__).parents[2] / "benchmarks" / "records" / "h200_kernels.json"
LARGE = Shape(m=16, n=28672, k=8192)


def invoke(*arguments):
    app = typer.Typer()
    app.command()(bench)
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("w4a16_g128", 16 * 8192 * 2 + 28672 * 8192 / 2 + 28672 * 64 * 2 + 16 * 28672 * 2),
        ("w8a8_int8", 16 * 8192 + 28672 * 8192 + 4 * 28672 + 4 * 16 + 16 * 28672 * 2),
        ("mxfp4_e4m3", 16 * 8192 + 28672 * 8192 / 2 + 28672 * 256 + 4 * 16 + 16 * 28672 * 2),
        ("ternary_int8", 16 * 8192 + 28672 * 8192 / 4 + 4 + 4 * 16 + 16 * 28672 * 2),
    ],
)
def test_bytes_are_those_of_every_array_once(name, expected):
    assert cost.moved(contract(name), LARGE) == expected
    assert cost.operations(contract(name), LARGE) == 2 * 16 * 28672 * 8192


@pytest.mark.parametrize(
    ("name", "per_element"),
    [
        ("encode_float8_e4m3fn_bfloat16", 3),
        ("encode_int4_4bit_low_first", 2.5),
        ("encode_float6_e3m2fn_compressed_tensors_fp6", 2.75),
        ("encode_ternary_ternary_2bit", 2.25),
        ("quantise_mxfp4_bfloat16", 2.5 + 1 / 32),
    ],
)
def test_bytes_of_planes(name, per_element):
    assert cost.moved(contract(name), Shape(m=64, k=640)) == 64 * 640 * per_element


def test_every_contract_has_a_cost():
    for name in contracts():
        assert cost.moved(contract(name), Shape(m=256, n=256, k=1280)) > 0, name


def test_a_plan_has_each_kernel_at_each_shape():
    cases = plan("w8a8_int8", [LARGE, Shape(m=1, n=28672, k=8192)])
    assert [(case.way.rpartition(".")[2], case.shape.m) for case in cases] == [
        ("scaled_matmul", 16),
        ("scaled_matmul", 1),
        ("dense_matmul", 16),
        ("dense_matmul", 1),
    ]
    every = plan("*", [LARGE])
    assert {case.name for case in every} == set(contracts())
    assert all((case.fewer_bytes is None) != (case.name in contracts(Operation.SCALED_PRODUCT)) for case in every)


def test_a_pattern_without_kernels_is_an_error():
    with pytest.raises(ValueError, match=r"no kernel matches 'w3\*'; there are w4a16_g128, "):
        plan("w3*", [LARGE])


def test_calls_take_turns_and_each_is_warmed_up():
    seen = []
    timing = timed([lambda: seen.append(0), lambda: seen.append(1)], least=6, finish=lambda x: x)
    assert seen == [0, 1] * 4
    assert (timing.calls, timing.clock, timing.kernels) == (6, "wall", 0)
    assert timing.lower <= timing.median <= timing.upper


def test_the_wall_clock_is_in_microseconds_of_one_call():
    timing = timed([lambda: time.sleep(0.002)] * 2, least=4, finish=lambda x: x)
    assert 2000 <= timing.median < 200_000


def test_nothing_to_time_is_an_error():
    with pytest.raises(ValueError, match="nothing to time"):
        timed([])


@pytest.mark.parametrize(
    ("size", "count"), [(28672 * 8192 / 2, 3), (4096 * 4096 / 2, 24), (192 << 20, 3), (1, 192 << 20)]
)
def test_weights_are_rotated_past_the_cache(size, count):
    assert measured.buffers(size) == count


PLACE = {"m": 1, "n": 2, "k": 3}
STREAMED = {"what": "w", "way": "a.streamed", **PLACE, "operand": "int8"}
ROWS = [
    {"what": "copy", "bytes": 8e6, "median": 2.5, "lower": 2.0},
    {"what": "read", "bytes": 4e6, "median": 1.0, "lower": 1.0},
    {"what": "XLA int8", "m": 8192, "n": 8192, "k": 8192, "operations": 1e9, "median": 1.0},
    {"what": "XLA bfloat16", **PLACE, "operations": 12, "median": 6.0},
    {**STREAMED, "bytes": 4e6, "operations": 12, "median": 2.0},
    {**STREAMED, "variant": "Variant(stages=3)", "median": 1.0},
    {"what": "v", **PLACE, "not_run": "no"},
    {"what": "e", "way": "kernels_ref.x", "m": 1, "n": 1, "k": 3, "bytes": 2e6, "operations": 0, "median": 1.0},
]


def test_rates_of_the_matrix_unit_say_how_long_a_product_takes_at_least():
    rows = [
        {"what": "wgmma int8", "m": 16, "operations": 5e8, "median": 1.0},
        {"what": "wgmma int8", "m": 64, "not_run": "no GPU"},
        {"what": "wgmma bfloat16", "m": 16, "operations": 2.5e8, "median": 1.0},
        {"what": "XLA int8", "m": 16, "operations": 1e9, "median": 1.0, "n": 1, "k": 1},
    ]
    assert tables.rate_table(rows, 1000, 500).splitlines()[2:] == [
        "| int8 | 500 T/s, 0.0 us |",
        "| bfloat16 | 250 T/s, 0.1 us |",
    ]
    assert tables.rate_table(rows, 28672, 8192).splitlines()[2:] == [
        "| int8 | 500 T/s, 15.0 us |",
        "| bfloat16 | 250 T/s, 30.1 us |",
    ]


def test_ceilings_and_fractions():
    top = tables.ceilings(ROWS)
    assert top == {"copy": 4e12, "read": 4e12, "XLA int8": 1e15}
    assert tables.fraction(ROWS[4], top) == 0.5
    assert tables.fraction({**ROWS[4], "operations": 1.5e9}, top) == 0.75
    assert tables.fraction(ROWS[7], top) == 0.5
    assert tables.fraction(ROWS[6], top) is None


def test_tables_come_from_the_rows():
    assert tables.product_table(ROWS, 2, 3).splitlines() == [
        "| kernel | M = 1 |",
        "| --- | --- |",
        "| XLA bfloat16 | 6.0 us |",
        "| w | 2.0 us, 3.00x, 50% |",
        "| v | not run |",
    ]
    assert tables.plane_table(ROWS).splitlines()[2:] == ["| e | x | 1.0 | 0.50 |"]


def test_pictures_show_the_rows():
    found = pictures.pictures(ROWS)
    assert found == {
        "products_2x3": (pictures.Speed("w", 1, 3.0, 6.0),),
        "planes": (pictures.Share("e", 0.5, is_xla=True),),
    }
    bars = pictures.products(found["products_2x3"]).axes[0]
    assert [bar.get_width() for bar in bars.patches] == [3.0]
    assert list(bars.get_lines()[0].get_xdata()) == [6.0]
    assert bars.get_xlim()[1] > 6.0
    assert [bar.get_width() for bar in pictures.planes(found["planes"]).axes[0].patches] == [0.5]


def test_every_panel_has_a_bar_for_each_product():
    rows = json.loads(RECORD.read_text())["rows"]
    found = pictures.speeds(rows, 28672, 8192)
    panels = pictures.products(found).axes
    assert [axes.get_title(loc="left") for axes in panels] == ["M = 1", "M = 8", "M = 16", "M = 64"]
    for axes, m in zip(panels, (1, 8, 16, 64), strict=True):
        widths = [bar.get_width() for bar in axes.patches]
        assert widths == [each.times for each in found if each.m == m]
        assert len({bar.get_y() for bar in axes.patches}) == len(widths)
        assert axes.get_xlim()[1] > max(each.limit or 0 for each in found)
    w4a16 = next(each for each in found if (each.what, each.m) == ("w4a16_g128", 16))
    own, xla = (
        next(
            row
            for row in rows
            if (row["what"], row.get("m"), row.get("n"), row.get("variant", "default")) == (what, 16, 28672, "default")
        )
        for what in ("w4a16_g128", "XLA bfloat16")
    )
    read = next(row for row in rows if row["what"] == "read")
    assert w4a16.times == pytest.approx(xla["median"] / own["median"])
    assert w4a16.limit == pytest.approx(xla["median"] / own["bytes"] * read["bytes"] / read["lower"])


def test_a_picture_is_drawn_again_when_its_numbers_change(tmp_path):
    file, numbers = tmp_path / "planes.png", pictures.shares(ROWS)
    assert pictures.drawn_from(file) is None
    pictures.renew(file, numbers)
    assert pictures.drawn_from(file) == pictures.digest(numbers)
    before = file.stat().st_mtime_ns
    pictures.renew(file, numbers)
    assert file.stat().st_mtime_ns == before
    pictures.renew(file, (*numbers, pictures.Share("f", 1.0, is_xla=False)))
    assert pictures.drawn_from(file) not in (None, pictures.digest(numbers))


def test_a_record_is_shown_and_drawn_without_a_gpu(tmp_path):
    result = invoke("--record", str(RECORD), "--out", str(tmp_path / "made" / "old.json"))
    assert result.exit_code == 0, result.output
    assert "NVIDIA H200, driver" in result.output
    drawn = sorted(file.name for file in (tmp_path / "made").iterdir())
    assert drawn == ["old_planes.png", "old_products_28672x8192.png", "old_products_4096x4096.png"]


def test_what_fails_is_a_row():
    assert attempt("x", lambda: [{"what": "x"}]) == [{"what": "x"}]
    assert attempt("x", lambda: {}["y"]) == [{"what": "x", "not_run": "KeyError: 'y'"}]


@pytest.mark.skipif(jax.default_backend() == "gpu", reason="there is a GPU")
def test_without_a_gpu_it_refuses(tmp_path):
    with pytest.raises(OSError, match="kernels are timed on an NVIDIA GPU; JAX has the backend 'cpu'"):
        require_gpu()
    result = invoke("--out", str(tmp_path / "record.json"))
    assert isinstance(result.exception, OSError)
    assert not (tmp_path / "record.json").exists()


def test_a_dry_run_lists_what_would_be_measured():
    result = invoke("--dry-run", "--kernels", "w4a16_*", "--m", "1, 16")
    assert result.exit_code == 0
    assert "w4a16_g128_zero" in result.output
    assert "3.88x" in result.output


@pytest.mark.parametrize("given", ["", "0", "1,x", "-1"])
def test_wrong_batches_are_named(given):
    result = invoke("--dry-run", "--m", given)
    assert isinstance(result.exception, ValueError)
    assert "must be positive integers" in str(result.exception)
