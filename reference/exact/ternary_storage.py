"""The judge of ternary storages: one tile at a time, by the definition in `formats.ternary.storage`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from formats import parse_enum
from formats.ternary.storage import ABSENT, Foreign, TernaryStorage, ternary_storage


def pack_trits(elements: Sequence[int], storage: str | TernaryStorage) -> list[int]:
    """Bytes of one tile, whose elements come row-major.

    Raises ``KeyError`` (unknown storage) or ``ValueError`` (a wrong number of elements; one out of range).

    >>> pack_trits([1, 0, -1, 1, 1], "ternary_base3_multiply")
    [208]
    """
    spec = ternary_storage(storage)
    if len(elements) != math.prod(spec.tile):
        raise ValueError(f"{len(elements)} elements are no tile {spec.tile} of {spec.name}")
    for index, element in enumerate(elements):
        if not spec.least <= element <= spec.greatest:
            raise ValueError(f"element {element} at {index} is none of {spec.least}..{spec.greatest}, see {spec.name}")
    digits = [0 if place == ABSENT else elements[place] + spec.offset for place in spec.order]
    symbols = [_number(part, spec.radix, spec) for part in _parts(digits, spec.digits)]
    if spec.by_multiplying:
        return [math.ceil(256 * q / spec.radix**spec.digits) for q in symbols]
    return [_number(part, 2**spec.symbol_bits, spec) for part in _parts(symbols, 8 // spec.symbol_bits)]


def unpack_trits(words: Sequence[int], storage: str | TernaryStorage, *, foreign: Foreign | str) -> list[int]:
    """The elements that the bytes of a tile hold: the inverse of `pack_trits`.

    ``foreign`` says what becomes of bytes that `pack_trits` never makes: see `formats.ternary.storage.Foreign`.
    Raises ``KeyError`` (unknown storage) or ``ValueError`` (a wrong number of bytes; foreign ones, where refused).

    >>> unpack_trits([208], "ternary_base3_multiply", foreign="refuse")
    [1, 0, -1, 1, 1]
    """
    spec, fate = ternary_storage(storage), parse_enum(Foreign, foreign, "foreign")
    if len(words) != spec.bytes_per_tile:
        raise ValueError(f"{len(words)} bytes are no tile of {spec.name}, which has {spec.bytes_per_tile}")
    digits = [digit for word in words for digit in _digits(word, spec)]
    held = {place: digit - spec.offset for place, digit in zip(spec.order, digits, strict=True)}
    elements = [held[element] for element in range(math.prod(spec.tile))]
    own = all(spec.least <= e <= spec.greatest for e in elements) and pack_trits(elements, spec) == list(words)
    if fate is Foreign.REFUSE and not own:
        raise ValueError(f"no elements of {spec.name} make these bytes")
    return elements


def _digits(word: int, spec: TernaryStorage) -> list[int]:
    """The digits of a byte, in their order; by multiplying, those of the fraction ``word / 256``."""
    if spec.by_multiplying:
        return _places(word * spec.radix**spec.digits // 256, spec.radix, spec.digits, spec)
    symbols = _places(word, 2**spec.symbol_bits, 8 // spec.symbol_bits, spec)
    return [digit for symbol in symbols for digit in _places(symbol, spec.radix, spec.digits, spec)]


def _number(parts: Sequence[int], base: int, spec: TernaryStorage) -> int:
    number = 0
    for part in parts if spec.first_high else reversed(parts):
        number = number * base + part
    return number


def _places(number: int, base: int, count: int, spec: TernaryStorage) -> list[int]:
    parts: list[int] = []
    for _ in range(count):
        number, part = divmod(number, base)
        parts.append(part)
    return parts[::-1] if spec.first_high else parts


def _parts(sequence: Sequence[int], size: int) -> list[Sequence[int]]:
    return [sequence[i : i + size] for i in range(0, len(sequence), size)]
