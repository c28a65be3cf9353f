"""Worker processes: begun, watched, killed where they hang, and begun again without what hung."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parents[1]


@dataclass
class Worker:
    """One process after the other for a list of items; each is taken up once."""

    name: str
    items: list[str]
    folder: Path
    settings: str
    until: float  #: no item begins later
    patience: float = 75  #: seconds that an item may take before its process is killed
    threads: int = 2
    go: Path | None = None
    turn: Path | None = None  #: a file whose lock is held while an item runs
    process: subprocess.Popen[bytes] | None = None
    quiet_since: float = 0
    hung: list[str] = field(default_factory=list)
    cut_off: bool = False  #: the time was over before the items were

    @property
    def results(self) -> Path:
        return self.folder / f"{self.name}.jsonl"

    def start(self) -> None:
        """Begin with what is left."""
        command = [sys.executable, "-m", "kernels.worker", "--results", str(self.results), "--settings", self.settings]
        command += ["--until", str(self.until), "--threads", str(self.threads)]
        command += ["--go", str(self.go)] if self.go else []
        command += ["--turn", str(self.turn)] if self.turn else []
        paths = [str(BENCHMARKS.parent), str(BENCHMARKS), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUNBUFFERED": "1"}
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--items", *self.left()],
                env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.quiet_since = time.monotonic()

    def left(self) -> list[str]:
        """Items that have not begun."""
        taken = {line["item"] for line in self.lines()}
        return [item for item in self.items if item not in taken]

    def lines(self) -> list[dict[str, Any]]:
        """What the processes wrote so far; a line cut off by a kill is left out."""
        if not self.results.exists():
            return []
        text = self.results.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def is_over(self, now: float) -> bool:
        """Look after the process; whether there is nothing left to do."""
        if self.process is None:
            return True
        if self.process.poll() is not None:
            return self._ended(now)
        changed = max((path.stat().st_mtime for path in [self.results] if path.exists()), default=0.0)
        self.quiet_since = max(self.quiet_since, changed - time.time() + now)
        if self.go is not None and not self.go.exists():
            self.quiet_since = now
        if now - self.quiet_since > self.patience:
            self.kill()
            return self._ended(now)
        return False

    def _ended(self, now: float) -> bool:
        """The process is gone: what it had begun is lost; the rest is for another one."""
        events = {line["item"]: line["event"] for line in self.lines()}
        lost = [item for item, event in events.items() if event == "begun" and item not in self.hung]
        self.hung += lost
        left, self.process = self.left(), None
        stuck = not lost and left == self.items
        if not left or now > self.until or (stuck and not self.threads):
            return True
        if stuck:  # it died while it prepared items: which one, shows where they are prepared one by one
            self.threads = 0
        self.items = left
        self.start()
        return False

    def kill(self) -> None:
        """The process and its children."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def watch(workers: list[Worker], until: float) -> None:
    """Until all are over or the time has come, when those that are left are killed."""
    running = list(workers)
    while running and time.monotonic() < until:
        running = [worker for worker in running if not worker.is_over(time.monotonic())]
        time.sleep(0.1)
    for worker in running:
        worker.cut_off = True
        worker.kill()


def collected(workers: list[Worker]) -> dict[str, Any]:
    """Each item's result or error; items that have not begun are not there."""
    found: dict[str, Any] = {}
    for worker in workers:
        lines = worker.lines()
        for line in lines:
            if line["event"] == "done":
                found[line["item"]] = {"result": line["result"], "seconds": line["seconds"]}
            elif line["event"] == "failed":
                found[line["item"]] = {"error": line["error"], "where": line["where"]}
            elif worker.cut_off and line is lines[-1]:
                found.setdefault(line["item"], {"unfinished": "the time was over"})
            else:
                found.setdefault(line["item"], {"error": "hung, or the process died"})
    return found
