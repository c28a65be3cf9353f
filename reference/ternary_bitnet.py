"""bitnet.cpp's I2_S tensors and the look-up tables of TL1 and TL2, on NumPy arrays."""

from __future__ import annotations

import enum
import itertools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats import parse_enum
from formats.ternary.storage import I2_S_ARM, I2_S_X86, TernaryStorage
from reference.array.ternary_storage import apply_sign
from reference.ternary_storage import pack_trits, split_triples, unpack_trits

#: bytes behind the codes of a tensor; the scale is the first four
_TAIL = 32


class Signs(enum.Enum):
    """Who takes the signs of weights, and the scale: neither rounds, so both mean ternary weights."""

    C = "c"  #: 0 where ``|w| < 1e-6`` in binary64; the scale is ``max|w|`` (src/ggml-bitnet-mad.cpp)
    PYTHON = "python"  #: 0 where ``|w| < RN(1e-6)``; the scale is the first ``|w|`` that is not 0 (utils/convert-*.py)


def i2_s_signs(w: ArrayLike, *, signs: Signs | str) -> tuple[NDArray[np.int8], np.float32]:
    """Signs and scale of weights as bitnet.cpp's packers take them: every weight but the least becomes -1 or 1.

    The two differ at ``w = RN(1e-6)``, which lies below 1e-6, and in the scale unless the weights are ternary. ``w``:
    finite float32, any shape with an element. Raises ``TypeError`` (dtype) or ``ValueError`` (no element, NaN or
    infinity). Source: microsoft/BitNet @ 16da220, read, not run.

    >>> i2_s_signs(np.float32([0.5, -0.25, 0]), signs="python")
    (array([ 1, -1,  0], dtype=int8), np.float32(0.5))
    """
    who, values = parse_enum(Signs, signs, "signs"), np.asarray(w)
    if values.dtype != np.float32:
        raise TypeError(f"weights have dtype {values.dtype.name}; accepted: float32")
    if not values.size or not np.isfinite(values).all():
        raise ValueError(f"weights of shape {values.shape} must be finite, and one at least")
    magnitude = np.abs(values)
    small = magnitude.astype(np.float64) < 1e-6 if who is Signs.C else magnitude < np.float32(1e-6)
    trits = np.where(small, 0, np.sign(values)).astype(np.int8)
    if who is Signs.C:
        return trits, magnitude.max()
    used = magnitude[magnitude != 0]
    return trits, used[0] if used.size else np.float32(0)


def pack_i2_s(trits: ArrayLike, scale: float | np.float32, storage: TernaryStorage) -> bytes:
    """An I2_S tensor: the bytes of its trits, then 32 of which the first four are the little-endian binary32 scale.

    ``trits``: integers -1, 0, 1 ``(rows, k)``, ``k`` a multiple of the tile of ``storage``, `I2_S_X86` or `I2_S_ARM`.
    The 28 bytes behind the scale, which no one reads, are 0 here. Raises as `pack_trits` does, and ``ValueError`` for
    another storage or a scale that is no number of binary32.

    >>> pack_i2_s(np.ones((1, 64), int), 0.5, I2_S_ARM).hex()[:40]
    'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0000003f'
    """
    _check_storage(storage)
    if float(np.float32(scale)) != float(scale):
        raise ValueError(f"scale={scale!r} is no number of binary32")
    tail = np.zeros(_TAIL // 4, "<f4")
    tail[0] = scale
    return pack_trits(trits, storage).tobytes() + tail.tobytes()


def unpack_i2_s(words: bytes, shape: tuple[int, int], storage: TernaryStorage) -> tuple[NDArray[np.int8], np.float32]:
    """Trits ``(rows, k)`` and scale of an I2_S tensor: the inverse of `pack_i2_s`.

    Raises ``ValueError`` for another storage, a shape of which the bytes are no tensor, and for digit 3.

    >>> unpack_i2_s(pack_i2_s(np.ones((1, 64), int), 0.5, I2_S_ARM), (1, 64), I2_S_ARM)[1]
    np.float32(0.5)
    """
    _check_storage(storage)
    rows, k = shape
    (tile,), size = storage.tile, storage.bytes_per_tile
    due = rows * k // tile * size + _TAIL
    if k % tile or len(words) != due:
        raise ValueError(f"{len(words)} bytes are no {storage.name} tensor of shape {shape}, which takes {due}")
    codes = np.frombuffer(words[:-_TAIL], np.uint8).reshape(rows, k // tile, size)
    return unpack_trits(codes, storage, foreign="refuse"), np.frombuffer(words[-_TAIL:], "<f4")[0]


def offset_dot(trits: ArrayLike, activations: ArrayLike) -> NDArray[np.int32]:
    """``sum (t + 1) * a - sum a``: I2_S's dot product of unsigned codes, which is ``sum t * a``, in int32.

    ``trits``: int8 ``(n, k)``; ``activations``: int8 ``(..., k)``; the result is ``(..., n)``. The published kernel
    adds up to 32 steps of four products in int16 before it widens, which 65024 of adversarial input would overflow
    (unverified by execution); this is the exact sum. Raises ``TypeError`` (dtype) or ``ValueError`` (shapes).

    >>> offset_dot(np.int8([[1, -1, 0]]), np.int8([5, -7, 11]))
    array([12], dtype=int32)
    """
    t, a = np.asarray(trits), np.asarray(activations)
    _check_dot(t, a)
    whole = a.astype(np.int32)
    return whole @ (t.astype(np.int32) + 1).T - whole.sum(axis=-1, dtype=np.int32)[..., None]


def lookup_table(activations: ArrayLike, *, group: int) -> NDArray[np.int32]:
    """What every index of TL1 (``group=2``) or TL2 (``group=3``) adds, for each group of activations.

    TL1: index ``3 w0 + w1 + 4`` of 9. TL2: the magnitude 0..13 of ``9 w0 + 3 w1 + w2``, whose sign is applied after.
    ``activations``: int8 ``(..., k)``, ``k`` a multiple of the group; the result is int32 ``(..., k / group,
    entries)``: the table of TL1_1 and TL2_1, which lose nothing. Raises ``TypeError`` (dtype) or ``ValueError``
    (group, length). Source: arXiv 2502.11880 and microsoft/BitNet @ 16da220, utils/codegen_tl1.py and codegen_tl2.py.

    >>> lookup_table(np.int8([5, -7, 11]), group=3)[0].tolist()
    [0, 11, -18, -7, 4, 1, 12, 23, -6, 5, 16, -13, -2, 9]
    """
    a = np.asarray(activations)
    if a.dtype != np.int8:
        raise TypeError(f"activations have dtype {a.dtype.name}; accepted: int8")
    if group not in (2, 3):
        raise ValueError(f"group={group} must be 2 (TL1) or 3 (TL2)")
    if not a.ndim or a.shape[-1] % group:
        raise ValueError(f"groups of {group} do not fill the last axis of shape {a.shape}")
    weights = np.array(list(itertools.product((-1, 0, 1), repeat=group)), np.int32)
    entries = weights[len(weights) // 2 :] if group == 3 else weights
    return a.reshape(*a.shape[:-1], a.shape[-1] // group, group).astype(np.int32) @ entries.T


def lookup_dot(trits: ArrayLike, activations: ArrayLike, *, group: int) -> NDArray[np.int32]:
    """``sum t * a`` by `lookup_table`: of pairs (``group=2``) or of triples, whose sign is a mask.

    ``trits``: int8 ``(n, k)``; ``activations``: int8 ``(k,)``; the result is int32 ``(n,)``. The sign of a triple
    is ``m xor (m + x)`` with the mask ``m`` all ones where negative. Raises as `lookup_table` does.

    >>> lookup_dot(np.int8([[1, -1, 0]]), np.int8([5, -7, 11]), group=3)
    array([12], dtype=int32)
    """
    t, a = np.asarray(trits), np.asarray(activations)
    _check_dot(t, a)
    table = lookup_table(a, group=group)
    place: NDArray[np.intp] = np.arange(table.shape[0], dtype=np.intp)
    if group == 2:
        pairs = t.reshape(len(t), -1, 2).astype(np.intp)
        return table[place, 3 * pairs[..., 0] + pairs[..., 1] + 4].sum(axis=-1, dtype=np.int32)
    magnitude, sign = split_triples(t)
    return apply_sign(table[place, magnitude], -sign.astype(np.int32)).sum(axis=-1, dtype=np.int32)


def _check_storage(storage: TernaryStorage) -> None:
    if storage not in (I2_S_X86, I2_S_ARM):
        raise ValueError(f"storage={storage.name!r} is no I2_S; accepted: {I2_S_X86.name}, {I2_S_ARM.name}")


def _check_dot(t: NDArray[Any], a: NDArray[Any]) -> None:
    for name, array in (("trits", t), ("activations", a)):
        if array.dtype != np.int8:
            raise TypeError(f"{name} have dtype {array.dtype.name}; accepted: int8")
    if t.ndim != 2 or not a.ndim or a.shape[-1] != t.shape[1]:
        raise ValueError(f"shapes must be (n, k) and (..., k), not {t.shape} and {a.shape}")
