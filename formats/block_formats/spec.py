"""Block formats: elements that share a scale, scales that may share another, and what is added."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from formats.code_books.book import CodebookSpec
from formats.registry import Format

#: what the codes of elements, and of the numbers of blocks, are codes of
Coding = Format | CodebookSpec


class Shift(enum.Enum):
    """What the second number ``o`` of a block does to an element ``n`` under the scale ``S``."""

    ZERO_POINT = "zero_point"  #: ``S * (n - o)``
    OFFSET = "offset"  #: ``S * n + o``
    SUBTRACTED = "subtracted"  #: ``S * n - o``


class Form(enum.Enum):
    """How a second-level number ``t`` acts on the first-level number ``s``."""

    MULTIPLIER = "multiplier"  #: ``s * t``
    DIVISOR = "divisor"  #: ``s / t``


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The numbers that blocks have one of each: stored in ``format``, times a second-level number if there is one.

    ``second`` is the format of the second-level numbers, ``per`` how many neighbouring blocks of the last axis share
    one (None: the whole tensor), ``form`` how it acts.

    >>> import formats
    >>> Level(format=formats.get("float8_e4m3fn"), second=formats.get("bfloat16"), form=Form.DIVISOR).per is None
    True
    """

    format: Coding
    second: Format | None = None
    per: int | None = None
    form: Form = Form.MULTIPLIER

    def __post_init__(self) -> None:
        if self.per is not None and (self.per < 1 or self.second is None):
            raise ValueError(f"per={self.per} must be 1 or more, and needs a second format")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSpec:
    """Elements of one format in blocks that share a scale ``S``: the value of an element ``n`` is ``S * n``.

    ``block`` is the extent of a block over the last axes: ``(32,)`` neighbours of the last one, ``(128, 128)`` a tile
    of the last two. With ``shift``, a second number of each block acts as ``shift_kind`` says.

    >>> import formats
    >>> spec = BlockSpec(
    ...     name="demo", element=formats.get("int4"), block=(64,), scale=Level(format=formats.get("float16")), source="an example"
    ... )
    >>> spec.size, spec.bits_per_element
    (64, 4.25)
    """  # noqa: E501

    name: str
    element: Coding
    block: tuple[int, ...]
    scale: Level
    shift: Level | None = None
    shift_kind: Shift | None = None
    #: where the facts come from
    source: str

    def __post_init__(self) -> None:
        if not self.block or min(self.block) < 1:
            raise ValueError(f"BlockSpec {self.name!r}: block={self.block} must be extents of 1 or more")
        if (self.shift is None) != (self.shift_kind is None):
            raise ValueError(f"BlockSpec {self.name!r}: shift and shift_kind go together")

    @property
    def size(self) -> int:
        """Elements of a whole block."""
        size = 1
        for extent in self.block:
            size *= extent
        return size

    @property
    def bits_per_element(self) -> float:
        """Storage of an element of a whole block: its code and its share of scale and shift; one number a tensor is
        not counted.
        """
        return self.element.bits + sum(_bits(level) for level in (self.scale, self.shift) if level) / self.size


def _bits(level: Level) -> float:
    shared = level.second.bits / level.per if level.second and level.per else 0.0
    return level.format.bits + shared
