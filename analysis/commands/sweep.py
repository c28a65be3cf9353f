"""``assay sweep``: the exhaustive proof of the codec, resumable."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from analysis.sweep import Cell, Result, Results

_STOPPED = 130


def sweep(
    *,
    kinds: Annotated[str, typer.Option(help="Kinds of cells, comma-separated; else all but float32.")] = "",
    formats: Annotated[str, typer.Option(help="Names of formats, comma-separated; else all.")] = "",
    part: Annotated[str, typer.Option(help="i/n: only every n-th cell, from the i-th on.")] = "1/1",
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder of the results, one JSON line a cell.")] = Path("out/sweep"),
    record: Annotated[Path | None, typer.Option(help="Where to write the evidence record, JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Compare judge, golden model and JAX on whole input spaces, cell by cell.

    Finished cells are kept in --out; stopped with Ctrl-C, the same command goes on where it was. A cell is done
    again when its format, the code or a version has changed. Kinds: codes, fold, classes, sixteen, stochastic
    (together the proof) and float32 (a cell for each sign, some 10 s).

    Exit status: 0 all equal, 1 a mismatch, 2 wrong use, 130 stopped.

    Example: assay sweep --kinds codes,classes --formats float8_e4m3fn,int8
    """
    from analysis import evidence
    from analysis.sweep import Results, key, source_digest, summary

    chosen = select(kinds, formats, part)
    sources = source_digest()
    keys = {cell: key(cell, sources) for cell in chosen}
    results = Results(out)
    todo = [cell for cell in chosen if results.get(cell.name, keys[cell]) is None]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _carry_out(todo, chosen, keys, results, jobs)
    except KeyboardInterrupt:
        done = sum(results.get(cell.name, keys[cell]) is not None for cell in chosen)
        print(f"stopped: {done} of {len(chosen)} cells done; the same command goes on from here", file=sys.stderr)
        raise typer.Exit(_STOPPED) from None
    found = [result for cell in chosen if (result := results.get(cell.name, keys[cell])) is not None]
    content = {**summary(found), "complete": _is_whole(chosen), "source_digest": sources}
    if record is not None:
        evidence.write(record, content)
    print(json.dumps(content, indent=1) if as_json else _text(content))
    raise typer.Exit(1 if content["mismatches"] else 0)


def select(kinds: str, names: str, part: str) -> list[Cell]:
    """The cells asked for; errors name what is unknown."""
    import formats as registry
    from analysis.sweep import PROOF, cells

    wanted = {registry.get(name).name for name in _split(names)}
    every = [cell for kind in (_split(kinds) or PROOF) for cell in cells(kind)]
    chosen = [cell for cell in every if not wanted or cell.fmt in wanted]
    missing = wanted - {cell.fmt for cell in chosen}
    if missing:
        raise ValueError(f"no cell of these kinds is about {', '.join(sorted(missing))}")
    index, parts = _part(part)
    return chosen[index - 1 :: parts]


def _split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _part(text: str) -> tuple[int, int]:
    index, _, parts = text.partition("/")
    if not (index.isdecimal() and parts.isdecimal() and 1 <= int(index) <= int(parts)):
        raise ValueError(f"part={text!r} is no i/n with 1 <= i <= n, such as 1/4")
    return int(index), int(parts)


def _is_whole(chosen: Sequence[Cell]) -> bool:
    """Whether these cells are the whole proof."""
    from analysis.sweep import PROOF, cells

    return {cell for kind in PROOF for cell in cells(kind)} <= set(chosen)


def _carry_out(
    todo: Sequence[Cell], chosen: Sequence[Cell], keys: dict[Cell, str], results: Results, jobs: int
) -> None:
    """Run the cells under a progress bar, storing each as it finishes."""
    from rich.console import Console

    from analysis.sweep import Result, carry_out
    from analysis.sweep.bar import Bar

    if not todo:
        return
    console = Console(stderr=True)
    with Bar(chosen, todo, console) as bar:
        for cell, outcome, seconds in carry_out(todo, jobs=jobs, heard=bar.hear):
            result = Result(cell=cell.name, key=keys[cell], outcome=outcome, seconds=seconds)
            results.add(result)
            bar.finish(cell)
            if outcome.mismatches:
                console.print(f"[red]{cell.name}[/]: {_red(result)}", highlight=False)


def _red(result: Result) -> str:
    return f"{result.outcome.mismatches:,} of {result.outcome.compared:,} differ; {result.outcome.first}"


def _text(content: dict[str, Any]) -> str:
    rows = [*content["kinds"].items(), ("all", content)]
    lines = [f"{'kind':12}{'cells':>8}{'compared':>18}{'mismatches':>12}{'seconds':>10}"]
    lines += [
        f"{kind:12}{row['cells']:8,}{row['compared']:18,}{row['mismatches']:12,}{row['seconds']:10,.0f}"
        for kind, row in rows
    ]
    lines += [f"{cell}: {first}" for cell, first in content["failures"].items()]
    verdict = "FALLS SHORT" if content["mismatches"] else "HOLDS"
    return "\n".join([*lines, f"{verdict}: {'the whole proof' if content['complete'] else 'a part of the proof'}"])
