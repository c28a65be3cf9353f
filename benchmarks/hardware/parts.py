"""The parts of the hardware run, each in a process of its own; what one has found is written after every step."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from hardware.build import CompiledInstruction, build
from hardware.comparison import Size, examine
from hardware.instructions import hopper
from hardware.models import MODELS, on_numpy
from hardware.products import explain, measure

INSTRUCTION_PARTS: dict[str, Callable[[str], bool]] = {
    "mma": lambda name: ".mma." in name and ".s32." not in name,
    "wgmma": lambda name: ".wgmma." in name and ".s32." not in name,
    "integers": lambda name: ".s32." in name,
}
LIBRARY_PARTS = ("torch", "triton", "xla")
PARTS = (*INSTRUCTION_PARTS, *LIBRARY_PARTS)


def names(part: str, every: int = 1) -> list[str]:
    """The instructions of a part; with ``every`` > 1 a few of them, spread over the kinds."""
    return [name for name in hopper() if INSTRUCTION_PARTS[part](name)][::every]


def carry_out(part: str, path: Path, size: Size, *, model: str, threads: int, every: int) -> None:
    """Write ``{"done": {label: counts}, "not_run": {label: why}, "seconds": s}`` to ``path``, again after each step."""
    started, found = time.monotonic(), {"done": {}, "not_run": {}}
    steps = _instructions if part in INSTRUCTION_PARTS else _products
    for label, outcome in steps(part, size, model, threads, every):
        found["done" if isinstance(outcome, dict) else "not_run"][label] = outcome
        found["seconds"] = round(time.monotonic() - started, 1)
        _write(path, found)
        print(f"[{found['seconds']:6.1f} s] {part}: {label}: {brief(outcome)}", flush=True)


def _write(path: Path, found: dict[str, Any]) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(found))
    os.replace(beside, path)


def brief(outcome: dict[str, Any] | str) -> str:
    """A line on what was found."""
    if isinstance(outcome, str):
        return f"NOT RUN: {outcome}"
    if "fits" in outcome:
        fits = sorted({str(fit) for fit in outcome["fits"].values()})
        return f"{outcome['explained']:,} of {outcome['outputs']:,} explained: {'; '.join(fits)}"
    silent = [what for what, control in outcome["controls"].items() if not control["mismatches"]]
    missed = f", SILENT CONTROLS {silent}" if silent else ""
    return f"{outcome['mismatches']} mismatches in {outcome['outputs']:,}, {len(outcome['controls'])} controls{missed}"


Steps = Iterator[tuple[str, dict[str, Any] | str]]


def _instructions(part: str, size: Size, model: str, threads: int, every: int) -> Steps:
    chosen = names(part, every)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(threads) as pool:
        built = build(chosen, Path(folder))
        print(f"{part}: {sum(isinstance(b, Path) for b in built.values())} of {len(built)} compiled", flush=True)

        def one(name: str) -> dict[str, Any]:
            library = built[name]
            if isinstance(library, str):
                raise RuntimeError(f"nvcc: {library}")
            return examine(name, CompiledInstruction(name, library), MODELS[model], size)

        waiting = {pool.submit(_caught, one, name): name for name in chosen}
        for done in as_completed(waiting):
            yield waiting[done], done.result()


def _products(part: str, size: Size, model: str, threads: int, every: int) -> Steps:
    """Products are few and their candidates many: NumPy is done before JAX has compiled one, whatever ``model`` is."""
    try:
        products = list(importlib.import_module(f"hardware.{part}_products").products())[::every]
    except Exception as error:
        yield part, _failure(error)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: dict[Future[dict[str, Any] | str], str] = {}
        for product in products:
            label = f"{product.label}, {product.m} x {product.n} x {product.k}"
            try:
                waiting[pool.submit(_caught, explain, measure(product, size.seed), on_numpy)] = label
            except Exception as error:
                yield label, _failure(error)
        for done in as_completed(waiting):
            yield waiting[done], done.result()


def _caught(step: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any] | str:
    try:
        return step(*arguments)
    except Exception as error:
        return _failure(error)


def _failure(error: Exception) -> str:
    """A line for the record; where it happened goes to the terminal."""
    traceback.print_exception(error)
    return f"{type(error).__name__}: {error}"
