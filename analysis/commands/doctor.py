"""``assay doctor``."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False) -> None:
    """What NumPy, JAX and XLA do on this machine: flushed subnormals, contraction, casts, backends; all measured.

    Ends with 0 if this project's own encode and decode agree with the exact judge on every executor here, else with 1.

    For example:

    assay doctor

    assay doctor --json > machine.json
    """
    import json

    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        from analysis.doctor import examine, render

        found = examine(lambda name: status.update(name))
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
    else:
        Console(highlight=False).print(render(found))
    raise typer.Exit(0 if found.holds else 1)
