"""Work that says how far it is."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

#: hears how much of the work is done, of how much, and what is next
Progress = Callable[[int, int, str], None]


def silent(done: int, total: int, label: str) -> None:
    """Report nothing."""


@contextmanager
def bar(label: str = "") -> Generator[Progress]:
    """A bar on the terminal's stderr, gone when the work is done; ``label`` is what it says before any news."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(label, total=None)

        def hear(done: int, total: int, label: str) -> None:
            shown.update(task, completed=done, total=total, description=escape(label))

        yield hear
