"""``assay agree``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from analysis.agreement import Map
    from analysis.tensors import Tensor

#: names of the default weights that are measured unless others are asked for: 1,769,472 numbers
_WEIGHTS = "encoder/layer_0/*"


def agree(
    tensors: Annotated[Path | None, typer.Option(help="safetensors, GGUF, .npz or ONNX file")] = None,
    distributions: Annotated[str, typer.Option(help="normal, laplace, student_t[:nu], ..., by commas; or none")] = (
        "normal,student_t:3"
    ),
    names: Annotated[
        str | None, typer.Option(help="only tensors whose name matches; without --tensors encoder/layer_0/*")
    ] = None,
    formats: Annotated[str | None, typer.Option(help="of mxfp8_e4m3, ..., mxint8, nvfp4, separated by commas")] = None,
    peers: Annotated[bool, typer.Option(help="run torchao and gguf beside, where they are installed")] = True,
    seed: Annotated[int, typer.Option(help="of the distributions")] = 0,
    size: Annotated[int, typer.Option(help="elements of each distribution, a multiple of 1024")] = 1 << 20,
    out: Annotated[Path, typer.Option(help="folder for agreement.parquet, agreement_pairs.parquet and .png")] = Path(
        "out"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="print the tables as JSON")] = False,
) -> None:
    """Which rule picks which scale of a block, and what that costs in signal-to-noise ratio.

    Without --tensors on the first layer of Whisper tiny.en's encoder, FP16; --names '*' takes all of its weights.
    Ends with 1 if a peer differs from the rule it stands for.

    For example:

    assay agree

    assay agree --formats mxfp4,nvfp4 --distributions laplace --no-peers

    assay agree --tensors model.safetensors --names '*mlp*' --json
    """
    from analysis.agreement import FORMATS, draw_map
    from analysis.progress import bar

    chosen = FORMATS if formats is None else _split(formats)
    data = {**_weights(tensors, names), **_drawn(_split(distributions), size, seed)}
    with bar() as progress:
        found = draw_map(data, formats=chosen, with_peers=peers, progress=progress)
    files = _saved(found, out)
    (_print_json if as_json else _print)(found, files)
    raise typer.Exit(0 if found.surprises.empty else 1)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _weights(path: Path | None, names: str | None) -> dict[str, Sequence[Tensor]]:
    from fnmatch import fnmatchcase

    from analysis.tensors import default, load

    if path is not None:
        return {path.name: load(path, names=names)}
    wanted = _WEIGHTS if names is None else names
    loaded = [tensor for tensor in default() if fnmatchcase(tensor.name, wanted)]
    if not loaded:
        raise ValueError(f"--names {names!r} matches none of the weights of Whisper tiny.en")
    return {f"Whisper tiny.en, {wanted}": loaded}


def _drawn(names: list[str], size: int, seed: int) -> dict[str, Sequence[Tensor]]:
    from analysis.distributions import sample
    from analysis.tensors import Tensor

    if size % 1024 or size < 1024:
        raise ValueError(f"--size {size} must be a multiple of 1024, the length of a channel")
    return {
        name: [Tensor(name=name, values=sample(name, size, seed).reshape(-1, 1024), source=f"seed {seed}")]
        for name in names
        if name != "none"
    }


def _saved(found: Map, out: Path) -> list[Path]:
    import io

    from analysis.agreement.pictures import picture
    from analysis.plots import png
    from analysis.report.files import write

    files: list[Path] = []
    for name, table in (("agreement", found.rows), ("agreement_pairs", found.pairs)):
        buffer = io.BytesIO()
        frame: Any = table
        frame.to_parquet(buffer)
        files.append(write(out / f"{name}.parquet", buffer.getvalue()))
    if found.choices:
        files.append(write(out / "agreement.png", png(picture(found))))
    return files


def _print(found: Map, files: list[Path]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if Console().is_terminal else 132)
    rows: Any = found.rows
    for source, group in rows.groupby("data", sort=False):
        shown = Table(box=None, pad_edge=False, title=Text(str(source)), title_justify="left")
        for name in ("format", "rule or peer"):
            shown.add_column(name, no_wrap=True)
        for name in ("scale doubles from", "blocks", "SNR dB", "lost dB", "differs from its rule on"):
            shown.add_column(name, justify="right", no_wrap=True)
        for row in group.itertuples():
            shown.add_row(
                row.format, row.way, _doubles(found, row), f"{row.blocks:,}", f"{row.snr_db:.2f}",
                f"{row.cost_db:.2f}", _differs(found, row),
            )  # fmt: skip
        console.print(shown)
        console.print()
    for source, names in found.left_out.items():
        if names:
            console.print(Text(f"{source}: left out, no whole blocks: {', '.join(names)}"))
    console.print(Text("written: " + ", ".join(str(file) for file in files)))


def _doubles(found: Map, row: Any) -> str:
    """The significand of the largest magnitude from which the scale is twice OCP's."""
    intervals = found.choices.get(row.format, {}).get(row.way)
    if intervals is None:
        return ""
    return next((f"{float(each.start):.7f}" for each in intervals if each.headroom < 0), "never")


def _differs(found: Map, row: Any) -> str:
    """Of a peer, the blocks whose scale or values are not those of the rule it stands for."""
    if not row.expected:
        return ""
    pairs: Any = found.pairs
    pair = pairs[
        (pairs["data"] == row.data)
        & (pairs["format"] == row.format)
        & (pairs["first"] == row.expected)
        & (pairs["second"] == row.way)
    ].iloc[0]
    return f"{round((1 - min(pair.same_scale, pair.same_values)) * row.blocks):,} blocks"


def _print_json(found: Map, files: list[Path]) -> None:
    import json

    choices = {
        name: {
            rule: [[str(each.start), str(each.stop), each.headroom] for each in intervals]
            for rule, intervals in of_format.items()
        }
        for name, of_format in found.choices.items()
    }
    content: dict[str, Any] = {
        "files": [str(file) for file in files],
        "choices": choices,
        "rows": _records(found.rows),
        "pairs": _records(found.pairs),
        "left_out": found.left_out,
    }
    typer.echo(json.dumps(content, indent=2, allow_nan=False))


def _records(table: Any) -> list[dict[str, Any]]:
    """The rows of a table; NaN, what was not compared, as null, and infinities as text."""
    return [{key: _plain(value) for key, value in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
