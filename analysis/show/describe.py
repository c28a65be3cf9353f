"""Text and a format in, a record out; records as JSON."""

from __future__ import annotations

import enum
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any, cast

from analysis.show.code import CodeDescription, describe_code
from analysis.show.notation import fraction_text
from analysis.show.parse import Code, parse
from analysis.show.value import ValueDescription, describe_value
from formats import Format

Description = CodeDescription | ValueDescription


def describe(
    what: str | Fraction | int | float, fmt: str | Format, *, as_code: bool | None = None, random_bit_count: int = 8
) -> Description:
    """A code or a value in a format, exactly.

    ``what`` is a number (taken exactly, as a value) or text: ``0x..`` and ``0b..`` are codes, everything else a value,
    unless ``as_code`` says otherwise (see `parse`). A code gives a `CodeDescription`, a value a `ValueDescription`.
    Raises ``KeyError`` (unknown format, with near names) and ``ValueError`` (text that is neither, code out of range).

    >>> describe("0x7E", "e4m3fn").kind, describe("448", "e4m3fn").results[0].hexadecimal
    (<Kind.NORMAL: 'normal'>, '0x7e')
    """
    found = parse(str(what), as_code=as_code) if isinstance(what, str) or as_code else what
    if isinstance(found, Code):
        return describe_code(found.code, fmt)
    return describe_value(found, fmt, random_bit_count=random_bit_count)


def to_json(record: object) -> Any:
    """A record as JSON types: Fractions as ``"p/q"``, NaN, infinities and -0 as text, enums as their values.

    >>> to_json(describe("0x80", "float8_e5m2"))["value"]
    '-0'
    """
    if isinstance(record, enum.Enum):
        return record.value
    if isinstance(record, (Fraction, float)):
        return fraction_text(record)
    if isinstance(record, tuple):
        return [to_json(item) for item in cast(tuple[object, ...], record)]
    if is_dataclass(record):
        return {field.name: to_json(getattr(record, field.name)) for field in fields(record)}
    return record
