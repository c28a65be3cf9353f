"""What NVIDIA's profiler ``ncu`` is asked, and how the tables are read that it writes.

Nothing here needs a GPU. Clocks stay as they are (``--clock-control none``); the profiler empties the caches before
each of its passes over a kernel, as the rotated operands of `analysis.bench.timing` do.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: why warps wait, in the profiler's words
STALLS = (
    "barrier", "branch_resolve", "dispatch_stall", "drain", "gmma", "imc_miss", "lg_throttle", "long_scoreboard",
    "math_pipe_throttle", "membar", "mio_throttle", "misc", "no_instruction", "not_selected", "short_scoreboard",
    "sleeping", "tex_throttle", "wait",
)  # fmt: skip
_STALLED = "smsp__average_warps_issue_stalled_{}_per_issue_active.ratio"
_ACTIVE = "avg.pct_of_peak_sustained_active"
DURATION = "gpu__time_duration.sum"
READ = "dram__bytes_read.sum"
MEMORY = "dram__throughput.avg.pct_of_peak_sustained_elapsed"
ISSUE = f"smsp__issue_active.{_ACTIVE}"
ALU = f"sm__inst_executed_pipe_alu.{_ACTIVE}"
FMA = tuple(f"sm__inst_executed_pipe_{pipe}.{_ACTIVE}" for pipe in ("fma", "fmaheavy", "fp16"))
#: matrix products are counted on one of these, by the type of the operands; not every chip has all
TENSOR = tuple(
    f"{name}.{_ACTIVE}"
    for name in (
        "sm__pipe_tensor_cycles_active",
        "sm__pipe_tensor_op_hmma_cycles_active",
        "sm__pipe_tensor_op_imma_cycles_active",
        "sm__pipe_tensor_op_gmma_cycles_active",
        "sm__inst_executed_pipe_tensor_op_gmma",
    )
)
METRICS = (
    DURATION,
    "gpc__cycles_elapsed.avg.per_second",
    READ,
    "dram__bytes_write.sum",
    MEMORY,
    "lts__t_bytes.sum",
    "sm__inst_executed.sum",
    "sm__inst_issued.avg.per_cycle_active",
    ISSUE,
    ALU,
    *FMA,
    f"sm__inst_executed_pipe_lsu.{_ACTIVE}",
    f"sm__inst_executed_pipe_xu.{_ACTIVE}",
    f"sm__inst_executed_pipe_uniform.{_ACTIVE}",
    *TENSOR,
    f"sm__warps_active.{_ACTIVE}",
    "l1tex__data_bank_conflicts_pipe_lsu.sum",
    "launch__registers_per_thread",
    "launch__shared_mem_per_block",
    *(_STALLED.format(reason) for reason in STALLS),
)

#: to nanoseconds and bytes
_UNITS = {
    "us": 1e3, "usecond": 1e3, "ms": 1e6, "msecond": 1e6, "s": 1e9, "second": 1e9,
    "Kbyte": 1e3, "Mbyte": 1e6, "Gbyte": 1e9,
}  # fmt: skip
_SAMPLES = ("Warp Stall Sampling (All Samples)", "Sampling Data (All)", "# Samples")
_PLACES = ("/usr/local/cuda/bin", "/opt/nvidia/nsight-compute/*")


@dataclass(frozen=True, slots=True)
class Launch:
    """One kernel as the profiler saw it: times in nanoseconds, sizes in bytes."""

    kernel: str
    grid: str
    block: str
    metrics: dict[str, float]

    @property
    def place(self) -> tuple[str, str, str]:
        """What tells it from other kernels."""
        return self.kernel, self.grid, self.block


def found(name: str) -> str | None:
    """The profiler's path: on PATH, or where NVIDIA's packages put it."""
    folders = [folder for place in _PLACES for folder in sorted(Path("/").glob(place[1:]), reverse=True)]
    places = [shutil.which(name), *(shutil.which(name, path=str(folder)) for folder in folders)]
    return next((place for place in places if place), None)


def known(listing: str, metrics: Iterable[str] = METRICS) -> list[str]:
    """The metrics that ``ncu --query-metrics`` lists; all of them, where it lists none.

    >>> known("sm__inst_executed  Counter  inst  # of instructions", ["sm__inst_executed.sum", "x__y.sum", "launch__z"])
    ['sm__inst_executed.sum', 'launch__z']
    """
    names = {line.split()[0] for line in listing.splitlines() if "__" in line.partition(" ")[0]}
    asked = list(metrics)
    return [each for each in asked if not names or each.startswith("launch__") or each.partition(".")[0] in names]


def launches(text: str) -> list[Launch]:
    """The kernels of ``--page raw --csv``: a head, a line of units, a line for each launch in order.

    Lines before the head are the profiler's own; what is not a number, or was not measured, is left out.

    Raises ``ValueError`` without a head.
    """
    rows = list(csv.reader(io.StringIO(text)))
    at = next((i for i, row in enumerate(rows) if row[:2] == ["ID", "Process ID"]), None)
    if at is None:
        raise ValueError(f"no table of the profiler: {text[:200]!r}")
    head, units, *lines = (row for row in rows[at:] if len(row) == len(rows[at]))
    return [_launch(dict(zip(head, line, strict=True)), dict(zip(head, units, strict=True))) for line in lines]


def _launch(line: dict[str, str], units: dict[str, str]) -> Launch:
    numbers = {name: number(text) for name, text in line.items() if name in METRICS}  # it adds what the device is
    scaled = {name: x * _UNITS.get(units[name], 1) for name, x in numbers.items() if x is not None}
    return Launch(line["Kernel Name"], line.get("Grid Size", ""), line.get("Block Size", ""), scaled)


def number(text: str) -> float | None:
    """A number with commas between thousands; None for anything else.

    >>> number("1,234.5"), number("n/a")
    (1234.5, None)
    """
    plain = text.replace(",", "").strip()
    return float(plain) if re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", plain) else None


def split(found: list[Launch], count: int) -> list[list[Launch]]:
    """The kernels of each of ``count`` subjects; a marker, the very first kernel, is launched before each of them.

    Raises ``ValueError`` where markers and subjects are not equally many.
    """
    starts = [i for i, each in enumerate(found) if each.place == found[0].place]
    if len(starts) != count:
        raise ValueError(f"{len(starts)} markers among {len(found)} kernels, where {count} subjects were launched")
    return [found[i + 1 : j] for i, j in zip(starts, [*starts[1:], len(found)], strict=True)]


def stalls(metrics: dict[str, float]) -> list[tuple[str, float]]:
    """What warps wait for, in warps for each instruction issued; the longest first."""
    ratios = [(reason, metrics[name]) for reason in STALLS if (name := _STALLED.format(reason)) in metrics]
    return sorted(ratios, key=lambda each: -each[1])


def row(metrics: dict[str, float]) -> tuple[str, ...]:
    """Cells of one kernel: see `HEAD`."""
    percents = [(MEMORY,), (ISSUE,), (ALU,), FMA, TENSOR]
    cells = [max((metrics[name] for name in names if name in metrics), default=None) for names in percents]
    top = ", ".join(f"{reason} {ratio:.1f}" for reason, ratio in stalls(metrics)[:3])
    time = f"{metrics[DURATION] / 1e3:.1f}" if DURATION in metrics else ""
    return time, *("" if cell is None else f"{cell:.0f}" for cell in cells), top


HEAD = ("us", "DRAM %", "issue %", "ALU %", "FMA %", "tensor %", "stalls: warps for each issue")


def source_lines(text: str, count: int = 40) -> list[str]:
    """The lines of ``--page source --csv`` with the most samples, of the kernel that has the most.

    Each with its samples, their share, and the reasons of three quarters of them or the first three.
    """
    tables = _source_tables(text)
    if not tables:
        raise ValueError(f"no page of source: {text[:200]!r}")
    lines = max(tables, key=lambda lines: sum(map(_samples, lines)))
    total = sum(map(_samples, lines)) or 1
    numbered = sorted(enumerate(lines), key=lambda each: -_samples(each[1]))[:count]
    return [
        f"{i:6d} {_samples(line):8.0f} {_samples(line) / total:6.1%}  {line['Source'].strip():60s} {_reasons(line)}"
        for i, line in numbered
        if _samples(line)
    ]


def _source_tables(text: str) -> list[list[dict[str, str]]]:
    """A table for each kernel: each begins with a head that has a column Source."""
    tables: list[list[dict[str, str]]] = []
    head: list[str] = []
    for row in csv.reader(io.StringIO(text)):
        if "Source" in row:
            head = row
            tables.append([])
        elif head and len(row) == len(head):
            tables[-1].append(dict(zip(head, row, strict=True)))
    return tables


def _samples(line: dict[str, str]) -> float:
    return next((number(line[name]) or 0.0 for name in _SAMPLES if name in line), 0.0)


def _reasons(line: dict[str, str]) -> str:
    counts = {name.removeprefix("stall_"): number(x) or 0.0 for name, x in line.items() if name.startswith("stall_")}
    once = {name: x for name, x in counts.items() if x and not name.endswith("(Not Issued)")}
    first = sorted(once.items(), key=lambda each: -each[1])[:3]
    return ", ".join(f"{name} {x:.0f}" for name, x in first)


def table(labels: Iterable[tuple[str, ...]], found: Iterable[Launch]) -> str:
    """A line for each kernel, columns aligned."""
    lines = [("kernel", *HEAD), *((*label, *row(each.metrics)) for label, each in zip(labels, found, strict=True))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(_aligned(cells, widths)).rstrip() for cells in lines)


def _aligned(cells: tuple[Any, ...], widths: list[int]) -> list[str]:
    last = len(cells) - 1
    return [x.ljust(w) if i in (0, last) else x.rjust(w) for i, (x, w) in enumerate(zip(cells, widths, strict=True))]
