"""CTranslate2's ``model.bin``, binary version 6.

Source: https://github.com/OpenNMT/CTranslate2, ``python/ctranslate2/specs/model_spec.py`` (``_serialize``): version,
specification, revision; then each variable (name, rank, dimensions, dtype, byte count, bytes); then the aliases.
Integers are little-endian; a string is a 16-bit length, which counts the closing NUL, and the bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np

from analysis.tensors.cursor import Cursor
from analysis.tensors.tensor import Skipped, Tensor, Wanted

VERSION = 6
#: by the number that the file gives it
_DTYPES = tuple(np.dtype(kind) for kind in ("f4", "i1", "i2", "i4", "f2", ml_dtypes.bfloat16))
_FLOATS = ("float16", "bfloat16", "float32")


def read(path: Path, wanted: Wanted) -> Iterator[Tensor | Skipped]:
    """The wanted float variables; integers and aliases (a second name of a variable) are skipped.

    ``ValueError`` if the file is of another version, ends early or contradicts itself.
    """
    cursor = Cursor(path)
    if (version := cursor.unsigned(4)) != VERSION:
        raise ValueError(f"{path} is CTranslate2 binary version {version}; accepted: {VERSION}")
    _text(cursor)  # the name of the specification
    cursor.unsigned(4)  # its revision
    seen: set[str] = set()
    for _ in range(cursor.unsigned(4)):
        entry = _variable(cursor)
        if entry.name in seen:
            raise cursor.error(f"a second variable {entry.name!r}")
        seen.add(entry.name)
        if wanted(entry.name):
            yield entry
    yield from (alias for alias in _aliases(cursor, seen) if wanted(alias.name))


def _text(cursor: Cursor) -> str:
    text = cursor.text(cursor.unsigned(2))
    if not text.endswith("\0"):
        raise cursor.error("a name without its closing NUL")
    return text[:-1]


def _variable(cursor: Cursor) -> Tensor | Skipped:
    name = _text(cursor)
    shape = [cursor.unsigned(4) for _ in range(cursor.unsigned(1))]
    number, size = cursor.unsigned(1), cursor.unsigned(4)
    if number >= len(_DTYPES):
        raise cursor.error(f"dtype number {number} of {name!r}, which is not one of 0..{len(_DTYPES) - 1},")
    dtype = _DTYPES[number]
    if math.prod(shape) * dtype.itemsize != size:
        raise cursor.error(f"{name!r} of shape {shape} and dtype {dtype}, said to take {size} bytes,")
    values = cursor.array(dtype, shape)
    if dtype.name in _FLOATS:
        return Tensor(name=name, values=values, source=str(cursor.path))
    return Skipped(name=name, reason=f"dtype {dtype}, not one of {', '.join(_FLOATS)}")


def _aliases(cursor: Cursor, variables: set[str]) -> Iterator[Skipped]:
    for _ in range(cursor.unsigned(4)):
        alias, name = _text(cursor), _text(cursor)
        if name not in variables:
            raise cursor.error(f"alias {alias!r} of {name!r}, which is no variable,")
        yield Skipped(name=alias, reason=f"a second name of {name!r}")
