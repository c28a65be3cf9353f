"""Records by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

_Record = TypeVar("_Record")


def find_record(name: str, known: Mapping[str, _Record], what: str) -> _Record:
    """The record called ``name``; ``KeyError`` lists the known ones.

    >>> find_record("two", {"one": 1, "two": 2}, "number")
    2
    """
    try:
        return known[name]
    except KeyError:
        raise KeyError(f"unknown {what} {name!r}; known: {', '.join(known)}") from None
