"""``assay accumulate``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from analysis.accumulation import Matrices, Measurement
    from analysis.progress import Progress

#: FP8 on an H100, fast and promoted, its mma.sync, a B200, and what they are to be compared with
USUAL = (
    "hopper.wgmma.k32.f32.e4m3.e4m3,hopper.wgmma.k32.f32.e4m3.e4m3.promote128,hopper.mma.m16n8k32.f32.e4m3.e4m3,"
    "blackwell.tcgen05.k32.f32.e4m3.e4m3,fma.f32,pairwise.f32,exact.f32"
)


def accumulate(
    accumulators: Annotated[str, typer.Option(help="names (formats.accumulators()), separated by commas")] = USUAL,
    k: Annotated[str, typer.Option("--k", help="products in each sum, one or more, separated by commas")] = (
        "128,512,1536,4096"
    ),
    source: Annotated[str, typer.Option("--input", help="mlp, gram (of Whisper tiny.en) or a distribution")] = "mlp",
    rows: Annotated[int, typer.Option(help="rows of the first matrix; rows times columns sums for each K")] = 16,
    columns: Annotated[int, typer.Option(help="columns of the second matrix")] = 128,
    fmt: Annotated[str, typer.Option("--format", help="of operands where the accumulator takes any")] = "float8_e4m3fn",
    seed: Annotated[int, typer.Option(help="of sounds, draws and random bits")] = 0,
    out: Annotated[Path, typer.Option(help="folder for accumulate.parquet and two PNG")] = Path("out"),
    as_json: Annotated[bool, typer.Option("--json", help="print the table as JSON")] = False,
) -> None:
    """What the accumulator of a matrix unit costs: errors against exact sums, and the bounds that they keep.

    By default on real activations times real weights, the MLPs of Whisper tiny.en's encoder, in E4M3.

    Ends with 1 if an error exceeds its bound.

    For example:

    assay accumulate

    assay accumulate --accumulators fma.bf16,fma.f32 --k 256,1024 --input normal --format bfloat16

    assay accumulate --input gram --k 4096 --json
    """
    from analysis.accumulation import matrices
    from analysis.progress import bar

    ks = _ks(k)
    names = [name.strip() for name in accumulators.split(",") if name.strip()]
    if not names:
        raise ValueError(f"--accumulators {accumulators!r} names none")
    with bar("making the operands") as progress:
        made = matrices(source, k=max(ks), rows=rows, columns=columns, seed=seed)
        found = list(_measured(made, names, ks, fmt, progress))
    table, files = _saved(found, out)
    (_print_json if as_json else _print)(table, made.description, files)
    raise typer.Exit(0 if (table["of_running"] <= 1).all() and (table["of_worst"] <= 1).all() else 1)


def _ks(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise ValueError(f"--k {text!r}: positive whole numbers, separated by commas, are accepted")
    return sorted({int(part) for part in parts})


def _measured(made: Matrices, names: list[str], ks: list[int], fmt: str, progress: Progress) -> Iterator[Measurement]:
    import formats
    from analysis.accumulation import measure

    done, total = 0, len(names) * len(ks)
    for name in names:
        accumulator = formats.accumulator(name)
        operands = made.quantised(accumulator, fmt)
        for k in ks:
            progress(done, total, f"{name}, K = {k}")
            yield measure(operands.first(k), accumulator)
            done += 1


def _saved(found: list[Measurement], out: Path) -> tuple[Any, list[Path]]:
    """The table, and the files written."""
    import io

    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

    from analysis.accumulation import pictures
    from analysis.plots import png
    from analysis.report.files import write

    table: Any = pd.DataFrame([one.row() for one in found])
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    most = max(one.k for one in found)
    last = [one for one in found if one.k == most]
    files = [
        write(out / "accumulate.parquet", buffer.getvalue()),
        write(out / "accumulate.png", png(pictures.against_k(table))),
        write(out / "accumulate_distribution.png", png(pictures.distribution(last))),
    ]
    return table, files


def _print(table: Any, description: str, files: list[Path]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if Console().is_terminal else 132)
    console.print(Text(description))
    shown = Table(box=None, pad_edge=False)
    shown.add_column("accumulator", no_wrap=True)
    for name in ("K", "norm rel", "rms/S", "p99/S", "max/S", "p99 ulp", "bound/S", "worst/S", "of bound"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in table.sort_values(["k"], kind="stable").itertuples():
        small = (row.norm_rel, row.rms, row.sum_p99, row.sum_max, row.ulp_p99, row.running_bound, row.worst_bound)
        shown.add_row(row.accumulator, str(row.k), *(f"{x:.1e}" for x in small), f"{row.of_running:.2f}")
    console.print(shown)
    console.print("S = sum |a b|; norm rel: Euclidean norms, error over exact; bound: from the operands; worst: from K")
    console.print(Text("written: " + ", ".join(str(file) for file in files)))


def _print_json(table: Any, description: str, files: list[Path]) -> None:
    import json

    rows = [{key: _plain(value) for key, value in row.items()} for row in table.to_dict("records")]
    content = {"input": description, "files": [str(file) for file in files], "table": rows}
    typer.echo(json.dumps(content, indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    """JSON has no infinity and no NaN: these as text."""
    return str(value) if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value
