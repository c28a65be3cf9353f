"""``assay bench``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from analysis.bench import Case


def bench(
    kernels: Annotated[str, typer.Option(help="contracts whose names match, such as 'w4a16*'")] = "w4a16_g128",
    m: Annotated[str, typer.Option(help="rows of activations, separated by commas")] = "1,16,64",
    n: Annotated[int, typer.Option(help="rows of weights")] = 28672,
    k: Annotated[int, typer.Option(help="length of a row")] = 8192,
    peers: Annotated[bool, typer.Option(help="cuBLAS and a Triton kernel beside, where torch is installed")] = True,
    out: Annotated[Path, typer.Option(help="the record, JSON; pictures lie beside it")] = Path("out/bench.json"),
    record: Annotated[Path | None, typer.Option(help="show this record, measured before, and draw it")] = None,
    dry_run: Annotated[bool, typer.Option(help="list what would be measured; needs no GPU")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the record, or the list, as JSON")] = False,
) -> None:
    """How fast the kernels are on this machine's NVIDIA GPU, beside XLA's bfloat16, FP8 and INT8 products and cuBLAS.

    For example:

    assay bench --dry-run

    assay bench --kernels 'w4a16*' --m 1,16

    assay bench --kernels 'encode_*' --no-peers

    assay bench --record benchmarks/records/h200_kernels.json
    """
    import json

    from analysis.bench import plan
    from kernels_ref.contracts import Shape

    if record is not None:
        found = json.loads(record.read_text(encoding="utf-8"))
    else:
        cases = plan(kernels, [Shape(m=rows, n=n, k=k) for rows in _numbers(m)])
        if dry_run:
            _print_plan(cases, as_json)
            return
        found = _measured(cases, peers)
    written = _write(found, out, keep=record is None)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        _print(found, written)


def _write(record: dict[str, Any], out: Path, *, keep: bool) -> list[Path]:
    """The record, if it is to be kept, and its pictures: all files that there are now."""
    import json

    from analysis.bench.pictures import pictures, renew

    out.parent.mkdir(parents=True, exist_ok=True)
    if keep:
        out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    drawn = {out.with_name(f"{out.stem}_{name}.png"): numbers for name, numbers in pictures(record["rows"]).items()}
    for file, numbers in drawn.items():
        renew(file, numbers)
    return [*([out] if keep else []), *drawn]


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise ValueError(f"--m {text!r} must be positive integers, separated by commas")
    return [int(part) for part in parts]


def _measured(cases: list[Case], peers: bool) -> dict[str, Any]:
    from rich.console import Console

    from analysis.bench import run

    with Console(stderr=True).status("starting") as status:
        return run(cases, with_peers=peers, say=lambda what: status.update(what))


def _print_plan(cases: list[Case], as_json: bool) -> None:
    import json

    from rich.console import Console
    from rich.table import Table

    rows = [
        {
            "kernel": case.name, "way": case.way, "m": case.shape.m, "n": case.shape.n, "k": case.shape.k,
            "bytes": case.bytes, "operations": case.operations, "fewer_bytes_than_bfloat16": case.fewer_bytes,
        }
        for case in cases
    ]  # fmt: skip
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    shown = Table("kernel", "way", "M", "N", "K", "MB", "GFLOP", "bytes of bfloat16", box=None)
    for row, case in zip(rows, cases, strict=True):
        fewer = f"{case.fewer_bytes:.2f}x" if case.fewer_bytes else ""
        numbers = (f"{case.bytes / 1e6:.1f}", f"{case.operations / 1e9:.1f}", fewer)
        shown.add_row(case.name, case.way, *(str(row[size]) for size in "mnk"), *numbers)
    Console(width=None if Console().is_terminal else 150).print(shown)


def _print(record: dict[str, Any], written: list[Path]) -> None:
    from rich.console import Console
    from rich.table import Table

    from analysis.bench.tables import bases, ceilings, fraction, key

    rows = record["rows"]
    base, top = bases(rows), ceilings(rows)
    shown = Table("what", "M", "N", "K", "us", "quartiles", "x XLA bf16", "of the ceiling", box=None)
    for row in rows:
        sizes = [str(row.get(size, "")) for size in "mnk"]
        if "median" not in row:
            shown.add_row(row["what"], *sizes, "not run", row["not_run"][:60], "", "")
            continue
        ratio = f"{base[key(row)] / row['median']:.2f}" if "n" in row and key(row) in base else ""
        share = fraction(row, top)
        shown.add_row(
            row["what"], *sizes, f"{row['median']:.1f}", f"{row['lower']:.1f}-{row['upper']:.1f}", ratio,
            "" if share is None else f"{share:.0%}",
        )  # fmt: skip
    console = Console(width=None if Console().is_terminal else 132)
    console.print(f"{record['device']}, driver {record['driver']}")
    console.print(shown)
    console.print(f"written: {', '.join(map(str, written))}")
