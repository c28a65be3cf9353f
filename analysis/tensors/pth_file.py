"""PyTorch's ``.pth`` of before version 1.6: a dictionary of tensors, read without executing its pickle.

Layout: three headers (a magic number, the version 1001, a dictionary with the byte order), the dictionary of tensors,
the list of storage keys, each a pickle of its own; then for each key an int64 count and that many numbers,
little-endian. Source: torch/serialization.py, ``_legacy_load``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.tensors.cursor import Cursor
from analysis.tensors.pth_opcodes import Placement, Storage, interpret
from analysis.tensors.tensor import Skipped, Tensor, Wanted

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001


def read(path: Path, wanted: Wanted) -> Iterator[Tensor | Skipped]:
    """The wanted tensors of float16 and float32, as views of the file; integers are skipped.

    ``ValueError`` if the file is damaged, contradicts itself, holds anything but tensors in a dictionary, or ends in
    something else. A tensor may be any strided part of its storage, but have no more elements than that.
    """
    cursor = Cursor(path)
    for due, what in ((MAGIC, "magic number"), (VERSION, "version")):
        if type(found := interpret(cursor)) is not int or found != due:
            raise cursor.error(f"no {what} {due:#x}")
    match interpret(cursor):
        case {"little_endian": True}:
            pass
        case _:
            raise cursor.error("a header that does not say little_endian")
    placements = _placements(cursor)
    numbers = _numbers(cursor, path, placements)
    for name, placement in placements.items():
        if wanted(name):
            yield _entry(path, name, placement, numbers[placement.storage.key])


def _placements(cursor: Cursor) -> dict[str, Placement]:
    found = interpret(cursor)
    if not isinstance(found, dict):
        raise cursor.error("no dictionary of tensors")
    placements: dict[str, Placement] = {}
    for name, value in found.items():  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(value, Placement):
            raise cursor.error(f"entry {name!r}, which is no tensor,")
        placements[str(name)] = value  # pyright: ignore[reportUnknownArgumentType]
    return placements


def _numbers(cursor: Cursor, path: Path, placements: dict[str, Placement]) -> dict[str, NDArray[Any]]:
    """The numbers of every storage by its key; every storage must be there, once, and nothing else."""
    storages: dict[str, Storage] = {}
    for placement in placements.values():
        if storages.setdefault(placement.storage.key, placement.storage) != placement.storage:
            raise cursor.error(f"two storages of the key {placement.storage.key!r}")
    keys: Any = interpret(cursor)
    if not isinstance(keys, list) or keys != sorted(storages):
        raise cursor.error("a list of storages other than the one that the tensors name")
    numbers: dict[str, NDArray[Any]] = {}
    for key, storage in sorted(storages.items()):
        if (count := cursor.unsigned(8)) != storage.count:
            raise cursor.error(f"storage {key!r} of {count} numbers, not {storage.count},")
        numbers[key] = cursor.array(storage.dtype, [count])
    if (size := path.stat().st_size) != cursor.offset:
        raise cursor.error(f"{size - cursor.offset} bytes after the last storage")
    return numbers


def _entry(path: Path, name: str, placement: Placement, numbers: NDArray[Any]) -> Tensor | Skipped:
    if numbers.dtype.kind != "f":
        return Skipped(name=name, reason=f"dtype {numbers.dtype}, not one of float16, float32")
    strides = [stride * numbers.itemsize for stride in placement.strides]
    start = numbers[placement.offset :] if math.prod(placement.shape) else numbers[:0]
    values = np.lib.stride_tricks.as_strided(start, placement.shape, strides, writeable=False)
    return Tensor(name=name, values=values, source=str(path))
