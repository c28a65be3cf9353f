"""Blocks of GGUF tensors on NumPy arrays: bytes to codes and back, and to values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.gguf.record import GgufType
from formats.gguf.types import gguf_type
from formats.results import FLOAT16
from reference.array import gguf as array_gguf
from reference.blocks import BlockTensor
from reference.codec import decode

#: elements that are worked on at a time, so that what is between bytes and values stays in the cache
_CHUNK = 1 << 15


def unpack_gguf(data: ArrayLike, kind: str | GgufType) -> dict[str, NDArray[np.unsignedinteger]]:
    """The codes that the blocks of a tensor hold: "codes" of the elements, "scales", and what else the type has.

    Definition: `formats.GgufType`. ``data``: uint8, shape ``(..., n * nbytes)``, whole blocks along the last
    axis. The codes have shape ``(..., n * elements)``, those of the scales ``(..., n * elements / spec.size)`` and
    those of the second level ``(..., n)``; uint8, or uint16 for float16.

    Raises ``KeyError`` (unknown type), ``TypeError`` (no uint8) or ``ValueError`` (no whole blocks).

    >>> unpack_gguf(np.uint8([0, 0x3C, 0x2F, *range(15)]), "Q4_0")["scales"]
    array([15360], dtype=uint16)
    """
    spec, array = gguf_type(kind), np.asarray(data)
    check_data(array, spec)
    blocks = array.reshape(-1, spec.nbytes)
    return {name: rows(array_gguf.codes(blocks, field, np), array, spec) for name, field in spec.fields}


def gguf_tensor(data: ArrayLike, kind: str | GgufType) -> BlockTensor:
    """The blocks of a tensor as `reference.BlockTensor`: what `unpack_gguf` gives, the second level as its values.

    >>> gguf_tensor(np.zeros((2, 288), np.uint8), "Q4_K")
    BlockTensor('gguf_q4_k', shape=(2, 512), grid=(2, 16))
    """
    spec = gguf_type(kind)
    codes = unpack_gguf(data, spec)
    second = {name: decode(codes.pop(name), FLOAT16) for name in ("second", "shift_second") if name in codes}
    return BlockTensor(spec=spec.spec, **codes, **second)


def pack_gguf(codes: Mapping[str, ArrayLike], kind: str | GgufType) -> NDArray[np.uint8]:
    """The bytes of codes by field: the inverse of `unpack_gguf`.

    Raises ``KeyError`` (unknown type), ``TypeError`` (no integers) or ``ValueError`` (fields or shapes that are not
    the type's, a code that does not fit its bits).

    >>> data = np.arange(36, dtype=np.uint8)
    >>> bool((pack_gguf(unpack_gguf(data, "Q4_0"), "Q4_0") == data).all())
    True
    """
    spec = gguf_type(kind)
    arrays = {name: np.asarray(array) for name, array in codes.items()}
    outer, blocks = _check_codes(arrays, spec)
    flat = {name: array.reshape(-1, array.shape[-1] // blocks if blocks else 1) for name, array in arrays.items()}
    return array_gguf.pack(flat, spec).reshape(*outer, blocks * spec.nbytes)


def dequantize_gguf(data: ArrayLike, kind: str | GgufType) -> NDArray[np.float32]:
    """The values of a tensor's blocks: exact, then rounded once to float32, to nearest even.

    ``data``: uint8, shape ``(..., n * nbytes)``; the result has shape ``(..., n * elements)``. Where a scale is
    infinite or NaN the values follow IEEE 754, every NaN the positive quiet one. Raises as `unpack_gguf` does.

    >>> dequantize_gguf(np.uint8([0, 0x38, 0x2F, *range(15)]), "Q4_0")[:3]
    array([ 3.5, -4. , -3.5], dtype=float32)
    """
    spec, array = gguf_type(kind), np.asarray(data)
    check_data(array, spec)
    blocks = array.reshape(-1, spec.nbytes)
    out = np.empty((len(blocks), spec.elements), np.float32)
    step = _CHUNK // spec.elements
    with np.errstate(invalid="ignore"):
        for i in range(0, len(blocks), step):
            values, witness = array_gguf.values(blocks[i : i + step], spec, np)
            out[i : i + step] = values if np.isfinite(witness).all() else array_gguf.canonical(values, np)
    return rows(out, array, spec)


def check_data(data: Any, spec: GgufType) -> None:
    """Refuse bytes by dtype and shape: what can be seen of any array, traced ones too."""
    if data.dtype.name != "uint8":
        raise TypeError(f"the bytes of blocks must be uint8, not {data.dtype.name}")
    if not data.shape or data.shape[-1] % spec.nbytes:
        raise ValueError(f"{spec.name} has blocks of {spec.nbytes} bytes; shape {data.shape} is no row of them")


def rows(blocks: Any, data: Any, spec: GgufType) -> Any:
    """Numbers of blocks, ``(blocks, n)``, in the rows that the blocks' bytes have."""
    return blocks.reshape(*data.shape[:-1], data.shape[-1] // spec.nbytes * blocks.shape[-1])


def _check_codes(arrays: Mapping[str, NDArray[Any]], spec: GgufType) -> tuple[tuple[int, ...], int]:
    """The outer shape and the number of blocks of a row."""
    if sorted(arrays) != sorted(name for name, _ in spec.fields):
        raise ValueError(f"{spec.name} has the fields {[name for name, _ in spec.fields]}, not {list(arrays)}")
    rows = {array.shape[:-1] for array in arrays.values() if array.ndim}
    counts = {divmod(arrays[name].shape[-1], field.count) for name, field in spec.fields if arrays[name].ndim}
    if len(rows) != 1 or len(counts) != 1 or (count := counts.pop())[1] or any(not a.ndim for a in arrays.values()):
        raise ValueError(f"codes of shapes {[a.shape for a in arrays.values()]} are no whole blocks of {spec.name}")
    for name, field in spec.fields:
        _refuse(arrays[name], field.width, name)
    return rows.pop(), count[0]


def _refuse(array: NDArray[Any], width: int, name: str) -> None:
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, not {array.dtype.name}")
    bad = (array < 0) | (array >= 1 << width)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"{name}{list(where)} = {int(array[where])} does not fit {width} bits")
