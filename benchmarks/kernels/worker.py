"""One process of the run: a list of items, each prepared in threads ahead of its turn, results written one by one.

    python -m kernels.worker --results FILE --until SECONDS --items ITEM ...

Each line of the results is JSON: ``{"item", "event": "begun"}``, then ``"done"`` with ``"result"`` or ``"failed"`` with
``"error"``. Items wait for the file ``--go``, if one is named; preparing (tracing, compiling, drawing operands) does
not. No item begins after ``--until``, a time of the system's monotonic clock.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # several processes, and torch, share the card

from kernels.items import prepared
from kernels.settings import Settings

Run = Callable[[], Any]


def main() -> int:
    options = arguments()
    settings = Settings.from_json(options.settings)
    with ThreadPoolExecutor(max(1, options.threads)) as pool, options.results.open("a", encoding="utf-8") as results:
        ahead = {item: pool.submit(prepared, item, settings) for item in options.items if options.threads}
        while options.go is not None and not options.go.exists():
            time.sleep(0.05)
        for item in options.items:
            if time.monotonic() > options.until:
                break
            ready = (
                partial(awaited, ahead[item], options.results) if item in ahead else partial(prepared, item, settings)
            )
            for line in outcome(item, ready, options):
                results.write(json.dumps(line) + "\n")
                results.flush()
        pool.shutdown(wait=False, cancel_futures=True)
    return 0


def awaited(future: Future[Run], results: Path) -> Run:
    """What a thread prepares, however long that takes; the file's time says meanwhile that this process lives."""
    while True:
        try:
            return future.result(timeout=2)
        except TimeoutError:
            if future.done():
                raise
            os.utime(results)


@contextmanager
def turn(options: argparse.Namespace) -> Iterator[None]:
    """The GPU for oneself, where processes take turns; the file's time says meanwhile that this one lives."""
    if options.turn is None:
        yield
        return
    with options.turn.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                os.utime(options.results)
                time.sleep(0.05)
        yield


def outcome(item: str, ready: Callable[[], Run], options: argparse.Namespace) -> Any:
    """The lines of one item."""
    begun = time.monotonic()
    yield {"item": item, "event": "begun"}
    try:
        run = ready()
        with turn(options):
            result = run()
    except BaseException as error:  # whatever it is, the other items go on
        where = traceback.format_exc().strip().splitlines()[-8:]
        yield {"item": item, "event": "failed", "error": f"{type(error).__name__}: {error}"[:2000], "where": where}
    else:
        yield {"item": item, "event": "done", "result": result, "seconds": round(time.monotonic() - begun, 2)}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--until", type=float, default=float("inf"))
    parser.add_argument("--go", type=Path)
    parser.add_argument("--turn", type=Path, help="a file whose lock is held while an item runs")
    parser.add_argument("--threads", type=int, default=2, help="that prepare ahead; 0: each item in its turn")
    parser.add_argument("--settings", default="{}", help="fields of kernels.settings.Settings, JSON")
    parser.add_argument("--items", nargs="+", required=True)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
