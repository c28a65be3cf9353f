"""The ``assay`` command line.

Exit codes: 0 holds, 1 falls short, 2 wrong use.
"""

from __future__ import annotations

import sys

import typer

from analysis.commands.accumulate import accumulate
from analysis.commands.agree import agree
from analysis.commands.bench import bench
from analysis.commands.compare import compare
from analysis.commands.doctor import doctor
from analysis.commands.integer import integer
from analysis.commands.show import show
from analysis.commands.sweep import sweep

app = typer.Typer(
    name="assay",
    help="The bench on which low-bit arithmetic is tested against golden models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (compare, agree, show, accumulate, integer, sweep, bench, doctor):
    app.command()(command)


def main() -> None:
    """Run a command; a wrong value ends with its message on stderr and exit code 2."""
    try:
        app()
    except (KeyError, ValueError, TypeError, OSError) as error:
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"assay: {message}", file=sys.stderr)
        sys.exit(2)
