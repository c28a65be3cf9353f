"""From words of planes to registers of operand A: one program, run on arrays and emitted as PTX.

A machine (`Lanes`) gives the words; what it offers beside ``& | ^`` are rotations, and the two-lane float
instructions of a GPU. Every operation here is exact but the one that rounds on purpose (`Finish.REQUANTISE`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from kernels_ref.hopper.decoder import Decoder, Finish, Plane

#: for each group of a block the words of a thread's two rows
Rows = Sequence[tuple[Any, Any]]

#: two of them in a word: -0, 1 and 2^10 + 2^8, to which an int8 is added
MINUS_ZERO, ONE, BYTE = 0x80008000, 0x3F803F80, 0x65006500
#: where the sign of a byte stands in the fraction of 128; -128 and the sign make -256
SIGN, MINUS_128 = 0x00800080, 0xC300C300
#: bytes 0 and 2 of two words
LOW_BYTES = 0x6420


class Lanes(Protocol):
    """What the program asks of its machine; a value is a 32-bit word of each thread."""

    def word(self, value: int) -> Any:
        """A constant."""
        ...

    def both(self, x: Any, y: Any) -> Any:
        """And."""
        ...

    def either(self, x: Any, y: Any) -> Any:
        """Or."""
        ...

    def differ(self, x: Any, y: Any) -> Any:
        """Exclusive or."""
        ...

    def rotate(self, x: Any, places: int) -> Any:
        """Rotated to the left."""
        ...

    def times_power(self, x: Any, power: int) -> Any:
        """Two bfloat16 numbers times ``2^power``, exactly; subnormal numbers are numbers."""
        ...

    def fma_bfloat16(self, x: Any, y: Any, z: Any) -> Any:
        """Two bfloat16 ``x y + z``, rounded once."""
        ...

    def fma_float16(self, x: Any, y: Any, z: Any) -> Any:
        """Two float16 ``x y + z``, rounded once."""
        ...

    def subtract_float16(self, x: Any, y: Any) -> Any:
        """Two float16 ``x - y``, rounded once."""
        ...

    def low_bytes(self, x: Any, y: Any) -> Any:
        """Bytes 0 and 2 of ``x``, then of ``y``."""
        ...


def expand(lanes: Lanes, decoder: Decoder, words: list[Any], rows: Rows = ()) -> list[Any]:
    """The registers of a thread's block, in the order of `fragments.places`.

    ``words`` are the thread's ``2 * bits``; ``rows`` what the weights of its two rows are made with, for as many groups
    as the block has, the same in both halves of a word: the zero point (`row_word`), or the scale in the format that
    the lanes have by then.
    """
    fields = _fields(lanes, decoder, words)
    if decoder.finish is Finish.REQUANTISE:
        return _requantised(lanes, decoder, fields, rows)
    return [_finish(lanes, decoder, x, _of_row(rows, i, len(fields))) for i, x in enumerate(fields)]


def _of_row(rows: Rows, register: int, registers: int) -> Any:
    """What register ``register`` of a thread is made with."""
    return rows[register * len(rows) // registers][register % 2] if rows else None


def _fields(lanes: Lanes, decoder: Decoder, words: list[Any]) -> list[Any]:
    """Registers of lanes with every bit of the codes in its place."""
    total: list[Any] = []
    first = 0
    for plane in decoder.planes:
        count = 2 * len(plane.bits)
        fields = [_field(lanes, plane, word, r) for word in words[first : first + count] for r in plane.rotations]
        total = [lanes.either(x, y) for x, y in zip(total, fields, strict=True)] if total else fields
        first += count
    return total


def _field(lanes: Lanes, plane: Plane, word: Any, rotation: int) -> Any:
    moved = lanes.rotate(word, rotation) if rotation else word
    return moved if plane.mask == 0xFFFFFFFF else lanes.both(moved, lanes.word(plane.mask))


def _finish(lanes: Lanes, decoder: Decoder, x: Any, row: Any) -> Any:
    match decoder.finish:
        case Finish.MULTIPLY:
            return lanes.times_power(x, decoder.constant)
        case Finish.MULTIPLY_BY_SCALE:
            x = lanes.times_power(x, decoder.constant)
            return lanes.fma_bfloat16(x, row, lanes.word(MINUS_ZERO))
        case Finish.SUBTRACT:
            x = lanes.differ(x, lanes.word(decoder.constant * 0x10001))
            return lanes.fma_bfloat16(x, lanes.word(ONE), lanes.word(_offset(decoder)) if row is None else row)
        case Finish.SUBTRACT_SIGN:
            sign = lanes.either(lanes.both(x, lanes.word(SIGN)), lanes.word(MINUS_128))
            x = lanes.either(lanes.both(x, lanes.word(0x007F007F)), lanes.word(0x43004300))
            return lanes.fma_bfloat16(x, lanes.word(ONE), sign)
        case _:
            return x


def _offset(decoder: Decoder) -> int:
    """Minus 128 and the bias of a signed code, twice: its unit is 1 from 128 to 255."""
    return (0xC300 + decoder.offset - 128) * 0x10001


def row_word(lanes: Lanes, zero_point: Any) -> Any:
    """Minus 128 and the zero point, twice, from a word that holds the zero point twice."""
    return lanes.either(zero_point, lanes.word(MINUS_128))


def _requantised(lanes: Lanes, decoder: Decoder, fields: list[Any], rows: Rows) -> list[Any]:
    """``2^10 + 2^8 + w s`` has the unit 1: one addition rounds, and its low byte is the int8."""
    registers: list[Any] = []
    for i in range(0, len(fields), 2):
        parts: list[Any] = []
        for x in fields[i : i + 2]:
            x = lanes.differ(x, lanes.word(decoder.constant * 0x10001))
            x = lanes.subtract_float16(x, lanes.word((0x6400 + decoder.offset) * 0x10001))
            parts.append(lanes.fma_float16(x, _of_row(rows, i // 2, len(fields) // 2), lanes.word(BYTE)))
        registers.append(lanes.low_bytes(*parts))
    return registers
