"""The profiler's tables, in the form that Nsight Compute writes, and what is said where it cannot work."""

from __future__ import annotations

import dataclasses
import json
import sys
from contextlib import contextmanager

import kernel_profile
import pytest
from kernels import profiled, profiler

from kernels_ref.contracts import Shape

_WAIT = "smsp__average_warps_issue_stalled_{}_per_issue_active.ratio"
_BEFORE = ("ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Context", "Stream", "Block Size",
           "Grid Size", "Device", "CC")  # fmt: skip
_NAMES = (
    profiler.DURATION,
    profiler.READ,
    profiler.MEMORY,
    profiler.ISSUE,
    profiler.ALU,
    profiler.FMA[0],
    profiler.FMA[1],
    profiler.TENSOR[0],
    *(_WAIT.format(reason) for reason in ("barrier", "long_scoreboard", "wait", "gmma")),
)
_UNITS = ("nsecond", "Mbyte", "%", "%", "%", "%", "%", "%", "inst", "inst", "inst", "inst")


def line(*cells):
    return ",".join(f'"{cell}"' for cell in cells)


def launch(identity, name, grid, *values):
    place = (identity, 4711, "python3.12", "127.0.0.1", name, 1, 13, "(384, 1, 1)", grid, 0, "9.0")
    return line(*place, *values)


MARK = ("1,216", "0.01", "0.1", "0.2", "n/a", "0", "0", "0", "0", "1", "0", "0")
STREAMED = ("45,312", "117.44", "78.1", "51.5", "44", "21", "30.5", "9.6", "0.25", "3.5", "1.25", "0.5")
RAW = "\n".join(
    [
        "==PROF== Connected to process 4711 (/usr/bin/python3.12)",
        line(*_BEFORE, *_NAMES),
        line(*[""] * len(_BEFORE), *_UNITS),
        launch(0, "wrapped_popcnt", "(1, 1, 1)", *MARK),
        launch(1, "streamed", "(132, 1, 1)", *STREAMED),
        launch(2, "wrapped_popcnt", "(1, 1, 1)", *MARK),
        launch(3, "reduce", "(264, 1, 1)", "1,000", "2", "3", "4", "5", "6", "7", "8", "0", "0", "0", "0"),
        launch(4, "block", "(132, 1, 1)", "2,000", "2", "3", "4", "5", "6", "7", "8", "0", "0", "0", "0"),
    ]
)


def test_raw_page():
    found = profiler.launches(RAW)
    assert [each.kernel for each in found] == ["wrapped_popcnt", "streamed", "wrapped_popcnt", "reduce", "block"]
    assert found[1].place == ("streamed", "(132, 1, 1)", "(384, 1, 1)")
    assert found[1].metrics[profiler.DURATION] == 45312
    assert found[1].metrics[profiler.READ] == pytest.approx(117.44e6)
    assert profiler.ALU not in found[0].metrics  # n/a


def test_units_with_prefixes_are_undone():
    """Reports are asked for without, but a time must not be wrong by a thousand if one comes."""
    found = profiler.launches(RAW.replace('"nsecond"', '"us"').replace('"45,312"', '"45.31"'))
    assert found[1].metrics[profiler.DURATION] == pytest.approx(45310)


def test_what_is_no_table_is_an_error():
    with pytest.raises(ValueError, match="no table of the profiler: '==ERROR== x'"):
        profiler.launches("==ERROR== x")


def test_kernels_lie_between_markers():
    found = profiler.split(profiler.launches(RAW), 2)
    assert [[each.kernel for each in kernels] for kernels in found] == [["streamed"], ["reduce", "block"]]
    with pytest.raises(ValueError, match="2 markers among 5 kernels, where 3 subjects were launched"):
        profiler.split(profiler.launches(RAW), 3)


def test_a_line_for_a_kernel():
    found = profiler.launches(RAW)[1:2]
    assert profiler.row(found[0].metrics) == (
        "45.3", "78", "52", "44", "30", "10", "long_scoreboard 3.5, wait 1.2, gmma 0.5",
    )  # fmt: skip
    assert profiler.row({}) == ("",) * 7
    assert profiler.table([("w4a16_g128 M=16",)], found).splitlines() == [
        "kernel             us  DRAM %  issue %  ALU %  FMA %  tensor %  stalls: warps for each issue",
        "w4a16_g128 M=16  45.3      78       52     44     30        10  long_scoreboard 3.5, wait 1.2, gmma 0.5",
    ]


def test_metrics_of_other_chips_are_not_asked_for():
    listing = "Device NVIDIA H200 (GH100)\nsm__inst_executed  Counter  inst  # of warp instructions\n"
    assert profiler.known(listing) == [
        "sm__inst_executed.sum",
        "launch__registers_per_thread",
        "launch__shared_mem_per_block",
    ]
    assert profiler.known("") == list(profiler.METRICS)


_SOURCE_HEAD = ("#", "Address", "Source", "Warp Stall Sampling (All Samples)", "Instructions Executed", "stall_long_sb",
                "stall_wait", "stall_wait (Not Issued)")  # fmt: skip
SOURCE = "\n".join(
    [
        line("Kernel Name", "wrapped_popcnt"),
        line(*_SOURCE_HEAD),
        line(0, "0x10", "      EXIT", 2, 1, 0, 2, 0),
        line("Kernel Name", "streamed"),
        line(*_SOURCE_HEAD),
        line(0, "0x20", "      S2R R0, SR_TID.X", 5, 100, 0, 5, 5),
        line(1, "0x30", "      SYNCS.PHASECHK.TRANS64.TRYWAIT P0, [UR4], R2", "1,000", 100, 900, 100, 99),
        line(2, "0x40", "      NOP", 0, 100, 0, 0, 0),
    ]
)


def test_instructions_with_the_most_samples():
    lines = profiler.source_lines(SOURCE)
    assert [" ".join(each.split()) for each in lines] == [
        "1 1000 99.5% SYNCS.PHASECHK.TRANS64.TRYWAIT P0, [UR4], R2 long_sb 900, wait 100",
        "0 5 0.5% S2R R0, SR_TID.X wait 5",
    ]
    assert profiler.source_lines(SOURCE, 1) == lines[:1]
    with pytest.raises(ValueError, match="no page of source"):
        profiler.source_lines("==ERROR==")


def test_the_subjects_are_kernels_for_gpus():
    found = profiled.subjects(profiled.KERNELS, [Shape(m=16, n=256, k=512)], Shape(m=32, k=640), None)
    assert len(found) == len(profiled.KERNELS)
    assert found[0].label == "w4a16_g128 M=16"
    assert {each.case.way for each in found} == {
        "kernels_ref.hopper.scaled_matmul",
        "kernels_ref.hopper.block.quantize_packed",
        "kernels_ref.mosaic.encode",
    }
    dense = profiled.subjects(["w8a8_int8"], [Shape(m=16, n=256, k=512)], Shape(m=32, k=640), "*.dense_matmul")
    assert [each.label for each in dense] == ["w8a8_int8 M=16 hopper.dense.dense_matmul"]
    with pytest.raises(ValueError, match="no kernel of w8a8_int8 is called 'nothing'"):
        profiled.subjects(["w8a8_int8"], [Shape(m=16, n=256, k=512)], Shape(m=32, k=640), "nothing")


def test_each_subject_is_launched_in_a_range_of_its_own(monkeypatch):
    """What cannot be compiled, or comes too late, is said, and the others go on."""
    ranges = []

    @contextmanager
    def profiled_range():
        ranges.append("begin")
        yield
        ranges.append("end")

    monkeypatch.setattr(profiled, "profiled", profiled_range)
    plane = Shape(m=32, k=640)
    chosen = profiled.subjects(["encode_*_bfloat16"], [Shape(m=1, n=1, k=1)], plane, "kernels_ref.encode")
    broken = dataclasses.replace(chosen[0].case, way="kernels_ref.nothing")
    chosen = [dataclasses.replace(chosen[0], label="broken", case=broken), *chosen[:2]]
    done = profiled.profile(chosen, until=float("inf"))
    assert [each["label"] for each in done["launched"]] == [each.label for each in chosen[1:]]
    assert ranges == ["begin", "end"] * 2
    assert "has no kernel 'kernels_ref.nothing'" in done["failed"][0]["not_run"]
    late = profiled.profile(chosen[1:], until=0)
    assert [each["not_run"] for each in late["failed"]] == ["TimeoutError: not begun within 0 s"] * 2
    assert not late["launched"]


#: stands in for the profiler: says what it was told to, and keeps reports that are CSV already
FAKE = """#!{python}
import json, pathlib, sys
taken = sys.argv
if "--version" in taken:
    print("Version 2025.3.1.0 (build 1)")
elif "--import" in taken:
    print(pathlib.Path(taken[taken.index("--import") + 1]).read_text())
elif "--query-metrics" not in taken:
    if {error!r}:
        print({error!r})
        raise SystemExit(1)
    pathlib.Path(taken[taken.index("--export") + 1]).write_text({report!r})
    items = [{{"label": "w M=16"}}, {{"label": "q"}}]
    pathlib.Path(taken[-1]).write_text(json.dumps({{"device": "H", "launched": items, "failed": []}}))
    assert taken[taken.index("--clock-control") + 1] == "none"
"""


def profile(tmp_path, monkeypatch, *, error="", report=RAW, arguments=()):
    fake = tmp_path / "ncu"
    fake.write_text(FAKE.format(python=sys.executable, error=error, report=report))
    fake.chmod(0o755)
    monkeypatch.setattr(kernel_profile, "driver", lambda: "580")
    monkeypatch.setattr(
        sys, "argv", ["kernel_profile.py", "--ncu", str(fake), "--out", str(tmp_path / "out"), *arguments]
    )
    return kernel_profile.main()


def test_the_record_has_every_kernel(tmp_path, monkeypatch, capsys):
    assert profile(tmp_path, monkeypatch) == 0
    record = json.loads((tmp_path / "out" / "profile.json").read_text())
    assert (record["device"], record["profiler"]) == ("H", "Nsight Compute 2025.3.1.0")
    assert [[each["kernel"] for each in row["kernels"]] for row in record["rows"]] == [
        ["streamed"],
        ["reduce", "block"],
    ]
    assert "w M=16  45.3" in capsys.readouterr().out


def test_the_source_of_one_kernel(tmp_path, monkeypatch, capsys):
    assert profile(tmp_path, monkeypatch, report=SOURCE, arguments=["--source", "mxfp4_e4m3 M=16"]) == 0
    assert (tmp_path / "out" / "mxfp4_e4m3_M_16.ncu-rep").exists()
    assert "99.5%  SYNCS.PHASECHK" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="'mxfp4\\*' is 2 of the kernels"):
        profile(tmp_path, monkeypatch, arguments=["--source", "mxfp4*"])


def test_a_profiler_that_is_refused_is_status_2(tmp_path, monkeypatch, capsys):
    error = "==ERROR== Failed to initialize the profiler: LibraryNotLoaded"
    assert profile(tmp_path, monkeypatch, error=error) == 2
    assert f"the profiler gave up: {error}" in capsys.readouterr().out
    assert profile(tmp_path, monkeypatch, arguments=["--ncu", "no-such-profiler"]) == 2
    assert "no profiler: 'no-such-profiler'" in capsys.readouterr().out


def test_kernels_that_fail_are_status_1(tmp_path, monkeypatch, capsys):
    assert profile(tmp_path, monkeypatch, error="==ERROR== The application returned an error code (1).") == 1
    assert "nothing was profiled" in capsys.readouterr().out
