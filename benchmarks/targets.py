"""Measured ratios and what they must reach: the frame of a benchmark on this CPU."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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


def conclude(results: Sequence[Result], options: argparse.Namespace, content: dict[str, Any]) -> int:
    """Write the record, if one is asked for; the exit status."""
    missed = sum(not r.reached for r in results)
    if options.record:
        write(options.record, {**content, "missed": missed, "results": [asdict(r) for r in results]})
    return 1 if missed and options.strict else 0
