"""Descriptions on a terminal, one format at a time."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from analysis.show.code import CodeDescription, Field, Kind, Neighbour
from analysis.show.notation import binary_text, decimal_text, fraction_text, short_text
from analysis.show.value import Outcome, Policy, ValueDescription
from formats import NanRule, Rounding, Saturation

_COLOURS = {"sign": "red", "exponent": "green", "fraction": "blue", "integer": "green"}


def render(description: CodeDescription | ValueDescription) -> RenderableType:
    """A description for ``rich.print``, at most 80 columns where its numbers are not longer."""
    if isinstance(description, CodeDescription):
        what, body = description.hexadecimal, _code(description)
    else:
        what, body = _as_typed(description), _value(description)
    title = Text.assemble((what, "bold"), " in ", (description.format, "bold"))
    return Group(title, Padding(body, (0, 0, 1, 2)))


def fields_text(fields: Iterable[Field]) -> Text:
    """The bits, a colour for each field."""
    return Text(" ").join(Text(field.bits, _COLOURS[field.name]) for field in fields)


def _code(found: CodeDescription) -> RenderableType:
    names = Text(" ").join(Text(field.name, _COLOURS[field.name]) for field in found.fields)
    rows: dict[str, Text | str] = {
        "bits": Text.assemble(fields_text(found.fields), "   ", names),
        "class": found.kind.value,
        "definition": found.definition,
        "value": _exactly(found),
        "ulp": "" if found.ulp is None else short_text(found.ulp),
        "below": "" if found.kind is Kind.NAN else _neighbour(found.below),
        "above": "" if found.kind is Kind.NAN else _neighbour(found.above),
        "source": Text(found.source, "dim"),
    }
    return _pairs(rows)


def _exactly(found: CodeDescription) -> str:
    spellings = [found.decimal, found.scaled, fraction_text(found.value).removesuffix("/1")]
    return " = ".join(dict.fromkeys(spellings))


def _value(found: ValueDescription) -> RenderableType:
    ends = {"below": found.below, "above": found.above}
    rows: dict[str, Text | str] = {name: _neighbour(end) for name, end in ends.items()}
    if found.below is not None and found.below == found.above:
        rows = {"held": f"exactly, by {_neighbour(found.below)}"}
    elif found.value != found.value:
        rows = {}
    if found.nu:
        rows["nu"] = f"{short_text(found.nu)} of the way, from the one nearer to zero"
    rows["ulp"] = "" if found.ulp is None else short_text(found.ulp)
    rows["source"] = Text(found.source, "dim")
    return Group(_pairs(rows), "", _policies(found), "", _results(found))


def _pairs(rows: dict[str, Text | str]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, content in rows.items():
        if content:
            grid.add_row(label, content)
    return grid


def _neighbour(found: Neighbour | None) -> str:
    return "none" if found is None else f"{found.hexadecimal}  {short_text(found.value)}"


def _as_typed(found: ValueDescription) -> str:
    exact = decimal_text(found.value) or fraction_text(found.value)
    spellings = [exact, binary_text(found.value)]
    return next((text for text in spellings if text is not None and len(text) <= 40), short_text(found.value))


def _policies(found: ValueDescription) -> Table:
    """Rounding down, saturation across; columns that agree everywhere are one, and so are rows if all agree."""
    columns = _columns(found.policies)
    table = _table("rounding", *(_label(keys, found.policies) for keys in columns.values()))
    values = {result.code: short_text(result.value) for result in found.results}
    cells = {mode: [_cell(column[i], values) for column in columns] for i, mode in enumerate(Rounding)}
    if len({tuple(row) for row in cells.values()}) == 1:
        table.add_row("every mode", *cells[Rounding.TO_ODD])
        return table
    count = next(policy.random_bit_count for policy in found.policies if policy.random_bit_count)
    for mode, row in cells.items():
        table.add_row(f"{mode.value}, n={count}" if mode.is_stochastic else mode.value, *row)
    return table


_Column = tuple[tuple[Outcome, ...], ...]
_Key = tuple[Saturation, NanRule | None]


def _columns(policies: Iterable[Policy]) -> dict[_Column, list[_Key]]:
    """What each saturation and NaN rule gives, rounding by rounding, and all those that give just this."""
    found: dict[_Key, _Column] = {}
    for policy in policies:
        key = (policy.saturation, policy.nan)
        found[key] = (*found.get(key, ()), policy.outcomes)
    columns: dict[_Column, list[_Key]] = {}
    for key, column in found.items():
        columns.setdefault(column, []).append(key)
    return columns


def _label(keys: list[_Key], policies: Iterable[Policy]) -> str:
    """One line for each NaN rule, or else for each saturation mode; modes are left out where they decide nothing."""
    modes = dict.fromkeys(policy.saturation for policy in policies)
    rules = dict.fromkeys(rule for _, rule in keys)
    lines: list[str] = []
    for rule in rules:
        here = [saturation for saturation, other in keys if other is rule]
        names = [mode.value for mode in here] if len(here) < len(modes) else [] if rule else ["every saturation"]
        lines += names if rule is None else [" ".join([*names, f"nan={rule.value}"])]
    return "\n".join(lines)


def _cell(outcomes: tuple[Outcome, ...], values: dict[int, str]) -> str:
    total = sum(outcome.count for outcome in outcomes)
    texts = [f"{outcome.hexadecimal}  {values[outcome.code]}" for outcome in outcomes]
    if len(texts) == 1:
        return texts[0]
    return "\n".join(f"{text}  ({o.count} of {total})" for text, o in zip(texts, outcomes, strict=True))


def _results(found: ValueDescription) -> Table:
    table = _table("code", "result", "error", "error in ulp")
    for result in found.results:
        errors = [result.error, result.error_ulp]
        table.add_row(
            result.hexadecimal, short_text(result.value), *("-" if e is None else short_text(e) for e in errors)
        )
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
