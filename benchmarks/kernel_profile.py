"""Kernels under NVIDIA's profiler: what each spends its time on.

    PYTHONPATH=. python benchmarks/kernel_profile.py --out out/profile
    PYTHONPATH=. python benchmarks/kernel_profile.py --out out/profile --source 'w4a16_g128 M=16'

The first starts itself again under ``ncu``, compiles every kernel, launches each once, and prints a line for each
kernel: its time, shares of what memory, issue slots and pipes could do, and what its warps wait for. ``profile.json``
has all metrics; ``profile.ncu-rep`` opens in Nsight Compute. The second takes every metric of one kernel and prints
the 40 instructions with the most samples of stalled warps; ``--list`` names the kernels. Clocks are left alone.

Exit status: 0 all profiled, 1 some not, 2 no GPU, no ``ncu``, or one that may not read this machine's counters.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from clock import say
from kernels import profiler
from kernels.profiled import KERNELS, Subject, profile, subjects

from analysis.evidence import driver
from kernels_ref.contracts import Shape

#: the profiler keeps a copy of all memory that a kernel may write, so that little is taken; and graphs hide kernels
ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "XLA_PYTHON_CLIENT_ALLOCATOR": "platform"}
FLAGS = "--xla_gpu_enable_command_buffer="


class RefusedError(Exception):
    """The profiler cannot work here."""


class FailedError(Exception):
    """What was to be profiled did not come to its end."""


def main() -> int:
    options = arguments()
    chosen = selected(options)
    if options.list:
        print("\n".join(f"{x.label:44s} {x.case.way}, {x.case.bytes / 1e6:,.0f} MB" for x in chosen))
        return 0
    if options.child:
        options.child.write_text(json.dumps(profile(chosen, until=0.85 * options.limit)), encoding="utf-8")
        return 0
    try:
        return by_source(options, chosen) if options.source else by_kernel(options)
    except (RefusedError, FailedError) as error:
        say(str(error))
        return 2 if isinstance(error, RefusedError) else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/profile"), help="a folder for the record and the report")
    parser.add_argument("--kernels", nargs="+", default=list(KERNELS), help="patterns of contracts' names")
    parser.add_argument("--way", help="a pattern of kernels' dotted names; by default each contract's first for GPUs")
    parser.add_argument("--m", type=sizes, default=(16, 64), help="rows of activations of products, with commas")
    parser.add_argument("--n", type=int, default=28672)
    parser.add_argument("--k", type=int, default=8192)
    parser.add_argument("--plane", type=sizes, default=(8192, 16384), help="rows,columns of the other kernels")
    parser.add_argument("--list", action="store_true", help="name the kernels and stop")
    parser.add_argument("--source", help="one kernel as --list names it: its instructions with the most samples")
    parser.add_argument("--ncu", default="ncu", help="the profiler")
    parser.add_argument("--limit", type=float, default=420, help="seconds")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def sizes(text: str) -> tuple[int, ...]:
    """Positive integers between commas."""
    found = tuple(map(int, text.split(",")))
    if min(found) < 1:
        raise ValueError(f"sizes must be positive, not {text}")
    return found


def selected(options: argparse.Namespace) -> list[Subject]:
    """The kernels; ``SystemExit`` where the options name none, or more than one for ``--source``."""
    shapes = [Shape(m=m, n=options.n, k=options.k) for m in options.m]
    rows, columns = options.plane
    try:
        found = subjects(options.kernels, shapes, Shape(m=rows, k=columns), options.way)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    if options.source:
        found = [x for x in found if fnmatchcase(x.label, options.source)]
        if len(found) != 1:
            raise SystemExit(f"--source {options.source!r} is {len(found)} of the kernels that --list names")
    return found


def by_kernel(options: argparse.Namespace) -> int:
    """Every kernel: the record, and a table."""
    ncu = profiler_here(options)
    listing = subprocess.run([ncu, "--query-metrics"], capture_output=True, text=True, check=False)
    metrics = profiler.known(listing.stdout)
    done = launched(options, ncu, "profile", ["--metrics", ",".join(metrics)])
    text = page(ncu, options.out / "profile.ncu-rep", "raw")
    (options.out / "profile.csv").write_text(text, encoding="utf-8")
    found = profiler.split(profiler.launches(text), len(done["launched"]))
    labels = [(item["label"],) for item, kernels in zip(done["launched"], found, strict=True) for _ in kernels]
    print(profiler.table(labels, [each for kernels in found for each in kernels]), flush=True)
    rows = [
        {**item, "kernels": [asdict(each) for each in kernels]}
        for item, kernels in zip(done.pop("launched"), found, strict=True)
    ]
    failed = done.pop("failed")
    record = {**done, "profiler": version(ncu), "rows": rows + failed}
    (options.out / "profile.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 1 if failed or not all(found) else 0


def by_source(options: argparse.Namespace, chosen: list[Subject]) -> int:
    """One kernel: the report, and the instructions that wait."""
    ncu, name = profiler_here(options), re.sub(r"\W+", "_", chosen[0].label)
    done = launched(options, ncu, name, ["--set", "full", "--import-source", "no"])
    if done["failed"]:
        say(done["failed"][0]["not_run"])
        return 1
    text = page(ncu, options.out / f"{name}.ncu-rep", "source")
    (options.out / f"{name}.csv").write_text(text, encoding="utf-8")
    print("  line  samples  share  instruction and why it waits")
    print("\n".join(profiler.source_lines(text)), flush=True)
    return 0


def profiler_here(options: argparse.Namespace) -> str:
    """The profiler's path, on a machine with a GPU; the folder for its results is made."""
    if driver() is None:
        raise RefusedError("no GPU: there is no NVIDIA driver; --list names the kernels without one")
    ncu = profiler.found(options.ncu)
    if ncu is None:
        raise RefusedError(f"no profiler: {options.ncu!r} is not on PATH; it comes with CUDA as Nsight Compute")
    options.out.mkdir(parents=True, exist_ok=True)
    return ncu


def launched(options: argparse.Namespace, ncu: str, name: str, what: list[str]) -> Any:
    """Run this script's child under the profiler: what it launched; the report is ``NAME.ncu-rep``."""
    done = (options.out / f"{name}.child.json").resolve()
    done.unlink(missing_ok=True)
    report = options.out / f"{name}.ncu-rep"
    report.unlink(missing_ok=True)
    profiling = ["--clock-control", "none", "--profile-from-start", "off", "--target-processes", "application-only"]
    child = [sys.executable, *sys.argv, "--child", str(done)]
    refusal = run([ncu, *profiling, *what, "--export", str(report), *child], options.limit)
    if refusal and "application returned" not in refusal:
        raise RefusedError(f"the profiler gave up: {refusal}")
    if not done.exists() or not report.exists():
        raise FailedError(f"nothing was profiled: {refusal or f'no end within {options.limit:g} s'}")
    return json.loads(done.read_text(encoding="utf-8"))


def run(command: list[str], limit: float) -> str:
    """Run a command, its lines printed as they come; it is ended at its first error, which is returned, or in time."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} {FLAGS}".strip()
    environment = {**os.environ, **ENVIRONMENT, "XLA_FLAGS": flags}
    together: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    refusal = ""
    with subprocess.Popen(command, env=environment, errors="replace", start_new_session=True, **together) as process:
        clock = threading.Timer(limit, ended, [process])
        clock.start()
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if line.startswith("==ERROR==") and not refusal:
                refusal = line.strip()
                ended(process)
        clock.cancel()
    return refusal


def ended(process: subprocess.Popen[str]) -> None:
    """End a process and its children, all of which are ours: the process leads its own session."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def page(ncu: str, report: Path, name: str) -> str:
    """A page of a report as CSV, in units without prefixes."""
    command = [ncu, "--import", str(report), "--page", name, "--csv", "--print-units", "base"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def version(ncu: str) -> str:
    """The profiler's version."""
    text = subprocess.run([ncu, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"Version (\S+)", text)
    return f"Nsight Compute {found[1] if found else text.strip()}"


if __name__ == "__main__":
    raise SystemExit(main())
