"""Probes that need a process of their own: what a fresh JAX says while it starts, and casts that may abort."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from analysis.doctor.finding import Probe

_SCRIPT = Path(__file__).with_name("child_process.py")
_TIMEOUT = 60.0


@functools.cache
def child_lines() -> tuple[dict[str, Any], ...]:
    """The lines of one run of the script; the step that it died in ends with ``aborts`` or ``hangs``."""
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    command = [sys.executable, "-P", str(_SCRIPT)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=_TIMEOUT, check=False)
        return read(done.stdout.decode(), "aborts" if done.returncode else "")
    except subprocess.TimeoutExpired as late:
        return read((late.stdout or b"").decode(), "hangs")


def read(output: str, ending: str) -> tuple[dict[str, Any], ...]:
    """Lines of JSON; if the last one begins a step, ``ending`` is what became of it."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    if lines and "begin" in lines[-1]:
        lines.append({"end": lines[-1]["begin"], "outcome": ending})
    return tuple(lines)


def plugins() -> tuple[str, str]:
    """JAX plug-ins (accelerator back ends): installed, and alive or not."""
    found = next((line["plugins"] for line in child_lines() if "plugins" in line), None)
    if found is None:
        return "JAX does not start", "a fresh process that asks for jax.devices() ends without an answer"
    detail = f"installed: {', '.join(found['installed']) or 'none'}; live: {', '.join(found['platforms'])}"
    if found["errors"]:
        return "broken", f"{detail}; {'; '.join(found['errors'])}"
    if not found["installed"]:
        return "none installed", detail
    return ("live" if set(found["platforms"]) - {"cpu"} else "idle"), detail


def float6() -> tuple[str, str]:
    """Arrays and casts of JAX's float6 types; the worst outcome answers."""
    outcomes = {line["end"]: line["outcome"] for line in child_lines() if "end" in line}
    if not outcomes:
        raise RuntimeError("the process that tries the casts ended before the first of them")
    answer = next(worst for worst in ("aborts", "hangs", "refused", "works") if worst in outcomes.values())
    return answer, "; ".join(f"{name}: {outcome}" for name, outcome in outcomes.items())


PROBES = (
    Probe(
        group="machine",
        name="JAX plug-ins",
        answers={
            "none installed": "JAX runs on the CPU only",
            "live": "an accelerator answers",
            "idle": "a plug-in is installed but no device came of it (no GPU, or JAX_PLATFORMS excludes it)",
            "broken": "a plug-in does not load, so its devices are missing; JAX goes on without it",
            "JAX does not start": "mend the JAX installation first",
        },
        measure=plugins,
    ),
    Probe(
        group="XLA casts",
        name="float6 types in JAX",
        answers={
            "works": "usable here; uint8 codes are what works everywhere",
            "refused": "use uint8 codes for 6-bit formats, never these types",
            "aborts": "they can end the process: use uint8 codes for 6-bit formats, never these types",
            "hangs": "they can hang the process: use uint8 codes for 6-bit formats, never these types",
        },
        measure=float6,
    ),
)
