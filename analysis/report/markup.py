"""One self-contained HTML page: style and pictures inside, no network, all text escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light; font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff }
body { max-width: 1180px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem; margin-bottom: .2rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
img { max-width: 100%; height: auto } .wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .84rem; font-variant-numeric: tabular-nums }
th, td { padding: .18rem .7rem .18rem 0; text-align: right; white-space: nowrap; border-bottom: 1px solid #e4e4e4 }
th { position: sticky; top: 0; background: #fff } td.text, th.text { text-align: left }
dt { font-weight: 600 } dd { margin: 0 0 .4rem 1rem; overflow-wrap: anywhere } code { background: #f3f3f3 }
"""

Figures = Sequence[tuple[str, str, bytes]]


def page(title: str, lead: str, sections: Iterable[str]) -> str:
    """The page: title, one paragraph, and sections made by the functions below.

    >>> page("a < b", "", []).count("a &lt; b")
    2
    """
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1><p>{escape(lead)}</p>\n{''.join(sections)}</body></html>\n"
    )


def figure(heading: str, caption: str, png: bytes) -> str:
    """A section with a picture, embedded."""
    data = base64.b64encode(png).decode("ascii")
    picture = f'<img alt="{escape(heading)}" src="data:image/png;base64,{data}">'
    return f"<h2>{escape(heading)}</h2>\n{picture}\n<p>{escape(caption)}</p>\n"


def table(heading: str, caption: str, rows: Sequence[Mapping[str, object]]) -> str:
    """A section with a table; numbers to the right, in five digits at most."""
    names = list(rows[0]) if rows else []
    head = "".join(f"<th{_class(rows[0][name])}>{escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td{_class(row[name])}>{escape(number(row[name]))}</td>' for name in names)}</tr>\n"
        for row in rows
    )
    return (
        f"<h2>{escape(heading)}</h2>\n<p>{escape(caption)}</p>\n"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n'
    )


def _class(value: object) -> str:
    return ' class="text"' if isinstance(value, str) else ""


def number(value: object) -> str:
    """A cell of a table.

    >>> number(33.24044), number(7.6e-06), number("int8"), number(0.0)
    ('33.24', '7.6e-06', 'int8', '0')
    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def notes(heading: str, entries: Mapping[str, str]) -> str:
    """A section with a list of terms and what is said of them."""
    items = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>\n" for term, text in entries.items())
    return f"<h2>{escape(heading)}</h2>\n<dl>{items}</dl>\n"
