"""One instruction on the device against the golden models, every bit, and against wrong records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import reference
from hardware.controls import controls, families
from hardware.instructions import instruction
from hardware.models import Model, on_numpy
from kernels_ref.dot_operands import DotOperands, dot_families, dot_operands

ROWS, COLUMNS = 64, 32
Device = Callable[..., Any]


@dataclass(frozen=True)
class Size:
    """How much is compared."""

    #: products in a call
    batch: int = 195
    #: calls for the single instruction; a chain of four and (wgmma) scale-d = 0 take one each
    calls: int = 4
    #: calls until a wrong record must have shown
    control_calls: int = 16
    seed: int = 0


@dataclass(frozen=True)
class Case:
    """What is asked of an instruction."""

    label: str
    steps: int
    calls: int
    use_c: bool = True


def cases(name: str, size: Size) -> list[Case]:
    found = [Case(name, 1, size.calls), Case(f"{name} x4", 4, 1)]
    return [*found, Case(f"{name} scale-d=0", 1, 1, use_c=False)] if ".wgmma." in name else found


def examine(name: str, device: Device, model: Model, size: Size) -> dict[str, Any]:
    """The counts for one instruction; ``device(a, b, c, use_c=...)`` gives its results."""
    compared = [_compare(case, name, device, model, size, number) for number, case in enumerate(cases(name, size))]
    return {
        "ptx": instruction(name).ptx,
        "outputs": sum(each["outputs"] for each in compared),
        "mismatches": sum(each["mismatches"] + each["numpy"]["mismatches"] for each in compared),
        "cases": compared,
        "controls": _controls(name, device, size),
    }


def _operands(name: str, size: Size, steps: int, seed: int, only: Any = None, batch: int | None = None) -> DotOperands:
    k = steps * instruction(name).accumulator.k
    return dot_operands(name, rows=ROWS, columns=COLUMNS, k=k, batch=batch or size.batch, seed=seed, only=only)


def _compare(case: Case, name: str, device: Device, model: Model, size: Size, number: int) -> dict[str, Any]:
    outputs = mismatches = 0
    first = sampled = None
    for call in range(case.calls):
        operands = _operands(name, size, case.steps, size.seed * 1_000_003 + number * 1009 + call)
        actual = device(operands.a, operands.b, operands.c, use_c=case.use_c)
        start = operands.c if case.use_c else np.zeros_like(operands.c)
        wrong = model(operands.a, operands.b, start, accumulator=name) != actual
        outputs += actual.size
        mismatches += int(wrong.sum())
        if first is None and wrong.any():
            first = describe(name, operands, start, actual, tuple(int(i) for i in np.argwhere(wrong)[0]))
        sampled = sampled or _sample(name, operands, start, actual)
    return {"label": case.label, "outputs": outputs, "mismatches": mismatches, "first": first, "numpy": sampled}


def _sample(name: str, operands: DotOperands, start: Any, actual: Any) -> dict[str, Any]:
    """One item of each family against the NumPy model."""
    n = len(dot_families(name))
    wrong = on_numpy(operands.a[:n], operands.b[:n], start[:n], accumulator=name) != actual[:n]
    first = np.argwhere(wrong)[:1]
    return {
        "outputs": wrong.size,
        "mismatches": int(wrong.sum()),
        "first": describe(name, operands, start, actual, tuple(int(i) for i in first[0])) if len(first) else None,
    }


def describe(name: str, operands: DotOperands, start: Any, actual: Any, where: tuple[int, ...]) -> dict[str, Any]:
    """One output with all that went into it, and what the exact judge says."""
    item, row, column = where
    a, b, c = operands.a[item, row].tolist(), operands.b[item, :, column].tolist(), int(start[where])
    output = instruction(name).accumulator.output
    return {
        "family": operands.families[item],
        "index": where,
        "a": [hex(code) for code in a],
        "b": [hex(code) for code in b],
        "c": hex(c),
        "device": hex(int(actual[where])),
        "judge": hex(reference.exact.dot(a, b, c, accumulator=name)),
        "bits": output.bits,
    }


def _controls(name: str, device: Device, size: Size) -> dict[str, dict[str, int]]:
    """Mismatches of each wrong record with the device, drawn on until there is one."""
    found: dict[str, dict[str, int]] = {}
    for what, wrong in controls(name).items():
        only = families(what)
        outputs = mismatches = 0
        for call in range(size.control_calls):
            operands = _operands(name, size, 1, 7 + call, only, batch=len(only or dot_families(name)))
            actual = device(operands.a, operands.b, operands.c)
            mismatches += int((on_numpy(operands.a, operands.b, operands.c, accumulator=wrong) != actual).sum())
            outputs += actual.size
            if mismatches:
                break
        found[what] = {"outputs": outputs, "mismatches": mismatches}
    return found
