"""Compile and lint the whole catalogue, without a GPU: ``python -m kernels_ref.hopper.ptx_sweep``."""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from kernels_ref.hopper.aot import TARGETS, Kernel, missing
from kernels_ref.hopper.ptx_case import Case
from kernels_ref.hopper.ptx_catalogue import cases
from kernels_ref.hopper.ptx_lint import RULES, lint
from kernels_ref.hopper.ptx_text import instructions, threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one case."""

    name: str
    seconds: float
    kernels: tuple[Kernel, ...]
    #: broken rules as text, or the compiler's refusal
    faults: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The outcome as JSON types; of the code, its size and what it takes."""
        kernels = [_figures(kernel) for kernel in self.kernels]
        return {"name": self.name, "seconds": round(self.seconds, 2), "faults": self.faults, "kernels": kernels}


def _figures(kernel: Kernel) -> dict[str, Any]:
    found = kernel.resources
    figures: dict[str, Any] = {"name": kernel.name, "threads": threads(kernel.ptx)}
    figures["instructions"] = len(instructions(kernel.ptx))
    if found is not None:
        figures |= {"registers": found.registers, "stack": found.stack, "spill_stores": found.spill_stores}
        figures |= {"barriers": found.barriers, "shared": found.shared + kernel.dynamic_shared}
    return figures


def examine(case: Case, target: str) -> Outcome:
    """Compile one case and lint it; a refusal of the compiler is a fault and stops nothing."""
    start = time.perf_counter()
    kernels: tuple[Kernel, ...] = ()
    try:
        compiled = case.compiled(target)
        kernels, faults = compiled.kernels, tuple(map(str, lint(compiled, case.claims)))
    except Exception as error:  # XLA, Mosaic and ptxas refuse by many classes
        faults = (f"not compiled: {type(error).__name__}: {' '.join(str(error).split())[:400]}",)
    return Outcome(name=case.name, seconds=time.perf_counter() - start, kernels=kernels, faults=faults)


def record(outcomes: Sequence[Outcome], target: str) -> dict[str, Any]:
    """What a run leaves behind: when, where, with what, and every outcome."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, no GPU needed",
        "versions": {"python": platform.python_version(), "jax": jax.__version__},
        "target": target,
        "rules": {rule.name: rule.meaning for rule in RULES},
        "cases": len(outcomes),
        "faulty": sum(bool(outcome.faults) for outcome in outcomes),
        "outcomes": [outcome.to_json() for outcome in outcomes],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 if nothing is wrong, 1 if something is, 2 where the compiler is missing or nothing is chosen."""
    parser = argparse.ArgumentParser(prog="python -m kernels_ref.hopper.ptx_sweep", description=__doc__)
    parser.add_argument("--target", choices=list(TARGETS), default="h100")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name contains TEXT")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write a record as JSON")
    options = parser.parse_args(arguments)
    chosen = [case for case in cases() if options.only in case.name]
    if reason := missing() or ("" if chosen else f"no case has {options.only!r} in its name"):
        print(reason, file=sys.stderr)
        return 2
    counts = [f"{i:{len(str(len(chosen)))}}/{len(chosen)}" for i in range(1, len(chosen) + 1)]
    config: Any = jax.config
    if not config.jax_platforms:  # else the plug-in looks for cuDNN, and says at length that it is missing
        config.update("jax_platforms", "cpu")
    outcomes = [_reported(case, count, options.target) for case, count in zip(chosen, counts, strict=True)]
    if options.record:
        options.record.write_text(json.dumps(record(outcomes, options.target), indent=1) + "\n")
    faulty = [outcome for outcome in outcomes if outcome.faults]
    print(f"{len(outcomes)} compiled for {options.target}, {len(faulty)} with faults")
    return 1 if faulty else 0


def _reported(case: Case, count: str, target: str) -> Outcome:
    outcome = examine(case, target)
    lines = [f"{count} {outcome.seconds:5.1f} s  {case.name}", *(f"    FAULT {fault}" for fault in outcome.faults)]
    print("\n".join(lines), flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
