"""Finished cells in a file of JSON lines, one appended as soon as each is done."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.sweep.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The outcome of a cell, the key it holds for, and the processor seconds it took."""

    cell: str
    key: str
    outcome: Outcome
    seconds: float


class Results:
    """The file ``results.jsonl`` of a folder; later lines replace earlier ones with the same cell.

    A last line that was cut off (the machine stopped in the middle of a write) is dropped and its cell done again;
    any other line that cannot be read is a ``ValueError`` naming file and line.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "results.jsonl"
        self._found: dict[str, Result] = {}
        if self.path.exists():
            self._load()

    def _load(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            self.path.write_bytes(whole)
        for number, line in enumerate(whole.decode().splitlines(), 1):
            try:
                fields: dict[str, Any] = json.loads(line)
                fields["outcome"] = Outcome(**fields["outcome"])
                result = Result(**fields)
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(f"{self.path}, line {number} is no result of a sweep: {error}") from None
            self._found[result.cell] = result

    def get(self, cell: str, key: str) -> Result | None:
        """The stored result of a cell, unless it was found under another key."""
        result = self._found.get(cell)
        return result if result is not None and result.key == key else None

    def add(self, result: Result) -> None:
        """Store a result, on disk before this returns."""
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")
        self._found[result.cell] = result
