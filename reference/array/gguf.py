"""Blocks of GGUF tensors as codes and as binary32 values, once for NumPy and jax.numpy."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats import Format, IntSpec
from formats.block_formats.spec import Level, Shift
from formats.code_books.book import CodebookSpec
from formats.gguf.record import BitField, BitRun, GgufType
from reference.array import decode as array_decode
from reference.array.carrier import Array, Namespace

#: widest pair of element and scale codes whose products are looked up
_PAIR_BITS = 12


def codes(blocks: Array, field: BitField, xp: Namespace) -> Array:
    """The codes of a field, of uint8 blocks of shape ``(n, nbytes)``: uint8 of shape ``(n, count)``, or uint16."""
    word = xp.uint16 if field.width > 8 else xp.uint8
    total, place = _run(blocks, field.runs[0], xp).astype(word), field.runs[0].width
    for run in field.runs[1:]:
        total, place = total | _run(blocks, run, xp).astype(word) << place, place + run.width
    return total ^ field.flip if field.flip else total


def _run(blocks: Array, run: BitRun, xp: Namespace) -> Array:
    """The bits of a run: neighbouring bytes as slices, several places in them by shifts, then a transposition."""
    inner, outer = _split(run)
    lengths = [run.axes[axis][0] for axis in inner]
    steps = (range(0, length * step, step) for length, step in (run.axes[axis] for axis in outer))
    starts = [run.start + sum(offsets) for offsets in itertools.product(*steps)]
    first_bytes = [start // 8 for start in starts]
    firsts = first_bytes[:1] if len(set(first_bytes)) == 1 else first_bytes
    rows = [blocks[:, None, first : first + math.prod(lengths)] for first in firsts]
    words = rows[0] if len(rows) == 1 else xp.concatenate(rows, axis=1)
    bits = words >> np.array([[start % 8] for start in starts], np.uint8) & np.uint8((1 << run.width) - 1)
    bits = bits.reshape(len(blocks), *(run.axes[axis][0] for axis in outer), *lengths)
    order = [(*outer, *inner).index(axis) + 1 for axis in range(len(run.axes))]
    return bits.transpose(0, *order).reshape(len(blocks), len(run.places))


@functools.cache
def _split(run: BitRun) -> tuple[list[int], list[int]]:
    """The axes of neighbouring bytes, and the others."""
    inner, extent = list[int](), 8
    for axis, (length, step) in reversed(list(enumerate(run.axes))):
        if step == extent:
            inner.insert(0, axis)
            extent *= length
    return inner, [axis for axis in range(len(run.axes)) if axis not in inner]


def values(blocks: Array, kind: GgufType, xp: Namespace) -> tuple[Array, Array]:
    """The values of uint8 blocks of shape ``(n, nbytes)``, float32 of shape ``(n, elements)``, before `canonical`.

    The second array holds a NaN or an infinity if the first one holds a NaN. Everything but the last operation is
    exact: products of significands of at most 24 bits, far from binary32's subnormals. Where they are near, the
    product comes from a table.
    """
    spec, found = kind.spec, {name: codes(blocks, field, xp) for name, field in kind.fields}
    is_plain = spec.shift is None and spec.scale.second is None
    if is_plain and spec.element.bits + spec.scale.format.bits <= _PAIR_BITS:
        pairs = found["scales"].astype(xp.uint16)[:, :, None] << spec.element.bits
        grouped = found["codes"].reshape(len(blocks), kind.elements // spec.size, spec.size)
        table = xp.asarray(pair_table(spec.element, spec.scale.format))
        return _look_up(table, pairs | grouped, xp).reshape(len(blocks), kind.elements), xp.zeros(0, xp.float32)
    scale = _level(found["scales"], found.get("second"), spec.scale, xp)
    numbers = _numbers(found["codes"], spec.element, xp).reshape(len(blocks), kind.elements // spec.size, spec.size)
    out = numbers * scale[:, :, None]
    if spec.shift is None:
        return out.reshape(len(blocks), kind.elements), scale
    shift = _level(found["shifts"], found.get("shift_second"), spec.shift, xp)
    out = out - shift[:, :, None] if spec.shift_kind is Shift.SUBTRACTED else out + shift[:, :, None]
    return out.reshape(len(blocks), kind.elements), scale * 0 + shift


def canonical(out: Array, xp: Namespace) -> Array:
    """Every NaN as the positive quiet one without payload."""
    return xp.where(xp.isnan(out), xp.float32(np.nan), out)


def _level(first: Array, second: Array | None, level: Level, xp: Namespace) -> Array:
    """The scales or shifts, float32, exactly."""
    numbers = _numbers(first, level.format, xp)
    if second is None or level.second is None:
        return numbers
    return numbers * array_decode.decode(second, level.second, xp)


def _numbers(found: Array, spec: Format | CodebookSpec, xp: Namespace) -> Array:
    """The values of codes, float32."""
    if isinstance(spec, CodebookSpec):
        return _look_up(xp.asarray(_table(spec)), found, xp)
    if not isinstance(spec, IntSpec):
        return array_decode.decode(found, spec, xp)
    if spec.signed:
        half = 1 << (spec.bits - 1)
        found = ((found ^ half) - half).astype(xp.int8)
    return found.astype(xp.float32)


def _look_up(table: Array, indices: Array, xp: Namespace) -> Array:
    return xp.take(table, indices, mode="clip")  # no index is out of range: nothing clips


@functools.cache
def _table(spec: Format | CodebookSpec) -> NDArray[Any]:
    if isinstance(spec, CodebookSpec):
        return np.array(spec.numerators, np.float32) / spec.denominator  # small integers over a power of two
    return array_decode.decode(np.arange(1 << spec.bits, dtype=np.uint8), spec, np)


@functools.cache
def pair_table(element: Format | CodebookSpec, scale: Format | CodebookSpec) -> NDArray[Any]:
    """The products of all values, each rounded once, by ``scale code * 2^element.bits + element code``."""
    with np.errstate(over="ignore"):
        return np.outer(_table(scale), _table(element)).ravel()


def pack(found: Mapping[str, NDArray[Any]], kind: GgufType) -> NDArray[np.uint8]:
    """The bytes of NumPy codes by field, each of shape ``(n, count)``: the inverse of `codes`."""
    blocks = np.zeros((len(found["codes"]), kind.nbytes), np.uint8)
    for name, field in kind.fields:
        left = found[name].astype(np.uint16) ^ field.flip
        for run in field.runs:
            for index, place in enumerate(run.places):
                bits = left[:, index] & ((1 << run.width) - 1)
                blocks[:, place // 8] |= (bits << place % 8).astype(np.uint8)
            left >>= run.width
    return blocks
