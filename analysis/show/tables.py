"""Descriptions on a terminal, one row a format."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from analysis.show.code import CodeDescription, Neighbour
from analysis.show.notation import short_text
from analysis.show.render import fields_text
from analysis.show.value import Result, ValueDescription


def code_table(descriptions: Sequence[CodeDescription]) -> Table:
    """The same code in several formats: its fields, class and value."""
    table = _table(f"{descriptions[0].code:#x} in {len(descriptions)} formats")
    for heading in ("format", "code", "bits", "class", "value", "ulp"):
        table.add_column(heading, no_wrap=heading in ("format", "bits"))
    for found in descriptions:
        ulp = "-" if found.ulp is None else short_text(found.ulp)
        bits = fields_text(found.fields)
        table.add_row(found.format, found.hexadecimal, bits, found.kind.value, short_text(found.value), ulp)
    return table


def neighbour_table(descriptions: Sequence[ValueDescription]) -> Table:
    """The same value in several formats: the neighbours, which no policy decides, and its place between them."""
    value = descriptions[0].value
    table = _table(f"{short_text(value)} in {len(descriptions)} formats")
    for heading in ("format", "below", "above", "nu"):
        table.add_column(heading, no_wrap=heading == "format")
    for found in descriptions:
        nu = "-" if found.nu is None else short_text(found.nu)
        if value != value:
            held = {result.hexadecimal for result in found.results if result.value != result.value}
            table.add_row(found.format, *(["no NaN"] * 2 if not held else [f"{held.pop()}  nan"] * 2), "-")
        else:
            table.add_row(found.format, _end(found.below), _end(found.above), nu)
    return table


def _end(found: Neighbour | None) -> str:
    return "none" if found is None else f"{found.hexadecimal}  {short_text(found.value)}"


def result_table(descriptions: Sequence[ValueDescription], policy: str) -> Table:
    """The same value in several formats under one policy: code, rounded value, error."""
    table = _table(f"{short_text(descriptions[0].value)}: {policy}")
    headings = ["format", "code", "result", "error", "error in ulp"]
    rows = [row for found in descriptions for row in _result_rows(found)]
    if any(row[-1] for row in rows):
        headings.append("when")
    for heading in headings:
        table.add_column(heading, no_wrap=heading == "format")
    for row in rows:
        table.add_row(*row[: len(headings)])
    return table


def _result_rows(found: ValueDescription) -> list[list[str]]:
    results = {result.code: result for result in found.results}
    rows: list[list[str]] = []
    for policy in found.policies:
        total = sum(outcome.count for outcome in policy.outcomes)
        for outcome in policy.outcomes:
            when = "" if policy.nan is None else f"nan={policy.nan.value}"
            when = f"{outcome.count} of {total}" if outcome.count < total else when
            rows.append([found.format, outcome.hexadecimal, *_result(results[outcome.code]), when])
    return rows or [[found.format, "", "", "", "", "mode not here"]]


def _result(result: Result) -> list[str]:
    errors = [result.error, result.error_ulp]
    return [short_text(result.value), *("-" if error is None else short_text(error) for error in errors)]


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
