"""Safetensors, validated by its own library; quantised weights are put together from the tensors they are stored in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from analysis.tensors.cursor import Cursor
from analysis.tensors.tensor import Skipped, Tensor, Wanted

_LOADED = ("F16", "BF16", "F32", "F64")
#: the array that a dtype of the format becomes; 8-bit floats become their codes
_DTYPES: dict[str, Any] = {
    "F16": np.float16, "BF16": ml_dtypes.bfloat16, "F32": np.float32, "F64": np.float64, "BOOL": np.bool_,
    "F8_E4M3": np.uint8, "F8_E5M2": np.uint8, "F8_E8M0": np.uint8, "U8": np.uint8, "I8": np.int8,
    "U16": np.uint16, "I16": np.int16, "U32": np.uint32, "I32": np.int32, "U64": np.uint64, "I64": np.int64,
}  # fmt: skip


class _File(Protocol):
    """What of ``safe_open``'s result is used: the library declares no types for it."""

    def metadata(self) -> dict[str, str] | None: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stored:
    """A tensor as the file holds it: ``values`` are a read-only view, None for a dtype that NumPy cannot show.

    ``dtype`` is the format's name; of 8-bit floats, ``values`` are the codes, uint8.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    values: NDArray[Any] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contents:
    """The tensors of a file by name, and its metadata."""

    path: Path
    tensors: Mapping[str, Stored]
    metadata: Mapping[str, str]


def contents(path: Path) -> Contents:
    """What the file holds, mapped into memory; ``ValueError`` if the library refuses it.

    Source: https://github.com/huggingface/safetensors#format
    """
    try:
        with cast(AbstractContextManager[_File], safe_open(path, framework="np")) as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path} is not valid safetensors: {error}") from error
    cursor = Cursor(path)
    header: dict[str, Any] = json.loads(cursor.take(cursor.unsigned(8)))
    start = cursor.offset
    header.pop("__metadata__", None)
    tensors = {name: _stored(cursor, start, name, entry) for name, entry in header.items()}
    return Contents(path=path, tensors=tensors, metadata=metadata)


def _stored(cursor: Cursor, start: int, name: str, entry: dict[str, Any]) -> Stored:
    dtype, shape = str(entry["dtype"]), tuple(entry["shape"])
    kind = _DTYPES.get(dtype)
    cursor.offset = start + int(entry["data_offsets"][0])
    values = None if kind is None else cursor.array(kind, shape)
    return Stored(name=name, dtype=dtype, shape=shape, values=values)


def read(path: Path, wanted: Wanted) -> Iterator[Tensor | Skipped]:
    """The wanted tensors: floats as stored, quantised weights decoded (`analysis.tensors.checkpoints`).

    ``ValueError`` if the library refuses the file, or if the tensors of a quantised weight contradict each other.
    """
    from analysis.tensors.checkpoints import groups

    file = contents(path)
    members: set[str] = set()
    for group in groups(file):
        members.update(group.names)
        if wanted(group.name):
            yield group.tensor()
    for name, stored in file.tensors.items():
        if name not in members and wanted(name):
            yield _plain(path, stored)


def _plain(path: Path, stored: Stored) -> Tensor | Skipped:
    if stored.values is not None and stored.dtype in _LOADED:
        return Tensor(name=stored.name, values=stored.values, source=str(path))
    return Skipped(name=stored.name, reason=f"dtype {stored.dtype}, not one of {', '.join(_LOADED)}")
