"""An examination on a terminal."""

from __future__ import annotations

from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from analysis.doctor.examination import Examination
from analysis.doctor.finding import FAILED, Finding

_COLOURS = {"equal": "green", "differs": "red", FAILED: "red", "broken": "red"}


def render(examination: Examination) -> RenderableType:
    """A table for each group, and the verdict of the self-check."""
    groups = groupby(examination.findings, key=lambda finding: finding.group)
    tables = [_table(name, list(findings)) for name, findings in groups]
    holds = examination.holds
    verdict = "HOLDS: every executor here agrees with the judge" if holds else "FAILS: an executor here disagrees"
    return Group(*tables, Text(verdict, "bold green" if holds else "bold red"))


def _table(name: str, findings: list[Finding]) -> Table:
    table = Table(title=name, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading, style in (("probe", ""), ("finding", "cyan"), ("measured, and what it means", "")):
        table.add_column(heading, style=style, overflow="fold", ratio=None)
    for finding in findings:
        what = f"{finding.name} ({finding.backend})" if finding.backend else finding.name
        lines = [Text(text, style) for text, style in ((finding.detail, ""), (finding.meaning, "dim")) if text]
        answer = Text(finding.answer, _COLOURS.get(finding.answer, "cyan"))
        table.add_row(what, answer, Text("\n").join(lines))
    table.add_row()
    return table
