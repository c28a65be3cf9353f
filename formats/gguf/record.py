"""Block types of GGUF files: a block format, and which bits of a block hold which code."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from formats.block_formats.spec import BlockSpec, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class BitRun:
    """``width`` neighbouring bits of each of several codes, at places that are regular in the codes' order.

    Bit ``p`` of a block is bit ``p mod 8`` (0 the least significant) of its byte ``p div 8``. The codes are counted
    over ``axes``, pairs of a length and a step in bits, the last axis fastest: code ``(i, j, ..)`` has its bits from
    ``start + i * step_i + j * step_j + ..`` on. No code's bits cross a byte.

    >>> BitRun(start=16, width=4, axes=((2, 4), (3, 8))).places  # low nibbles of three bytes, then the high ones
    (16, 24, 32, 20, 28, 36)
    """

    start: int
    width: int
    axes: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if self.start < 0 or not 1 <= self.width <= 8 or any(length < 1 or step < 1 for length, step in self.axes):
            raise ValueError(f"BitRun: {self.start}, {self.width} and {self.axes} are no bits of a block")
        if crossing := [place for place in self.places if place % 8 + self.width > 8]:
            raise ValueError(f"BitRun: {self.width} bits from bit {crossing[0]} on cross a byte")

    @property
    def places(self) -> tuple[int, ...]:
        """The first bit of each code, in their order."""
        steps = itertools.product(*(range(0, length * step, step) for length, step in self.axes))
        return tuple(self.start + sum(offsets) for offsets in steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class BitField:
    """Codes of a block: the bits of every run, those of the first run lowest.

    Under ``offset_binary`` the bits are the integer plus ``2^(width - 1)``, so that the two's complement code is the
    bits with the top one flipped.

    >>> BitField(runs=(BitRun(start=0, width=8), BitRun(start=8, width=8))).width
    16
    """

    runs: tuple[BitRun, ...]
    offset_binary: bool = False

    def __post_init__(self) -> None:
        if len({len(run.places) for run in self.runs}) != 1:
            raise ValueError(f"BitField: runs of {[len(run.places) for run in self.runs]} codes are not one field")

    @property
    def width(self) -> int:
        """Bits of a code."""
        return sum(run.width for run in self.runs)

    @property
    def count(self) -> int:
        """How many codes a block has."""
        return len(self.runs[0].places)

    @property
    def flip(self) -> int:
        """What the stored bits are XORed with to give the code."""
        return 1 << (self.width - 1) if self.offset_binary else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufType:
    """A quantised tensor type of GGUF: ``nbytes`` bytes for ``elements`` neighbours of the last axis.

    ``spec`` says what the codes mean; the fields say where they lie: those of the elements, the scales, the second
    level of the scales, the shifts and theirs. Each bit of the block belongs to one code. The value of an element is
    the exact one that ``spec`` defines, rounded once to binary32, to nearest even.

    >>> from formats.gguf.types import gguf_type
    >>> q4_k = gguf_type("Q4_K")
    >>> q4_k.number, q4_k.nbytes, q4_k.elements, q4_k.spec.size, q4_k.bits_per_element
    (12, 144, 256, 32, 4.5)
    """

    name: str
    #: what files call it
    number: int
    spec: BlockSpec
    nbytes: int
    codes: BitField
    scales: BitField
    second: BitField | None = None
    shifts: BitField | None = None
    shift_second: BitField | None = None

    def __post_init__(self) -> None:
        self._check_levels()
        seen = 0
        for _, field in self.fields:
            for run in field.runs:
                for place in run.places:
                    bits = ((1 << run.width) - 1) << place
                    if seen & bits:
                        raise ValueError(f"GgufType {self.name!r}: two codes share a bit of those from {place} on")
                    seen |= bits
        if seen != (1 << 8 * self.nbytes) - 1:
            raise ValueError(f"GgufType {self.name!r}: the fields do not fill {self.nbytes} bytes")

    def _check_levels(self) -> None:
        """Whether counts and widths of the fields are those of the block format."""
        blocks = self.elements // self.spec.size
        due = [("codes", self.spec.element.bits, self.elements), *_due("scales", "second", self.spec.scale, blocks)]
        if self.spec.shift:
            due += _due("shifts", "shift_second", self.spec.shift, blocks)
        found = [(name, field.width, field.count) for name, field in self.fields]
        if found != due:
            raise ValueError(f"GgufType {self.name!r}: fields {found}, where {self.spec.name} has {due}")

    @property
    def elements(self) -> int:
        """Elements of a block."""
        return self.codes.count

    @property
    def bits_per_element(self) -> float:
        """Storage of an element."""
        return 8 * self.nbytes / self.elements

    @property
    def fields(self) -> tuple[tuple[str, BitField], ...]:
        """The fields that the type has, with their names."""
        return tuple(_present(self))


def _present(kind: GgufType) -> Iterator[tuple[str, BitField]]:
    for name in ("codes", "scales", "second", "shifts", "shift_second"):
        field: BitField | None = getattr(kind, name)
        if field:
            yield name, field


def _due(name: str, second: str, level: Level, blocks: int) -> list[tuple[str, int, int]]:
    """Name, width and count of the fields of a level."""
    due = [(name, level.format.bits, blocks)]
    return [*due, (second, level.second.bits, blocks // level.per)] if level.second and level.per else due
