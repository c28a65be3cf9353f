"""GGUF, versions 2 and 3: block types and their values are the project's, the walk has every length checked.

The types with look-up grids (IQ1, IQ2, IQ3), which the project does not have, are dequantised by the ``gguf`` package.

The package's own reader loops over the counts that a file declares, so that forty hostile bytes can keep it busy for
years; it also hands out tensors that overlap. Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType, dequantize
from numpy.typing import NDArray

from analysis.tensors import gguf_values
from analysis.tensors.cursor import Cursor
from analysis.tensors.tensor import Skipped, Tensor, Wanted
from formats.gguf.types import GGUF_TYPES
from formats.ternary.storage import TQ1_0
from reference.blocks import BlockTensor
from reference.gguf import gguf_tensor
from reference.ternary_blocks import dequantize_ternary_blocks

_MAX_DIMENSIONS = 4
_FLOATS = {"F16": np.float16, "BF16": ml_dtypes.bfloat16, "F32": np.float32, "F64": np.float64}
_INTEGERS = ("I8", "I16", "I32", "I64")
_SCALAR_BYTES = dict(zip(GGUFValueType, (1, 1, 2, 2, 4, 4, 4, 1, None, None, 8, 8, 8), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Info:
    """An entry of the table of tensors; the shape is in NumPy's order."""

    name: str
    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    offset: int

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape in bytes of a quantised tensor: blocks run along the last axis."""
        block, size = GGML_QUANT_SIZES[self.kind]
        return (*self.shape[:-1], self.shape[-1] // block * size)

    @property
    def nbytes(self) -> int:
        block, size = GGML_QUANT_SIZES[self.kind]
        return math.prod(self.shape) // block * size


def read(path: Path, wanted: Wanted) -> Iterator[Tensor | Skipped]:
    """The wanted tensors: floats as stored, quantised ones dequantised to float32 (the source says from what).

    ``ValueError`` if the file is of another version, ends early or contradicts itself.
    """
    for cursor, info in _found(path, wanted):
        yield _entry(cursor, info)


def block_tensors(path: str | Path, *, names: str | None = None) -> dict[str, BlockTensor]:
    """The quantised tensors of a GGUF file by name: codes, scales and what else their types have, not dequantised.

    Only types of `formats.gguf.types` are listed. ``names`` is a glob (``fnmatch``, case counts). Raises ``ValueError``
    as `analysis.tensors.load` does.

    >>> import gguf, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> writer = gguf.GGUFWriter(f"{folder.name}/model.gguf", "demo")
    >>> writer.add_tensor("up", np.zeros((2, 68), np.uint8), raw_dtype=GGMLQuantizationType.Q8_0)
    >>> for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
    ...     step()
    >>> writer.close()
    >>> block_tensors(f"{folder.name}/model.gguf")
    {'up': BlockTensor('gguf_q8_0', shape=(2, 64), grid=(2, 2))}
    >>> folder.cleanup()
    """

    def wanted(name: str) -> bool:
        return names is None or fnmatchcase(name, names)

    return {
        info.name: gguf_tensor(cursor.array(np.uint8, info.stored_shape), info.kind.name)
        for cursor, info in _found(Path(path), wanted)
        if info.kind.name in GGUF_TYPES
    }


def _found(path: Path, wanted: Wanted) -> Iterator[tuple[Cursor, _Info]]:
    """The wanted entries of the table, each with a cursor at its data."""
    cursor = Cursor(path)
    if cursor.take(4) != b"GGUF":
        raise ValueError(f"{path} is no GGUF file")
    if (version := cursor.unsigned(4)) not in (2, 3):
        raise ValueError(f"{path} is GGUF version {version:#x}; accepted: 2, 3, little-endian")
    tensor_count, pair_count = cursor.unsigned(8), cursor.unsigned(8)
    alignment = _metadata(cursor, pair_count)
    table = [_info(cursor) for _ in range(tensor_count)]
    if not table:
        return
    cursor.skip(-cursor.offset % alignment)
    start = cursor.offset
    cursor.skip(_data_bytes(cursor, table))
    for info in table:
        if wanted(info.name):
            cursor.offset = start + info.offset
            yield cursor, info


def _metadata(cursor: Cursor, count: int) -> int:
    """Walks over the key-value pairs; the alignment that they state."""
    alignment = 32
    for _ in range(count):
        key = cursor.text(cursor.unsigned(8))
        value = _value(cursor, _value_type(cursor))
        if key == "general.alignment":
            alignment = value
    if alignment < 1 or alignment & (alignment - 1):
        raise cursor.error(f"alignment {alignment}, which is no power of two,")
    return alignment


def _value_type(cursor: Cursor) -> GGUFValueType:
    number = cursor.unsigned(4)
    try:
        return GGUFValueType(number)
    except ValueError:
        raise cursor.error(f"metadata type {number}, which GGUF does not have,") from None


def _value(cursor: Cursor, kind: GGUFValueType) -> int:
    """Walks over one value; the integer it is, or 0 for text and arrays."""
    if kind is GGUFValueType.ARRAY:
        _array(cursor, _value_type(cursor))
        return 0
    if kind is GGUFValueType.STRING:
        cursor.skip(cursor.unsigned(8))
        return 0
    return cursor.unsigned(_SCALAR_BYTES[kind] or 0)


def _array(cursor: Cursor, kind: GGUFValueType) -> None:
    if kind is GGUFValueType.ARRAY:
        raise cursor.error("a metadata array of arrays")
    count = cursor.unsigned(8)
    if kind is GGUFValueType.STRING:
        for _ in range(count):
            cursor.skip(cursor.unsigned(8))
    else:
        cursor.skip(count * (_SCALAR_BYTES[kind] or 0))


def _info(cursor: Cursor) -> _Info:
    name = cursor.text(cursor.unsigned(8))
    rank = cursor.unsigned(4)
    if not 1 <= rank <= _MAX_DIMENSIONS:
        raise cursor.error(f"{name!r} of {rank} dimensions (1..{_MAX_DIMENSIONS} are possible)")
    shape = tuple(cursor.unsigned(8) for _ in range(rank))[::-1]
    number, offset = cursor.unsigned(4), cursor.unsigned(8)
    try:
        kind = GGMLQuantizationType(number)
    except ValueError:
        raise cursor.error(f"{name!r} of type number {number}, which gguf does not know,") from None
    if 0 in shape or shape[-1] % GGML_QUANT_SIZES[kind][0]:
        raise cursor.error(f"{name!r} of shape {list(shape)}, whose rows are not whole {kind.name} blocks,")
    return _Info(name=name, shape=shape, kind=kind, offset=offset)


def _data_bytes(cursor: Cursor, table: list[_Info]) -> int:
    """The bytes that the tensors take, gaps included; no name may come twice, and no byte belong to two tensors."""
    if len({info.name for info in table}) < len(table):
        raise cursor.error("two tensors of one name in the table that ends")
    end = 0
    for info in sorted(table, key=lambda info: (info.offset, info.nbytes)):
        if info.offset < end:
            raise cursor.error(f"{info.name!r} overlaps the tensor before it, in the table that ends")
        end = info.offset + info.nbytes
    return end


def _entry(cursor: Cursor, info: _Info) -> Tensor | Skipped:
    kind = info.kind.name
    if dtype := _FLOATS.get(kind):
        return Tensor(name=info.name, values=cursor.array(dtype, info.shape), source=str(cursor.path))
    if kind in _INTEGERS:
        return Skipped(name=info.name, reason=f"type {kind}, not a float")
    try:
        values = _dequantised(cursor.array(np.uint8, info.stored_shape), info.kind)
    except NotImplementedError:
        return Skipped(name=info.name, reason=f"type {kind}, which gguf cannot dequantise")
    return Tensor(name=info.name, values=values.reshape(info.shape), source=f"{cursor.path}: dequantised from {kind}")


def _dequantised(stored: NDArray[np.uint8], kind: GGMLQuantizationType) -> NDArray[Any]:
    if known := GGUF_TYPES.get(kind.name):
        return gguf_values.values(stored, known)
    if kind is GGMLQuantizationType.TQ1_0:
        return dequantize_ternary_blocks(stored.reshape(*stored.shape[:-1], -1, TQ1_0.bytes_per_block), TQ1_0)
    with np.errstate(all="ignore"):  # a scale may be infinite or NaN
        return dequantize(stored, kind)
