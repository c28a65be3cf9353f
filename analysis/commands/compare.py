"""``assay compare``."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from analysis.progress import Progress
    from analysis.tensors import Tensor

#: rows of a summary that the terminal shows in full
_ROWS = 60
_DEFAULT = "FP16 weights of Whisper tiny.en"


def compare(
    tensors: Annotated[Path | None, typer.Option(help="safetensors, GGUF, .npz or ONNX file")] = None,
    distribution: Annotated[str | None, typer.Option(help="normal, laplace, student_t[:nu], uniform, outliers")] = None,
    names: Annotated[str | None, typer.Option(help="only tensors whose name matches this glob")] = None,
    formats: Annotated[str | None, typer.Option(help="names, block formats too, separated by commas")] = None,
    granularities: Annotated[str | None, typer.Option(help="of tensor, channel, group<n>")] = None,
    scheme: Annotated[str | None, typer.Option(help="of symmetric, asymmetric")] = None,
    scales: Annotated[str | None, typer.Option(help="of absmax, mse")] = None,
    block_rules: Annotated[str | None, typer.Option(help="of block formats: floor, even, rceil, ...")] = None,
    scale_format: Annotated[str, typer.Option(help="what scales and offsets are stored in")] = "bfloat16",
    rounding: Annotated[str, typer.Option(help="a deterministic mode of formats.Rounding")] = "nearest_ties_to_even",
    saturation: Annotated[str, typer.Option(help="a mode of formats.Saturation")] = "sat_finite",
    seed: Annotated[int, typer.Option(help="with --distribution")] = 0,
    size: Annotated[int, typer.Option(help="with --distribution: elements, in channels of 1024 if that fits")] = 1
    << 20,
    out: Annotated[Path, typer.Option(help="folder for compare.html, compare.parquet, pareto.png")] = Path("out"),
    as_json: Annotated[bool, typer.Option("--json", help="print the summary as JSON")] = False,
) -> None:
    """How every narrow format treats the weights of a network: SNR, errors, and bits per weight.

    Without --tensors or --distribution: the FP16 weights of Whisper tiny.en.

    Block formats, such as mxfp4 or nvfp4, bring their blocks, scales and rules: --granularities, --scheme, --scales,
    --scale-format, --rounding and --saturation are for the other formats only.

    For example:

    assay compare

    assay compare --tensors model.safetensors --formats int4,float4_e2m1fn --granularities channel,group64

    assay compare --formats mxfp4,nvfp4,nf4_g64

    assay compare --formats mxfp4,mxfp8_e4m3 --block-rules floor,even,rceil

    assay compare --distribution student_t:3 --seed 1
    """
    loaded, origin, skipped = _input(tensors, distribution, names, seed, size)
    import analysis
    from analysis.report.comparison import save

    with _progress() as progress:
        table = analysis.compare(
            loaded,
            formats=_split(formats),
            granularities=_split(granularities),
            schemes=_split(scheme),
            scale_rules=_split(scales),
            block_rules=_split(block_rules),
            scale_format=scale_format,
            rounding=rounding,
            saturation=saturation,
            progress=progress,
        )
        files = save(out, table, loaded, origin, skipped)
    (_print_json if as_json else _print)(table, origin, files)


def _split(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _input(
    file: Path | None, distribution: str | None, names: str | None, seed: int, size: int
) -> tuple[list[Tensor], dict[str, str], dict[str, str]]:
    """Tensors, their provenance, and what was skipped."""
    from analysis.report.provenance import provenance

    if distribution is not None:
        if file is not None or names is not None:
            raise ValueError("--distribution makes its own tensor: it does not go with --tensors or --names")
        return _sampled(distribution, size, seed), provenance(f"{distribution}, {size} elements, seed {seed}"), {}
    from analysis.tensors import default, installed, load

    try:
        loaded = default() if file is None else load(file, names=names)
    except ModuleNotFoundError as error:
        raise ValueError(str(error)) from None
    chosen = _matching(list(loaded), names)
    origin = provenance(str(file), file) if file else {**provenance(_DEFAULT), "SHA-256": installed.SHA256}
    return chosen, origin, {skipped.name: skipped.reason for skipped in loaded.skipped}


def _sampled(distribution: str, size: int, seed: int) -> list[Tensor]:
    from analysis.distributions import sample
    from analysis.tensors import Tensor

    values = sample(distribution, size, seed)
    shape = (-1, 1024) if size % 1024 == 0 else (-1,)
    return [Tensor(name=distribution, values=values.reshape(shape), source=f"seed {seed}")]


def _matching(tensors: list[Tensor], names: str | None) -> list[Tensor]:
    from fnmatch import fnmatchcase

    chosen = [tensor for tensor in tensors if names is None or fnmatchcase(tensor.name, names)]
    if not chosen:
        known = ", ".join(tensor.name for tensor in tensors[:8])
        raise ValueError(f"--names {names!r} matches no tensor; there are: {known or 'none of a float type'}")
    return chosen


@contextmanager
def _progress() -> Generator[Progress]:
    from analysis.progress import bar

    with bar("reading") as hear:

        def report(done: int, total: int, label: str) -> None:
            hear(done, total, f"{'writing' if done == total else label:32}")

        yield report


def _print(table: Any, origin: dict[str, str], files: list[Path]) -> None:
    from rich.console import Console
    from rich.text import Text

    from analysis.comparison.left_out import LeftOut
    from analysis.comparison.table import common, pareto, part, summary

    cells: Any = summary(table)
    scalars: Any = part(cells, "scalar")
    blocks: Any = part(cells, "block")
    console = Console()
    elements = int(table.drop_duplicates("tensor")["elements"].sum())
    console.print(Text(f"{origin['input']}: {table['tensor'].nunique()} tensors, {elements:,} weights"))
    for row in scalars.head(1).to_dict("records"):
        console.print("rounding {rounding}, saturation {saturation}, scales in {scale_format}".format_map(row))
    if len(cells) <= _ROWS:
        console.print(_grid("All tensors as one", cells))
    else:
        console.print(_grid("All tensors as one: formats side by side", common(cells)))
        if len(blocks) and len(scalars):
            console.print(_grid("Block formats", blocks))
        console.print(_grid(f"Pareto front of all {len(cells)} combinations", pareto(cells)))
    for out in table.attrs["left_out"]:
        console.print(Text(f"left out: {LeftOut(**out).what}: {out['reason']}", style="dim"))
    console.print(Text("written: " + ", ".join(str(file) for file in files)))


def _grid(title: str, cells: Any) -> Any:
    from rich.table import Table

    shown = Table(title=f"\n{title}", title_justify="left", box=None, pad_edge=False)
    for name in ("format", "scales"):
        shown.add_column(name, no_wrap=True)
    for name in ("bits", "SNR dB", "mean rel", "satur.", "underfl."):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in cells.itertuples():
        numbers = (f"{row.bits_per_weight:.2f}", f"{row.snr_db:.2f}", f"{row.mean_rel:.4f}")
        fractions = (f"{row.saturated:.2%}", f"{row.underflowed:.2%}")
        scheme = row.scheme.removesuffix("metric")
        shown.add_row(row.format, f"{row.granularity} {scheme} {row.scale_rule}", *numbers, *fractions)
    return shown


def _print_json(table: Any, origin: dict[str, str], files: list[Path]) -> None:
    import json

    from analysis.comparison.table import summary

    def exact(value: Any) -> Any:
        return str(value) if value in (float("inf"), float("-inf")) else value

    records: Any = cast(Any, summary(table)).to_dict("records")
    found: dict[str, Any] = {
        "provenance": origin,
        "left_out": table.attrs["left_out"],
        "files": [str(file) for file in files],
        "summary": [{key: exact(value) for key, value in row.items()} for row in records],
    }
    typer.echo(json.dumps(found, indent=2, allow_nan=False))
