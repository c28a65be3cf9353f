"""Which elements share a scale."""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class Extent(enum.Enum):
    """What one scale covers."""

    TENSOR = "tensor"
    CHANNEL = "channel"
    GROUP = "group"


@dataclass(frozen=True, slots=True, kw_only=True)
class Granularity:
    """The elements that share a scale: the whole tensor, a channel, or ``size`` neighbours within a channel.

    A channel is an index along axis 0 (the output axis of a weight ``[out, in, ...]``) with everything behind it, in
    C order; a tensor of fewer than two dimensions is one channel. Groups are cut from the start of each channel.
    Where ``size`` does not divide the channel, its last group is shorter; nothing is padded, no group crosses channels.

    >>> Granularity(extent=Extent.GROUP, size=3).starts((2, 4)).tolist()
    [0, 3, 4, 7]
    """

    extent: Extent
    #: elements of a group; 0 for the other two
    size: int = 0

    def __post_init__(self) -> None:
        if (self.extent is Extent.GROUP) != (self.size > 0) or self.size < 0:
            raise ValueError(f"size={self.size} does not go with {self.extent.value}: groups have 1 or more elements")

    @property
    def name(self) -> str:
        """``tensor``, ``channel`` or ``group<size>``."""
        return f"{self.extent.value}{self.size or ''}"

    def starts(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Where each group begins in the flattened tensor; ``shape`` holds at least one element."""
        rows, columns = channels(shape)
        if self.extent is Extent.TENSOR:
            return np.zeros(1, np.int64)
        step = columns if self.extent is Extent.CHANNEL else self.size
        return np.add.outer(np.arange(rows) * columns, np.arange(0, columns, step)).reshape(-1)


def channels(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many channels a tensor has, and how many elements each.

    >>> channels((4, 3, 5)), channels((7,)), channels(())
    ((4, 15), (1, 7), (1, 1))
    """
    rows = shape[0] if len(shape) > 1 else 1
    return rows, math.prod(shape) // max(rows, 1)


def parse_granularity(text: str | Granularity) -> Granularity:
    """``"tensor"``, ``"channel"`` or ``"group<n>"`` as a record; a record is returned as it is.

    Raises ``ValueError`` naming what is accepted.

    >>> parse_granularity("group128").size
    128
    """
    if isinstance(text, Granularity):
        return text
    if match := re.fullmatch(r"group([1-9]\d{0,8})", text):
        return Granularity(extent=Extent.GROUP, size=int(match[1]))
    if text in ("tensor", "channel"):
        return Granularity(extent=Extent(text))
    raise ValueError(f"granularity={text!r} is not known; choose tensor, channel or group<n>, such as group64")
