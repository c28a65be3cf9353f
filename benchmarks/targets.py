"""Measured ratios and what they must reach: the frame of a benchmark on this CPU."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from analysis.evidence import write


@dataclass(frozen=True)
class Result:
    what: str
    against: str
    ratio: float
    target: float

    @property
    def reached(self) -> bool:
        return self.ratio >= self.target


def parser(description: str | None, seconds: float) -> argparse.ArgumentParser:
    """The options that all take; ``seconds`` is their default."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--seconds", type=float, default=seconds, help="time for each comparison")
    made.add_argument("--record", type=Path, help="write the results here, JSON")
    made.add_argument("--strict", action="store_true", help="exit status 1 if a target is missed")
    return made


def heard(results: Iterable[Result]) -> Iterator[Result]:
    """The results, each printed on stderr as it comes."""
    for result in results:
        print(f"{result.what:58} {result.ratio:7.2f} of {result.against}", file=sys.stderr, flush=True)
        yield result


def show(results: Iterable[Result], title: str) -> None:
    """A table of ratios and targets, in red where one is missed."""
    table = Table("what", "ratio", "target", "against", title=title)
    for r in results:
        target = f"{r.target:g}" if r.target else ""
        table.add_row(r.what, f"{r.ratio:.2f}", target, r.against, style="" if r.reached else "bold red")
    Console().print(table)


def conclude(results: Sequence[Result], options: argparse.Namespace, content: dict[str, Any]) -> int:
    """Write the record, if one is asked for; the exit status."""
    missed = sum(not r.reached for r in results)
    if options.record:
        write(options.record, {**content, "missed": missed, "results": [asdict(r) for r in results]})
    return 1 if missed and options.strict else 0
