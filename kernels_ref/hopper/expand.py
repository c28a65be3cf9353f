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

#: two of them in a word: -0, and 2^10 + 2^8, to which an int8 is added
MINUS_ZERO, BYTE = 0x80008000, 0x65006500
#: the pattern of 2^10 in float16, whose unit is 1
TWO_TO_10 = 0x6400
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

    def masked(self, x: Any, mask: int, flipped: int) -> Any:
        """``x & mask ^ flipped``."""
        ...

    def times_power(self, x: Any, power: int) -> Any:
        """Two bfloat16 numbers times ``2^power``, exactly; subnormal numbers are numbers."""
        ...

    def count_plus(self, x: Any, left: int, z: Any) -> Any:
        """Two fields of at most 8 bits, ``left`` places too far to the left, times 2^-6, plus two bfloat16 ``z``."""
        ...

    def fma_bfloat16(self, x: Any, y: Any, z: Any) -> Any:
        """Two bfloat16 ``x y + z``, rounded once."""
        ...

    def fma_float16(self, x: Any, y: Any, z: Any) -> Any:
        """Two float16 ``x y + z``, rounded once."""
        ...

    def field_minus(self, x: Any, left: int, offset: int) -> Any:
        """The fields of two float16 ``2^10 + 2^left field``, minus a small integer, as float16."""
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
    return [_finish(lanes, decoder, x, _left(decoder, i), _of_row(rows, i, len(fields))) for i, x in enumerate(fields)]


def _left(decoder: Decoder, register: int) -> int:
    """How far to the left the fields of a register lie."""
    plane = decoder.planes[0]
    return plane.taken(plane.rotations[register % len(plane.rotations)])[1]


def _of_row(rows: Rows, register: int, registers: int) -> Any:
    """What register ``register`` of a thread is made with."""
    return rows[register * len(rows) // registers][register % 2] if rows else None


def _fields(lanes: Lanes, decoder: Decoder, words: list[Any]) -> list[Any]:
    """Registers of lanes with every bit of the codes in its place."""
    total: list[Any] = []
    first = 0
    for plane in decoder.planes:
        count = 2 * len(plane.bits)
        flipped = None if total else decoder
        fields = [
            _field(lanes, plane, word, r, flipped) for word in words[first : first + count] for r in plane.rotations
        ]
        total = [lanes.differ(x, y) for x, y in zip(total, fields, strict=True)] if total else fields
        first += count
    return total


def _flipped(decoder: Decoder, left: int) -> int:
    """The bits of fields that are flipped, and what is set beside them, in both lanes."""
    if decoder.finish not in (Finish.SUBTRACT, Finish.REQUANTISE):
        return 0
    beside = TWO_TO_10 if decoder.finish is Finish.REQUANTISE else 0
    return (decoder.constant << left | beside) * 0x10001


def _field(lanes: Lanes, plane: Plane, word: Any, rotation: int, decoder: Decoder | None) -> Any:
    """The field of a plane; where ``decoder`` is given, with what it flips."""
    turn, left = plane.taken(rotation)
    moved = lanes.rotate(word, turn) if turn else word
    if decoder is not None and (flipped := _flipped(decoder, left)):
        return lanes.masked(moved, plane.mask << left, flipped)
    return moved if plane.mask == 0xFFFFFFFF else lanes.both(moved, lanes.word(plane.mask << left))


def _finish(lanes: Lanes, decoder: Decoder, x: Any, left: int, row: Any) -> Any:
    match decoder.finish:
        case Finish.MULTIPLY:
            return lanes.times_power(x, decoder.constant)
        case Finish.MULTIPLY_BY_SCALE:
            x = lanes.times_power(x, decoder.constant)
            return lanes.fma_bfloat16(x, row, lanes.word(MINUS_ZERO))
        case Finish.SUBTRACT:
            return lanes.count_plus(x, left, lanes.word(_offset(decoder)) if row is None else row)
        case _:
            return x


def _offset(decoder: Decoder) -> int:
    """Minus the bias of a signed code, a power of two, in the unit of the operands, twice; -0 if there is none."""
    power = decoder.offset.bit_length() - 1 + decoder.exponent
    return MINUS_ZERO | ((127 + power) << 7) * 0x10001 if decoder.offset else MINUS_ZERO


def _requantised(lanes: Lanes, decoder: Decoder, fields: list[Any], rows: Rows) -> list[Any]:
    """``2^10 + 2^8 + w s`` has the unit 1: one addition rounds, and its low byte is the int8."""
    registers: list[Any] = []
    for i in range(0, len(fields), 2):
        parts: list[Any] = []
        for x in fields[i : i + 2]:
            x = lanes.field_minus(x, _left(decoder, len(registers) * 2 + len(parts)), decoder.offset)
            parts.append(lanes.fma_float16(x, _of_row(rows, i // 2, len(fields) // 2), lanes.word(BYTE)))
        registers.append(lanes.low_bytes(*parts))
    return registers
