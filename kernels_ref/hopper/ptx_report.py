"""What ptxas, NVIDIA's assembler, says about a kernel when it is asked to be verbose."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WARNING = r"ptxas warning|Potential Performance Loss|setmaxnreg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Resources of one kernel; registers are those of each thread when a block starts, the rest is bytes."""

    registers: int
    stack: int
    spill_stores: int
    spill_loads: int
    #: static shared memory; Mosaic's is dynamic and not among it
    shared: int
    #: named barriers of a block
    barriers: int
    #: warnings, and remarks on a loss of performance such as ``(C7510)``
    warnings: tuple[str, ...]


def resources(report: str) -> Resources:
    """Read the output of ``ptxas -v``.

    Several functions in one report are added up, registers and barriers apart, of which the largest counts. A count
    that the report does not name is 0. ``ValueError`` where no kernel was compiled.

    >>> found = resources("ptxas info    : Used 48 registers, used 2 barriers, 1024 bytes smem")
    >>> found.registers, found.barriers, found.shared, found.spill_loads
    (48, 2, 1024, 0)
    """
    registers = _numbers(r"Used (\d+) registers", report)
    if not registers:
        raise ValueError(f"not a report of ptxas -v, which says 'Used ... registers': {report[:200]!r}")
    return Resources(
        registers=max(registers),
        stack=sum(_numbers(r"(\d+) bytes stack frame", report)),
        spill_stores=sum(_numbers(r"stack frame, (\d+) bytes spill stores", report)),
        spill_loads=sum(_numbers(r"stack frame, .* (\d+) bytes spill loads", report)),
        shared=sum(_numbers(r"(\d+) bytes smem", report)),
        barriers=max(_numbers(r"used (\d+) barriers", report), default=0),
        warnings=tuple(line.strip() for line in report.splitlines() if re.search(_WARNING, line)),
    )


def _numbers(pattern: str, text: str) -> list[int]:
    return [int(number) for number in re.findall(pattern, text)]
