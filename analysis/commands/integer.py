"""``assay integer``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.layers import Layer
    from formats.dyadic import DyadicPair


def integer(
    network: Annotated[str, typer.Argument(help="digits or efficientnet-lite0")] = "digits",
    scheme: Annotated[str, typer.Option(help="tflite_int8, symmetric_int8 or hawq_v3")] = "tflite_int8",
    rule: Annotated[str | None, typer.Option(help="requantiser instead of the scheme's, as onnx_qlinear")] = None,
    addition: Annotated[str | None, typer.Option(help="rule of residual additions instead of the scheme's")] = None,
    pictures: Annotated[int, typer.Option(help="how many go through the network")] = 16,
    as_json: Annotated[bool, typer.Option("--json", help="print the layers as JSON")] = False,
) -> None:
    """An integer-only network layer by layer: scales as b/2^c, integers used, saturations, and where floats come in.

    Ends with 1 if any operation between the input's integers and the output's is one of floats.

    For example:

    assay integer

    assay integer efficientnet-lite0 --pictures 4

    assay integer digits --rule onnx_qlinear --json
    """
    from rich.console import Console

    from analysis.layers import prepared, report
    from analysis.networks.schemes import scheme as scheme_of

    by = scheme_of(scheme, rule=rule, addition=addition)
    with Console(stderr=True).status(f"{network} by {by.name}"):
        made, x = prepared(network, by, pictures)
        layers = report(made, x)
    (_print_json if as_json else _print)(layers)
    raise typer.Exit(1 if any(layer.floats for layer in layers) else 0)


def _print(layers: Sequence[Layer]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if Console().is_terminal else 200)
    shown = Table(box=None, pad_edge=False)
    for name in ("layer", "kind", "shape", "format", "scale", "zero", "b/2^c"):
        shown.add_column(name, no_wrap=True)
    for name in ("integers used", "saturated", "accumulators", "bound"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("floats")
    for layer in layers:
        shown.add_row(*_cells(layer))
    console.print(shown)
    console.print(Text(_summary(layers)))


def _cells(layer: Layer) -> list[str]:
    saturated = f"{layer.saturated:,}/{layer.results:,}" if layer.saturated else ""
    return [
        layer.name,
        layer.kind,
        "x".join(map(str, layer.shape)),
        layer.out.format.name,
        f"{layer.out.scale:.4g}",
        str(layer.out.zero_point),
        " .. ".join(map(_pair, layer.multipliers)),
        f"{layer.used[0]}..{layer.used[1]} ({layer.share:.0%})",
        saturated,
        "" if layer.accumulated is None else f"{layer.accumulated[0]:,}..{layer.accumulated[1]:,}",
        _of_bound(layer),
        ", ".join(sorted(set(layer.floats))),
    ]


def _pair(pair: DyadicPair) -> str:
    return f"{pair.multiplier}/2^{pair.shift}"


def _of_bound(layer: Layer) -> str:
    if layer.accumulated is None or layer.bound is None:
        return ""
    largest, bound = (max(-low, high) for low, high in (layer.accumulated, layer.bound))
    return f"{largest / bound:.0%} of {bound.bit_length() + 1} bits" if bound else "0%"


def _summary(layers: Sequence[Layer]) -> str:
    floats = [layer.name for layer in layers if layer.floats]
    saturated, results = sum(layer.saturated for layer in layers), sum(layer.results for layer in layers)
    where = f"floats in {len(floats)} layers: {', '.join(floats)}" if floats else "no operation on floats"
    return f"{len(layers)} layers, {saturated:,} of {results:,} results saturated, {where}"


def _print_json(layers: Sequence[Layer]) -> None:
    import json

    typer.echo(json.dumps([_record(layer) for layer in layers], indent=2, allow_nan=False))


def _record(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "kind": layer.kind,
        "shape": layer.shape,
        "format": layer.out.format.name,
        "scale": layer.out.scale,
        "zero_point": layer.out.zero_point,
        "rule": layer.rule,
        "multipliers": [[pair.multiplier, pair.shift] for pair in layer.multipliers],
        "used": layer.used,
        "results": layer.results,
        "saturated": layer.saturated,
        "activated": layer.activated,
        "accumulated": layer.accumulated,
        "bound": layer.bound,
        "floats": layer.floats,
    }
