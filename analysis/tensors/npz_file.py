"""NumPy's ``.npz``, without pickle and without trust in declared sizes."""

from __future__ import annotations

import io
import math
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from analysis.tensors.tensor import Skipped, Tensor, Wanted

#: an archive may unpack to this many bytes, or to this many times its own size if that is more
_UNPACKED_BYTES, _UNPACKED_RATIO = 1 << 28, 32
PICKLE = "is a pickle, which can run any program when it is loaded; where you trust it, convert it to safetensors"
_FLOATS = ("float16", "float32", "float64")
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, OverflowError, RuntimeError, ValueError)


def read(path: Path, wanted: Wanted) -> Iterator[Tensor | Skipped]:
    """The wanted float arrays, in the machine's byte order.

    ``ValueError`` for object arrays, for an archive that would unpack to far more than its size, and for a damaged one.
    Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive.namelist())
            _check_sizes(archive, path)
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if wanted(name):
                    yield _entry(archive, info, name, path)
    except _DAMAGE as error:
        raise ValueError(f"{path} is no usable .npz archive: {error}") from error


def _check_members(members: list[str]) -> None:
    if any(member.split("/")[-1] == "data.pkl" for member in members):
        raise ValueError(f"it holds data.pkl, so it {PICKLE}")
    if not any(member.endswith(".npy") for member in members):
        raise ValueError("none of its members is a .npy file")
    if len(set(members)) < len(members):
        raise ValueError("two members have one name")


def _check_sizes(archive: zipfile.ZipFile, path: Path) -> None:
    unpacked, packed = sum(info.file_size for info in archive.infolist()), path.stat().st_size
    if unpacked > max(_UNPACKED_BYTES, _UNPACKED_RATIO * packed):
        raise ValueError(
            f"it unpacks from {packed} to {unpacked} bytes, above both {_UNPACKED_BYTES} and {_UNPACKED_RATIO} times "
            "its size: unpack it where you trust it, and save it uncompressed"
        )


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, path: Path) -> Tensor | Skipped:
    if not info.filename.endswith(".npy"):
        return Skipped(name=info.filename, reason="not a .npy member")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name!r} is packed by method {info.compress_type}; accepted: stored, deflated")
    values = _array(_content(archive, info), name)
    if values.dtype.name in _FLOATS:
        return Tensor(name=name, values=values.astype(values.dtype.newbyteorder("="), copy=False), source=str(path))
    return Skipped(name=name, reason=f"dtype {values.dtype}, not one of {', '.join(_FLOATS)}")


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The member's bytes; a read of a stated length unpacks no more than that, and checks the CRC at its end."""
    with archive.open(info) as member:
        data = member.read(info.file_size)
    if len(data) < info.file_size:
        raise ValueError(f"{info.filename!r} has {len(data)} of the {info.file_size} bytes that it should have")
    return data


def _array(data: bytes, name: str) -> NDArray[Any]:
    """The array of a ``.npy`` file whose header says exactly what follows."""
    stream = io.BytesIO(data)
    shape, is_fortran, dtype = _header(stream, name)
    if dtype.hasobject:
        raise ValueError(f"{name!r} holds pickled objects, which are never loaded")
    due, found = math.prod(shape) * dtype.itemsize, len(data) - stream.tell()
    if min(shape, default=0) < 0 or due != found:
        raise ValueError(f"{name!r} of shape {shape} and dtype {dtype} takes {due} bytes, {found} are there")
    flat = np.frombuffer(data, dtype, offset=stream.tell()) if due else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if is_fortran else "C")


def _header(stream: io.BytesIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype. NumPy parses a Python literal here, which hostile text can upset in many ways."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            version = npy.read_magic(stream)
            if version == (1, 0):
                return npy.read_array_header_1_0(stream)
            if version == (2, 0):
                return npy.read_array_header_2_0(stream)
    except (ValueError, TypeError, SyntaxError, tokenize.TokenError, Warning, RecursionError, MemoryError) as error:
        raise ValueError(f"the header of {name!r} is not valid ({type(error).__name__}: {error})") from error
    raise ValueError(f"{name!r} has .npy version {version}; accepted: (1, 0), (2, 0)")
