"""Layouts as data: which bit of which word each bit of a code becomes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod

from formats.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class BitLayout:
    """A bijection between the bits of a tile of codes and the bits of a tile of words.

    ``axes`` splits the bits of a tile, in row-major order with the bits of a code innermost and least significant
    first, into named axes: ``"k2 r8 c2 b4"`` says that bit ``b`` of the code at column ``c`` of row ``8 k + r`` has
    the coordinates ``(k, r, c, b)``. ``order`` lists the same names by falling weight in the number of the target
    bit, and ``~x`` counts axis ``x`` backwards: under ``"r k ~c b"`` the target of that bit has the number
    ``((r * 2 + k) * 2 + 1 - c) * 4 + b``. Target bit ``n`` is bit ``n mod word_bits``, counted from the least
    significant, of word ``n div word_bits`` of the tile, or of the word as far from the last one if ``big_endian``.
    So every such record is a bijection, and its inverse is the inverse permutation.

    Tiles cover the last axes of the codes; the grid of tiles keeps its order, so tile ``(g, h)`` becomes the same
    place of a grid of ``words`` tiles. What is stored is ``(code + offset) mod 2^code_bits``. Words are numbers: the
    order of their bytes in memory is the machine's affair.

    Raises ``ValueError`` where the fields contradict each other.

    >>> high_first = BitLayout(name="demo", code_bits=4, tile=(2,), axes="c2 b4", order="~c b", word_bits=8,
    ...                        words=(1,), source="the first code in the high nibble")
    >>> high_first.sizes, high_first.permutation, high_first.backwards
    ((2, 4), (0, 1), (0,))
    """

    name: str
    #: bits of a code
    code_bits: int
    #: the shape of a tile, over the last axes of the codes
    tile: tuple[int, ...]
    axes: str
    order: str
    word_bits: int
    #: the shape of the words of a tile, of the same rank
    words: tuple[int, ...]
    #: the first word of a tile holds its highest bits
    big_endian: bool = False
    offset: int = 0
    #: where the facts come from
    source: str

    def __post_init__(self) -> None:
        def need(condition: bool, what: str) -> None:
            if not condition:
                raise ValueError(f"BitLayout {self.name!r}: {what}")

        need(1 <= self.code_bits <= 32, f"code_bits={self.code_bits} must lie in 1..32")
        need(self.word_bits in (8, 16, 32, 64), f"word_bits={self.word_bits} must be 8, 16, 32 or 64")
        need(0 <= self.offset < 1 << self.code_bits, f"offset={self.offset} must be a code of {self.code_bits} bits")
        ranks = f"tile={self.tile} and words={self.words}"
        need(1 <= len(self.tile) == len(self.words), f"{ranks} must have the same rank, 1 at least")
        need(min(self.tile + self.words) >= 1, f"{ranks} must be positive")
        codes, words = prod(self.tile) * self.code_bits, prod(self.words) * self.word_bits
        need(codes == words, f"a tile has {codes} bits, its words have {words}")
        named = [re.fullmatch(r"([A-Za-z])([1-9]\d*)", axis) for axis in self.axes.split()]
        need(None not in named, f"axes={self.axes!r} must be letters with sizes, as in 'k2 b4'")
        names = [axis[0] for axis in self.axes.split()]
        placed = [axis.removeprefix("~") for axis in self.order.split()]
        need(sorted(set(names)) == sorted(placed) == sorted(names), f"order={self.order!r} must have each axis once")
        need(self._groups() is not None, f"axes={self.axes!r} do not split the tile {self.tile}, {self.code_bits} bits")

    def _groups(self) -> tuple[tuple[int, ...], ...] | None:
        left, groups = list(self.sizes), list[tuple[int, ...]]()
        for size in (*self.tile, self.code_bits):
            group: list[int] = []
            while prod(group) < size and left:
                group.append(left.pop(0))
            if prod(group) != size:
                return None
            groups.append(tuple(group))
        return None if left else tuple(groups)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The size of each axis."""
        return tuple(int(axis[1:]) for axis in self.axes.split())

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The sizes of the axes that split each axis of the tile and, last, the bits of a code."""
        groups = self._groups()
        assert groups is not None, self
        return groups

    @property
    def permutation(self) -> tuple[int, ...]:
        """The place in ``axes`` of each axis of ``order``."""
        names = [axis[0] for axis in self.axes.split()]
        return tuple(names.index(axis[-1]) for axis in self.order.split())

    @property
    def backwards(self) -> tuple[int, ...]:
        """The places in ``order`` of the axes that are counted backwards."""
        return tuple(i for i, axis in enumerate(self.order.split()) if axis[0] == "~")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Bits ``low`` and up of a code, as many as ``layout`` takes, stored in a region of their own."""

    low: int
    layout: BitLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitLayout:
    """Codes whose bits part into fields, each in a region of its own; the regions come in the order of ``fields``.

    Field ``f`` of a code is ``code div 2^low mod 2^width``, with the width that its `BitLayout` has. The fields have
    every bit of a code once. Raises ``ValueError`` where they do not.

    >>> plane = BitLayout(name="plane", code_bits=1, tile=(8,), axes="c8", order="c", word_bits=8, words=(1,),
    ...                   source="a demonstration")
    >>> planes = SplitLayout(name="planes", fields=(Field(low=0, layout=plane), Field(low=1, layout=plane)),
    ...                      source="a demonstration")
    >>> planes.code_bits
    2
    """

    name: str
    fields: tuple[Field, ...]
    #: where the facts come from
    source: str

    def __post_init__(self) -> None:
        bits = sorted(bit for field in self.fields for bit in range(field.low, field.low + field.layout.code_bits))
        if not bits or bits != list(range(len(bits))):
            raise ValueError(f"SplitLayout {self.name!r}: its fields have the bits {bits}, not each from 0 up once")
        if any(field.layout.offset for field in self.fields):
            raise ValueError(f"SplitLayout {self.name!r}: the layout of a field has no offset")

    @property
    def code_bits(self) -> int:
        """Bits of a code."""
        return sum(field.layout.code_bits for field in self.fields)


#: every kind of layout
AnyLayout = Layout | BitLayout | SplitLayout
