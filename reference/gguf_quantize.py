"""Numbers into blocks of GGUF, bit for bit as the gguf package does, on NumPy arrays."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.gguf.record import GgufType
from formats.gguf.rules import Anchor, LeastErrorRule, ScaledRule, ToInteger, gguf_rule
from formats.gguf.types import gguf_type
from formats.results import FLOAT16
from reference.array import gguf as array_gguf
from reference.codec import encode

_FLOATS = ("float16", "bfloat16", "float32")
#: blocks that are worked on at a time
_CHUNK = 1 << 12
_Codes = dict[str, NDArray[np.unsignedinteger]]


def quantize_gguf(x: ArrayLike, kind: str) -> NDArray[np.uint8]:
    """The blocks of ``x``, uint8, along the last axis.

    Definition: `formats.gguf.rules.ScaledRule` and `LeastErrorRule`. Where a block's smallest elements are zeros of
    both signs its minimum is -0; the package's is of either sign. ``x``: float16, bfloat16 or float32, shape
    ``(..., n * elements)``; the result has shape ``(..., n * nbytes)``. What is lost is what the rule loses: a scale or
    minimum beyond float16 becomes an infinity.

    Raises ``KeyError`` (a type without a rule), ``TypeError`` (dtype) or ``ValueError`` (no whole blocks; a number
    that is not finite, with its index; a block for which a step of the rule leaves binary32's range, where the
    package's result depends on the machine).

    >>> quantize_gguf(np.float32([4.0, -2.0, *[0.0] * 30]), "Q8_0")[:6]
    array([  8,  40, 127, 192,   0,   0], dtype=uint8)
    """
    rule, spec, array = gguf_rule(kind), gguf_type(kind), np.asarray(x)
    if array.dtype.name not in _FLOATS:
        raise TypeError(f"dtype {array.dtype.name} is not accepted; accepted: {', '.join(_FLOATS)}")
    if not array.ndim or array.shape[-1] % spec.elements:
        raise ValueError(f"{spec.name} has blocks of {spec.elements} elements; shape {array.shape} is no row of them")
    if not (finite := np.isfinite(array)).all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(f"x{list(where)} = {array[where]}; only finite numbers are quantised")
    blocks = array.reshape(-1, spec.elements).astype(np.float32)
    out = np.empty((len(blocks), spec.nbytes), np.uint8)
    for i in range(0, len(blocks), _CHUNK):
        out[i : i + _CHUNK] = array_gguf.pack(_codes(blocks[i : i + _CHUNK], rule, spec), spec)
    return out.reshape(*array.shape[:-1], array.shape[-1] // spec.elements * spec.nbytes)


def _codes(x: NDArray[np.float32], rule: ScaledRule | LeastErrorRule, spec: GgufType) -> _Codes:
    return _least_error(x, rule, spec) if isinstance(rule, LeastErrorRule) else _scaled(x, rule, spec)


def _scaled(x: NDArray[np.float32], rule: ScaledRule, spec: GgufType) -> _Codes:
    low = _low(x) if rule.anchor is Anchor.RANGE else np.zeros((len(x), 1), np.float32)
    with np.errstate(divide="ignore", over="ignore"):
        d = _anchor(x, low, rule.anchor) / np.float32(rule.divisor)
        reciprocal = np.where(d == 0, np.float32(0), 1 / d)
    _refuse(~np.isfinite(d) | ~np.isfinite(reciprocal), d, "the scale or its reciprocal is beyond binary32")
    quotient = (x - low) * reciprocal
    codes = {"codes": _integers(quotient, rule).view(np.uint8) ^ np.uint8(spec.codes.flip), "scales": _float16(d)}
    return codes | ({"shifts": _float16(low)} if rule.anchor is Anchor.RANGE else {})


def _anchor(x: NDArray[np.float32], low: NDArray[np.float32], anchor: Anchor) -> NDArray[np.float32]:
    if anchor is Anchor.RANGE:
        return x.max(axis=1, keepdims=True) - low
    extreme = np.take_along_axis(x, np.abs(x).argmax(axis=1, keepdims=True), axis=1)
    return extreme if anchor is Anchor.EXTREME else np.abs(extreme)


def _low(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The smallest element; -0 is smaller than 0."""
    low = x.min(axis=1, keepdims=True)
    has_negative_zero = ((x == 0) & np.signbit(x)).any(axis=1, keepdims=True)
    return np.where(low == 0, np.where(has_negative_zero, np.float32(-0.0), np.float32(0)), low)


def _integers(n: NDArray[np.float32], rule: ScaledRule) -> NDArray[np.int8]:
    if rule.to_integer is ToInteger.TRUNCATE:
        return np.minimum(np.trunc(n + np.float32(rule.added)), rule.greatest).astype(np.int8)
    whole = np.floor(np.abs(n))
    return np.copysign(whole + np.floor(2 * (np.abs(n) - whole)), n).astype(np.int8)


def _least_error(x: NDArray[np.float32], rule: LeastErrorRule, spec: GgufType) -> _Codes:
    largest = np.abs(x).max(axis=1, keepdims=True)
    code = np.where(largest > 0, _floor_log2(largest) + rule.added, 0)
    _refuse(code < 0, largest, "the largest magnitude needs a scale code below 0")
    table = array_gguf.pair_table(spec.spec.element, spec.spec.scale.format).reshape(256, -1)
    with np.errstate(over="ignore"):
        errors = np.abs(table[code] - x[:, :, None])
    return {"codes": errors.argmin(axis=2).astype(np.uint8), "scales": code.astype(np.uint8)}


def _floor_log2(x: NDArray[np.float32]) -> NDArray[np.int32]:
    """The floor of the logarithm rounded to binary32, of normal numbers: the exponent, and 1 where it is carried."""
    bits = x.view(np.int32)
    return (bits >> 23) - 127 + ((bits & 0x7FFFFF) >= _carried()[bits >> 23])


@functools.cache
def _carried() -> NDArray[np.int32]:
    """By exponent field, the least fraction field for which the logarithm rounds to the next integer.

    Where neighbours below that integer differ by ``2 h``, those are the ``1 - u 2^-24`` above ``2^-h``; ``1 - 2^-h``
    is ``-expm1(-h ln 2)``, no nearer to any ``u 2^-24`` than 0.09 of one.
    """
    fields = np.arange(256)
    integer = fields - 126.0
    below = np.where(integer > 1, integer - 1, np.maximum(-integer, 1))
    h = np.where(np.isin(integer, (0, 1)), 0, 2.0 ** (np.floor(np.log2(below)) - 24))
    return ((1 << 23) - np.floor(-np.expm1(-h * math.log(2)) * (1 << 24))).astype(np.int32)


def _float16(x: NDArray[np.float32]) -> NDArray[np.unsignedinteger]:
    return encode(x, FLOAT16, rounding="nearest_ties_to_even", saturation="sat_none")


def _refuse(bad: NDArray[np.bool_], found: NDArray[np.float32], why: str) -> None:
    if bad.any():
        raise ValueError(f"{why}: a block has {found[bad][0]}")
