"""Exact sums of binary32 numbers, divided and rounded once: order-free means, once for NumPy and jax.numpy.

A sum is held in limbs of 16 bits, least first along a leading axis, in units of 2^-149: every binary32 number is a
few of them. Up to 2^16 numbers are added without a carry, then carries go up; so 2^32 numbers can be added. The
division is schoolbook, as many bits at a time as the remainder leaves free in a 32-bit word.

``scan(body, state, items)`` walks the leading axis, as ``jax.lax.scan`` does: XLA takes minutes for unrolled carries.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from reference.array.arithmetic_words import leading_bit
from reference.array.carrier import Array, Namespace
from reference.array.ternary_binary32 import INFINITY, MAGNITUDE, SIGN

Scan = Callable[[Callable[[Any, Array], tuple[Any, Any]], Any, Array], tuple[Any, Any]]

_LIMB = 16
#: limbs of a sum: the greatest number, 2^32 times, times a small factor
_LIMBS = 20
#: limbs that a quotient is taken of
_WINDOW = 5
_CHUNK = 1 << 16
#: denominators lie below this
MOST = 1 << 31


def scan_numpy(body: Callable[[Any, Array], tuple[Any, Any]], state: Any, items: Array) -> tuple[Any, Any]:
    """``scan`` for NumPy: a loop."""
    out: list[Any] = []
    for item in items:
        state, made = body(state, item)
        out.append(made)
    return state, None if out[0] is None else np.stack(out)


def mean(bits: Array, factor: Fraction, xp: Namespace, scan: Scan) -> Array:
    """The mean over the last axis, times ``factor``, as a binary32 pattern; ``bits``: patterns of finite numbers."""
    return _signed(bits, factor.numerator, bits.shape[-1] * factor.denominator, xp, scan)


def total(bits: Array, xp: Namespace, scan: Scan) -> Array:
    """The sum over the last axis, rounded once."""
    return _signed(bits, 1, 1, xp, scan)


def mean_of_magnitudes(magnitude: Array, factor: Fraction, xp: Namespace, scan: Scan) -> Array:
    """``factor * mean|x|`` over the last axis."""
    most = magnitude.shape[-1] * factor.denominator
    divisor = xp.full(magnitude.shape[:-1], most, xp.uint32)
    return _quotient(_scaled(_sum(magnitude, xp, scan), factor.numerator, scan), divisor, most, xp, scan)


def mean_of_selected(magnitude: Array, selected: Array, xp: Namespace, scan: Scan) -> Array:
    """The mean magnitude over the last axis of what is ``selected``; 0 where nothing is."""
    count = xp.maximum(selected.sum(axis=-1), 1).astype(xp.uint32)
    limbs = _sum(xp.where(selected, magnitude, xp.uint32(0)), xp, scan)
    return _quotient(limbs, count, magnitude.shape[-1], xp, scan)


def _signed(bits: Array, numerator: int, denominator: int, xp: Namespace, scan: Scan) -> Array:
    magnitude, negative = bits & xp.uint32(MAGNITUDE), bits >> xp.uint32(31) != 0
    plus = _sum(xp.where(negative, xp.uint32(0), magnitude), xp, scan)
    minus = _sum(xp.where(negative, magnitude, xp.uint32(0)), xp, scan)
    (gap, below), (other, _) = _difference(plus, minus, scan), _difference(minus, plus, scan)
    divisor = xp.full(bits.shape[:-1], denominator, xp.uint32)
    limbs = _scaled(xp.where(below != 0, other, gap), numerator, scan)
    return _quotient(limbs, divisor, denominator, xp, scan) | xp.where(below != 0, xp.uint32(SIGN), xp.uint32(0))


def _sum(magnitude: Array, xp: Namespace, scan: Scan) -> Array:
    """The limbs ``(20, ...)`` of the sum over the last axis."""
    *outer, size = magnitude.shape
    chunks = -(-size // _CHUNK)
    width = size if chunks == 1 else _CHUNK
    padded = xp.pad(magnitude, [(0, 0)] * len(outer) + [(0, chunks * width - size)]).reshape(*outer, chunks, width)
    place = (xp.maximum(padded >> xp.uint32(23), xp.uint32(1)) - xp.uint32(1)) >> xp.uint32(4)
    parts, place = _parts(padded, xp), place.astype(xp.int32)
    if xp is np:
        sums = np.stack([_sum_limb_numpy(index, place, parts) for index in range(_LIMBS)])
    else:
        index = xp.arange(_LIMBS).reshape(_LIMBS, *[1] * padded.ndim)
        chosen = xp.zeros((_LIMBS, *padded.shape), xp.uint32)
        for i, part in enumerate(parts):
            chosen = xp.where(place == index - i, part, chosen)
        sums = chosen.sum(axis=-1, dtype=xp.uint32)
    return _carried(_carried(sums, scan).sum(axis=-1, dtype=xp.uint32), scan)


def _parts(magnitude: Array, xp: Namespace) -> tuple[Array, Array, Array]:
    """What a number puts into its lowest limb and the two above."""
    field = magnitude >> xp.uint32(23)
    significand = (magnitude & xp.uint32(0x7FFFFF)) | (xp.minimum(field, xp.uint32(1)) << xp.uint32(23))
    up = (xp.maximum(field, xp.uint32(1)) - xp.uint32(1)) & xp.uint32(_LIMB - 1)
    low = significand << up
    high = (significand >> (xp.uint32(31) - up)) >> xp.uint32(1)
    return low & xp.uint32(0xFFFF), low >> xp.uint32(_LIMB), high


def _sum_limb_numpy(index: int, place: Array, parts: tuple[Array, ...]) -> Array:
    """What all numbers put into one limb; those without numbers take no time."""
    total = np.zeros(place.shape[:-1], np.uint32)
    if place.min() <= index <= place.max() + 2:
        for i, part in enumerate(parts):
            total = total + part.sum(axis=-1, dtype=np.uint32, where=place == index - i)
    return total


def _carried(limbs: Array, scan: Scan) -> Array:
    """The same sum with 16 bits in every limb."""

    def body(carry: Array, limb: Array) -> tuple[Array, Array]:
        limb = limb + carry
        return limb >> _LIMB, limb & 0xFFFF

    return scan(body, limbs[0] & 0, limbs)[1]


def _scaled(limbs: Array, factor: int, scan: Scan) -> Array:
    return limbs if factor == 1 else _carried(limbs * factor, scan)


def _difference(x: Array, y: Array, scan: Scan) -> tuple[Array, Array]:
    """``x - y`` modulo the width of all limbs, and what was borrowed beyond, 0 or 1."""

    def body(borrow: Array, gap: Array) -> tuple[Array, Array]:
        gap = gap - borrow
        return 1 - (gap >> _LIMB), gap & 0xFFFF

    borrow, gap = scan(body, x[0] & 0, x + (1 << _LIMB) - y)
    return gap, borrow


def _quotient(limbs: Array, divisor: Array, most: int, xp: Namespace, scan: Scan) -> Array:
    """``limbs / divisor`` as a binary32 pattern, rounded once, ties to even; ``divisor <= most < MOST``."""
    step = _step(most)

    def body(state: tuple[Array, ...], digit: Array) -> tuple[tuple[Array, ...], None]:
        lead, rest, dropped, sticky = state
        rest = (rest << step) | digit
        part = rest // divisor
        room = lead < xp.uint32(1 << (31 - step))
        sticky = sticky | (~room & (part != 0))
        lead, dropped = xp.where(room, (lead << step) | part, lead), xp.where(room, dropped, dropped + step)
        return (lead, rest - part * divisor, dropped, sticky), None

    window, exponent, sticky = _leading_limbs(limbs, xp)
    zero = xp.zeros_like(divisor)
    digits = xp.stack([(limb >> p) & ((1 << step) - 1) for limb in window for p in range(_LIMB - step, -1, -step)])
    start = (zero, zero, exponent, sticky)
    lead, rest, exponent, sticky = scan(body, start, digits)[0]
    return _rounded(lead, exponent, sticky | (rest != 0), xp)


def _leading_limbs(limbs: Array, xp: Namespace) -> tuple[list[Array], Array, Array]:
    """Five limbs from the highest that is not 0 down; the exponent of their last bit; whether any is below them.

    They have 65 bits or more of a sum that has as many, so that a quotient by 31 bits keeps 34.
    """
    index = xp.arange(_LIMBS).reshape(_LIMBS, *[1] * (limbs.ndim - 1))
    highest = xp.where(limbs != 0, index, 0).max(axis=0)
    window = [xp.where(index == highest - i, limbs, xp.uint32(0)).sum(axis=0, dtype=xp.uint32) for i in range(_WINDOW)]
    below = ((index <= highest - _WINDOW) & (limbs != 0)).any(axis=0)
    return window, (_LIMB * (highest - (_WINDOW - 1))).astype(xp.int32), below


def _rounded(lead: Array, exponent: Array, sticky: Array, xp: Namespace) -> Array:
    """``lead * 2^(exponent - 149)``, and more below if ``sticky``, as a binary32 pattern; ``lead < 2^31``."""
    cut = xp.maximum(leading_bit(lead, xp) + 1 - 24, -exponent)  # 1 or more: the quantum is 2^-149 or above
    one, places = xp.uint32(1), xp.minimum(cut, 31).astype(xp.uint32)
    integer, half = lead >> places, (lead >> (places - one)) & one
    below = sticky | ((lead & ((one << (places - one)) - one)) != 0)
    integer = integer + (half & (below.astype(xp.uint32) | (integer & one)))
    pattern = ((exponent + cut).astype(xp.uint32) << xp.uint32(23)) + integer
    return xp.where((lead == 0) | (cut > 31), xp.uint32(0), xp.minimum(pattern, xp.uint32(INFINITY)))


def _step(most: int) -> int:
    """Bits of a quotient digit: 1, 2 or 4, so that the remainder and the next digit fit a word."""
    if most >= MOST:
        raise ValueError(f"a denominator of {most} is beyond {MOST - 1}: take fewer elements")
    return max(step for step in (1, 2, 4) if step <= 32 - most.bit_length())
