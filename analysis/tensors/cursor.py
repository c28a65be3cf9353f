"""Bounds-checked reads from a binary file: a length that the file declares is never trusted."""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Cursor:
    """A position in a file that is mapped into memory; little-endian, every read checked against the file's end.

    A read past the end raises ``ValueError`` with the offset. Arrays are read-only views of the file.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.path = path
        self.offset = 0

    def error(self, complaint: str) -> ValueError:
        """The error to raise, with the file and the offset."""
        return ValueError(f"{self.path} is truncated or damaged: {complaint} at byte {self.offset}")

    def skip(self, count: int) -> int:
        """Moves on by ``count`` bytes, which must exist; the offset before."""
        start = self.offset
        if count > len(self._data) - start:
            raise self.error(f"{count} bytes are due, {len(self._data) - start} are left")
        self.offset += count
        return start

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        start = self.skip(count)
        return self._data[start : start + count]

    def unsigned(self, size: int) -> int:
        """An unsigned integer of ``size`` bytes."""
        return int.from_bytes(self.take(size), "little")

    def text(self, count: int) -> str:
        """UTF-8 text of ``count`` bytes."""
        try:
            return self.take(count).decode()
        except UnicodeDecodeError as error:
            raise self.error(f"a name that is not UTF-8 ({error.reason})") from None

    def array(self, dtype: DTypeLike, shape: Sequence[int]) -> NDArray[Any]:
        """An array of ``shape``, as a view."""
        kind, count = np.dtype(dtype), math.prod(shape)
        start = self.skip(count * kind.itemsize)
        flat = np.frombuffer(self._data, kind, count, start) if count else np.empty(0, kind)
        try:
            return flat.reshape(shape)
        except (ValueError, OverflowError) as error:
            raise self.error(f"an array of impossible shape {list(shape)} ({error})") from None
