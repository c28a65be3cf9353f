"""The judge: a block of GGUF as one integer, its codes, and the exact values that they stand for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from formats import Format
from formats.block_formats.spec import Level, Shift
from formats.code_books.book import CodebookSpec
from formats.gguf.record import BitField, GgufType
from formats.gguf.types import gguf_type
from reference.exact.codebook import decode_codebook
from reference.exact.codec import decode

Value = Fraction | float


def unpack_gguf(block: Sequence[int], kind: str | GgufType) -> dict[str, list[int]]:
    """The codes of one block, given as its bytes, by field: "codes", "scales" and what else the type has.

    Definition: `formats.gguf.record.BitField`. Raises ``KeyError`` (unknown type) or ``ValueError`` (another number of
    bytes, or no bytes).

    >>> {name: codes[:3] for name, codes in unpack_gguf([0, 0x3C, 0x2F, *range(15)], "Q4_0").items()}
    {'codes': [7, 8, 9], 'scales': [15360]}
    """
    spec = gguf_type(kind)
    if len(block) != spec.nbytes:
        raise ValueError(f"a block of {spec.name} has {spec.nbytes} bytes, not {len(block)}")
    number = int.from_bytes(bytes(block), "little")
    return {name: _codes(number, field) for name, field in spec.fields}


def _codes(number: int, field: BitField) -> list[int]:
    codes, width = [0] * field.count, 0
    for run in field.runs:
        for index, place in enumerate(run.places):
            codes[index] += (number >> place) % 2**run.width * 2**width
        width += run.width
    return [(code + 2 ** (width - 1)) % 2**width for code in codes] if field.offset_binary else codes


def dequantize_gguf(block: Sequence[int], kind: str | GgufType) -> list[Value]:
    """The exact values of one block: Fractions, or floats for NaN, infinities and -0.

    Definition: the type's `formats.BlockSpec`. An infinite scale times zero is NaN, and so is the difference of
    two infinities; a product has the signs of its factors multiplied, where an integer zero is positive, and an exact
    zero of a sum is +0 unless both terms are -0. Raises as `unpack_gguf` does.

    >>> dequantize_gguf([0, 0x3C, 0x2F, *range(15)], "Q4_0")[:3]
    [Fraction(7, 1), Fraction(-8, 1), Fraction(-7, 1)]
    """
    spec = gguf_type(kind)
    codes = unpack_gguf(block, spec)
    scales = _level(codes, "scales", "second", spec.spec.scale)
    shifts = _level(codes, "shifts", "shift_second", spec.spec.shift) if spec.spec.shift else None
    values = list[Value]()
    for index, code in enumerate(codes["codes"]):
        group = index // spec.spec.size
        value = _product(scales[group], decode_number(code, spec.spec.element))
        values.append(value if shifts is None else _shifted(value, shifts[group], spec.spec.shift_kind))
    return values


def _level(codes: dict[str, list[int]], first: str, second: str, level: Level) -> list[Value]:
    numbers = [decode_number(code, level.format) for code in codes[first]]
    if level.second is None or level.per is None:
        return numbers
    shared = [decode_number(code, level.second) for code in codes[second]]
    return [_product(number, shared[index // level.per]) for index, number in enumerate(numbers)]


def decode_number(code: int, spec: Format | CodebookSpec) -> Value:
    """The value of a code of a format or of a code-book."""
    return decode_codebook(code, spec) if isinstance(spec, CodebookSpec) else decode(code, spec)


def _shifted(value: Value, shift: Value, kind: Shift | None) -> Value:
    return _sum(value, _product(shift, Fraction(-1)) if kind is Shift.SUBTRACTED else shift)


def _product(a: Value, b: Value) -> Value:
    if isinstance(a, Fraction) and isinstance(b, Fraction) and a * b != 0:
        return a * b
    sign = _sign(a) * _sign(b)
    if math.isnan(a) or math.isnan(b) or (math.inf in (abs(a), abs(b)) and 0 in (a, b)):
        return math.nan
    if math.inf in (abs(a), abs(b)):
        return sign * math.inf
    return Fraction(0) if sign > 0 else -0.0


def _sum(a: Value, b: Value) -> Value:
    if math.isinf(a) or math.isinf(b) or math.isnan(a) or math.isnan(b):
        return float(a if math.isinf(a) or math.isnan(a) else 0) + float(b if math.isinf(b) or math.isnan(b) else 0)
    if _sign(a) < 0 and _sign(b) < 0 and a == b == 0:
        return -0.0
    return Fraction(a) + Fraction(b)


def _sign(a: Value) -> int:
    """-1 or 1; a Fraction that is 0 is positive."""
    return (-1 if a < 0 else 1) if isinstance(a, Fraction) else int(math.copysign(1, a))
