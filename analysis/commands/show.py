"""``assay show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from analysis.show import Code, Description
    from analysis.show.notation import Value
    from formats import Format, Rounding, Saturation

#: shown where no format is named: what people compare
USUAL = (
    "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn",
    "float4_e2m1fn", "int8", "int4",
)  # fmt: skip


def show(
    what: Annotated[str, typer.Argument(help="a code (0x7E, 0b110) or a value (0.3, 1/3, 0x1.8p-3, nan, inf)")],
    fmt: Annotated[list[str] | None, typer.Option("--format", "-f", help="a format; may be repeated")] = None,
    every: Annotated[bool, typer.Option("--all", help="every registered format of at most 8 bits, a row each")] = False,
    as_code: Annotated[
        bool | None, typer.Option("--code/--value", help="read WHAT as a code or as a value, whatever its spelling")
    ] = None,
    rounding: Annotated[str | None, typer.Option(help="with --saturation: this policy alone, a row a format")] = None,
    saturation: Annotated[str | None, typer.Option(help="with --rounding: this policy alone, a row a format")] = None,
    random_bits: Annotated[int, typer.Option(help="random bits of the stochastic roundings, 1..24")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable; fractions as text, p/q")] = False,
) -> None:
    """What a code is, or what becomes of a value, in one or many formats: exactly.

    A whole number is a value and 0x.. a code, unless --code or --value says otherwise. A negative value comes last,
    behind two dashes.

    For example:

    assay show 0x7E -f float8_e4m3fn

    assay show 0.3 -f e4m3fn -f float4_e2m1fn --random-bits 3

    assay show 1/3 --all --rounding nearest_ties_to_even --saturation sat_finite

    assay show -f float8_e5m2 -- -0
    """
    from analysis.show import ValueDescription, describe, parse, under

    policy = _policy(rounding, saturation)
    specs = _formats(fmt or [], every, parse(what, as_code=as_code))
    found = [describe(what, spec, as_code=as_code, random_bit_count=random_bits) for spec in specs]
    if policy:
        found = [under(d, *policy) if isinstance(d, ValueDescription) else d for d in found]
    _print_json(what, found) if as_json else _print(found, policy, rows=every or not fmt)


def _policy(rounding: str | None, saturation: str | None) -> tuple[Rounding, Saturation] | None:
    from formats import Rounding, Saturation, parse_enum

    if rounding is None and saturation is None:
        return None
    return parse_enum(Rounding, rounding, "rounding"), parse_enum(Saturation, saturation, "saturation")


def _formats(fmt: list[str], every: bool, asked: Code | Value) -> list[Format]:
    from analysis.show import Code
    from formats import get, names

    if fmt and every:
        raise ValueError("--format and --all exclude each other")
    if fmt:
        return [get(name) for name in fmt]
    specs = [spec for spec in map(get, names()) if spec.bits <= 8] if every else [get(name) for name in USUAL]
    fitting = [spec for spec in specs if not isinstance(asked, Code) or asked.code < 1 << spec.bits]
    if not fitting:
        raise ValueError(f"the code fits none of {len(specs)} formats, the widest of {max(s.bits for s in specs)} bits")
    return fitting


def _print_json(what: str, found: Sequence[Description]) -> None:
    import json

    from analysis.show import CodeDescription, to_json

    kind = "code" if isinstance(found[0], CodeDescription) else "value"
    typer.echo(json.dumps({"input": what, "as": kind, "descriptions": [to_json(d) for d in found]}, indent=2))


def _print(found: Sequence[Description], policy: tuple[Rounding, Saturation] | None, *, rows: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for renderable in _renderables(found, policy, rows):
        console.print(renderable)


def _renderables(
    found: Sequence[Description], policy: tuple[Rounding, Saturation] | None, rows: bool
) -> list[RenderableType]:
    from analysis.show import CodeDescription, ValueDescription, code_table, neighbour_table, render, result_table

    codes = [d for d in found if isinstance(d, CodeDescription)]
    values = [d for d in found if isinstance(d, ValueDescription)]
    if values and policy:
        return [result_table(values, ", ".join(part.value for part in policy))]
    if not rows:
        return [render(d) for d in found]
    return [code_table(codes) if codes else neighbour_table(values)]
