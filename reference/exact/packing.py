"""The judge: codes as digits, digits as bytes, one number at a time."""

from __future__ import annotations

from collections.abc import Sequence

import formats
from formats import Layout


def pack(codes: Sequence[int], layout: str | Layout) -> list[int]:
    """Bytes that hold ``codes``, by the definition in `formats.Layout`.

    Raises ``KeyError`` (unknown layout) or ``ValueError`` (a length that does not fill its bytes; a code that the
    layout does not store, with its index).

    >>> pack([0, 1, 3, 1], "ternary_2bit")
    [137]
    """
    spec = formats.layout(layout)
    if len(codes) % spec.per_byte:
        raise ValueError(f"{len(codes)} codes do not fill bytes of {spec.per_byte}, as {spec.name} has them")
    digits = [_digit(code, index, spec) for index, code in enumerate(codes)]
    return [_byte(digits[i : i + spec.per_byte], spec) for i in range(0, len(digits), spec.per_byte)]


def _digit(code: int, index: int, spec: Layout) -> int:
    digit = (code + spec.offset) % 2**spec.code_bits
    if not 0 <= code < 2**spec.code_bits or digit > spec.max_digit:
        raise ValueError(f"code {code} at {index} is none that {spec.name} stores")
    return digit


def _byte(digits: list[int], spec: Layout) -> int:
    byte = 0
    for digit in digits if spec.big_endian else reversed(digits):
        byte = byte * spec.radix + digit
    return byte


def unpack(words: Sequence[int], layout: str | Layout) -> list[int]:
    """The codes that bytes hold: the inverse of `pack`.

    Raises ``KeyError`` (unknown layout) or ``ValueError`` (a byte that `pack` never produces, with its index).

    >>> unpack([137], "ternary_2bit")
    [0, 1, 3, 1]
    """
    spec = formats.layout(layout)
    return [code for index, word in enumerate(words) for code in _codes(word, index, spec)]


def _codes(word: int, index: int, spec: Layout) -> list[int]:
    rest, digits = word, list[int]()
    for _ in range(spec.per_byte):
        rest, digit = divmod(rest, spec.radix)
        digits.append(digit)
    if rest != 0 or max(digits) > spec.max_digit:
        raise ValueError(f"byte {word} at {index} is none that {spec.name} has")
    ordered = reversed(digits) if spec.big_endian else digits
    return [(digit - spec.offset) % 2**spec.code_bits for digit in ordered]
