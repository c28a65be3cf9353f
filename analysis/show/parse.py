"""What the user typed: a code, or a value taken exactly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from analysis.show.notation import Value

#: decimal exponents beyond this are refused: no format is near it, and the digits would fill pages
MAX_EXPONENT = 1000

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e(?P<exponent>[+-]?\d+))?", re.IGNORECASE)
_RATIO = re.compile(r"[+-]?\d+/\d+")
_HEX_FLOAT = re.compile(
    r"(?P<sign>[+-]?)0x(?P<whole>[0-9a-f]+)(\.(?P<fraction>[0-9a-f]*))?p(?P<exponent>[+-]?\d+)", re.IGNORECASE
)
_CODE = re.compile(r"0x[0-9a-f]+|0b[01]+", re.IGNORECASE)
_SPECIAL = re.compile(r"(?P<sign>[+-]?)(?P<what>nan|inf|infinity)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A bit pattern, of a format yet to be named."""

    code: int


def parse(text: str, *, as_code: bool | None = None) -> Code | Value:
    """A `Code` (``0x7E``, ``0b110``), or a value: a Fraction, or a float for NaN, infinities and -0.

    Values are decimals (``0.3``, ``1e-3``), ratios (``1/3``), hexadecimal floats (``0x1.8p-3``), ``nan``, ``inf`` and
    ``-0``; each is taken exactly. ``as_code`` overrides what the spelling says: True reads integers of any base as a
    code, False reads them as a value. Raises ``ValueError`` for anything else.

    >>> parse("0x7E"), parse("0.3"), parse("126", as_code=True)
    (Code(code=126), Fraction(3, 10), Code(code=126))
    """
    text = text.strip()
    if len(text) > MAX_EXPONENT:
        raise ValueError(f"a number of {len(text)} characters is too long; at most {MAX_EXPONENT}")
    if as_code or (as_code is None and _CODE.fullmatch(text)):
        return Code(code=_code(text))
    return _value(text)


def _code(text: str) -> int:
    if _CODE.fullmatch(text):
        return int(text, 0)
    if re.fullmatch(r"\d+", text):
        return int(text)
    raise ValueError(f"{text!r} is no code; write 0x7E, 0b1111110 or, with --code, 126")


def _value(text: str) -> Value:
    if match := _SPECIAL.fullmatch(text):
        size = float("nan") if match["what"].lower() == "nan" else float("inf")
        return -size if match["sign"] == "-" else size
    exact = _exact(text)
    return -0.0 if exact == 0 and text.startswith("-") else exact


def _exact(text: str) -> Fraction:
    if _CODE.fullmatch(text):
        return Fraction(int(text, 0))
    if match := _HEX_FLOAT.fullmatch(text):
        digits = match["fraction"] or ""
        exponent = _limited(match["exponent"]) - 4 * len(digits)
        magnitude = int(match["whole"] + digits, 16) * Fraction(2) ** exponent
        return -magnitude if match["sign"] == "-" else magnitude
    if match := _DECIMAL.fullmatch(text):
        _limited(match["exponent"] or "0")
        return Fraction(text)
    if _RATIO.fullmatch(text):
        if int(text.split("/")[1]) == 0:
            raise ValueError(f"{text!r} divides by zero")
        return Fraction(text)
    raise ValueError(
        f"{text!r} is neither a value (0.3, 1e-3, 1/3, 0x1.8p-3, nan, inf, -0) nor a code (0x7E, 0b1111110)"
    )


def _limited(exponent: str) -> int:
    if abs(int(exponent)) > MAX_EXPONENT:
        raise ValueError(f"exponent {exponent} is too large; at most {MAX_EXPONENT} either way")
    return int(exponent)
