"""The documentation: generated tables are fresh, links lead somewhere, quoted commands exist."""

from __future__ import annotations

import importlib.util
import re
import shlex
from fractions import Fraction
from pathlib import Path

import pytest
import typer.main

import formats
from analysis.bench.pictures import digest, drawn_from
from analysis.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|^    .*?$|`[^`]+`", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^ *(?:\$ )?(assay [a-z].*)$|`(assay [^`]+)`", re.MULTILINE)
COMMANDS = typer.main.get_command(app).commands


def load_tables():
    spec = importlib.util.spec_from_file_location("docs_tables", ROOT / "docs" / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tables = load_tables()


def relative_links(text):
    """Targets of relative links outside code, without their anchors."""
    targets = LINK.findall(CODE.sub("", text))
    return [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]


def commands(text):
    """Arguments of every quoted `assay` command, as a shell would pass them."""
    quoted = [own_line or inline for own_line, inline in COMMAND.findall(text)]
    return [shlex.split(re.split(r"[|>]| && ", line)[0], comments=True)[1:] for line in quoted]


def parse(name, *arguments):
    """Parse without running: raises for an unknown command or option, and for a value of a wrong type."""
    COMMANDS[name].make_context(name, [argument for argument in arguments if argument != "--help"])


@pytest.mark.parametrize("page", tables.TABLES)
def test_generated_tables_are_fresh(page):
    stale = f"docs/{page} is stale; run: python docs/tables.py"
    assert tables.renewed(page) == (tables.DOCS / page).read_text(encoding="utf-8"), stale


@pytest.mark.parametrize("name", tables.pictures())
def test_pictures_are_drawn_from_the_record(name):
    numbers = tables.pictures()[name]
    assert drawn_from(tables.DOCS / name) == digest(numbers), f"docs/{name} is stale; run: python docs/tables.py"
    assert digest(numbers[1:]) != digest(numbers)
    assert f"({name})" in (tables.DOCS / "bench.md").read_text(encoding="utf-8")


def test_every_registered_format_has_one_row():
    text = (tables.DOCS / "formats.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == sorted(formats.names())


def test_a_missing_marker_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "kernels.md").write_text("<!-- begin run -->\n<!-- end run -->\n")
    monkeypatch.setattr(tables, "DOCS", tmp_path)
    with pytest.raises(ValueError, match="begin bandwidth --> and <!-- end bandwidth --> once"):
        tables.renewed("kernels.md")


def test_a_stale_table_is_noticed_and_renewed(tmp_path, monkeypatch):
    fresh = (tables.DOCS / "kernels.md").read_text(encoding="utf-8")
    monkeypatch.setattr(tables, "DOCS", tmp_path)
    (tmp_path / "kernels.md").write_text(fresh.replace("| float32 |", "| float33 |"), encoding="utf-8")
    assert tables.renewed("kernels.md") == fresh


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(448), "448"),
        (Fraction(31, 2), "15.5"),
        (Fraction(-127, 64), "-127 * 2^-6"),
        (Fraction(1, 512), "2^-9"),
        (Fraction(2) ** 127, "2^127"),
        (Fraction(255) * 2**120, "255 * 2^120"),
    ],
)
def test_numbers_are_printed_exactly(value, text):
    assert tables.number(value) == text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files(page):
    missing = [
        target for target in relative_links(page.read_text(encoding="utf-8")) if not (page.parent / target).is_file()
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_quoted_commands_parse(page):
    for arguments in commands(page.read_text(encoding="utf-8")):
        parse(*arguments)


def test_links_and_commands_are_found():
    text = (
        "[a](b.md#c) [d](https://e.f) [g](#h) `[i](j)` `assay doctor --json > k`\n\n    assay show 0x7E -f e4m3fn  # l"
    )
    assert relative_links(text) == ["b.md"]
    assert commands(text) == [["doctor", "--json"], ["show", "0x7E", "-f", "e4m3fn"]]
    assert sum(len(commands(page.read_text(encoding="utf-8"))) for page in PAGES) > 10
    assert sum(len(relative_links(page.read_text(encoding="utf-8"))) for page in PAGES) > 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "1", "--nope"), "No such option: --nope"),
        (("compare", "--seed", "x"), "valid integer"),
        (("gone",), "gone"),
    ],
)
def test_a_wrong_command_is_noticed(arguments, message):
    with pytest.raises(Exception, match=message):
        parse(*arguments)
