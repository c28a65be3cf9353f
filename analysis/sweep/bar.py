"""The progress of a sweep on the terminal: all cells together, and each one at work."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from analysis.sweep.cells import Cell

_HOUR = 3600.0


class Bar:
    """A context manager; cells count by `Cell.work`, so that the time remaining is worth something."""

    def __init__(self, chosen: Sequence[Cell], todo: Sequence[Cell], console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            speed_estimate_period=_HOUR,
        )
        self._count, self._finished = len(chosen), len(chosen) - len(todo)
        self._at_work: dict[Cell, TaskID] = {}
        self._total = self._progress.add_task(self._title(), total=self._work(todo))

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def hear(self, cell: Cell, fraction: float) -> None:
        """A cell at work has got so far."""
        if cell not in self._at_work:
            self._at_work[cell] = self._progress.add_task(cell.name, total=1.0)
        self._progress.update(self._at_work[cell], completed=fraction)

    def finish(self, cell: Cell) -> None:
        """A cell is done: its line goes, the total advances."""
        self._finished += 1
        if cell in self._at_work:
            self._progress.remove_task(self._at_work.pop(cell))
        self._progress.update(self._total, advance=cell.work, description=self._title())

    def _title(self) -> str:
        return f"{self._finished:,} of {self._count:,} cells"

    @staticmethod
    def _work(cells: Sequence[Cell]) -> int:
        return sum(cell.work for cell in cells)
