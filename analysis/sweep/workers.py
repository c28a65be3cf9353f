"""Cells in several processes; the judge is pure Python, so that threads would not help."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import Any

from analysis.sweep.cells import Cell, run
from analysis.sweep.outcome import Outcome

Heard = Callable[[Cell, float], None]


def carry_out(todo: Sequence[Cell], *, jobs: int, heard: Heard) -> Iterator[tuple[Cell, Outcome, float]]:
    """Each cell with its outcome and its processor seconds, as they finish; ``heard`` gets fractions in between.

    Processes are spawned, not forked, because JAX has threads. Leaving the iteration early ends them at once.
    """
    context = multiprocessing.get_context("spawn")
    notes = context.SimpleQueue()
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(notes,))
    try:
        pending = {pool.submit(_work, cell) for cell in todo}
        while pending:
            done, pending = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
            while not notes.empty():
                heard(*notes.get())
            for future in done:
                yield future.result()
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_notes: Any = None


def _start(notes: Any) -> None:
    global _notes
    _notes = notes
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends its workers


def _work(cell: Cell) -> tuple[Cell, Outcome, float]:
    """A cell in a worker; one that breaks is red, and does not stop the others."""
    import jax

    start = time.process_time()
    try:
        outcome = run(cell, lambda fraction: _notes.put((cell, fraction)))
    except Exception as error:
        outcome = Outcome(compared=0, mismatches=1, first=f"{type(error).__name__}: {error}", digest="")
    jax.clear_caches()  # each cell compiles its own code and none is used twice
    return cell, outcome, round(time.process_time() - start, 3)
