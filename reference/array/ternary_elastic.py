"""Elastic activations and their gradients on binary32 patterns, once for NumPy and jax.numpy."""

from __future__ import annotations

import math
from fractions import Fraction

from formats.ternary.activations import ElasticQuantizer
from reference.array import ternary_binary32 as binary32
from reference.array import ternary_mean
from reference.array.carrier import Array, Namespace
from reference.array.ternary_mean import Scan

_ONE = binary32.constant(1.0)


def forward(x: Array, alpha: Array, made: ElasticQuantizer, xp: Namespace, scan: Scan) -> tuple[Array, Array]:
    """Codes (int32) and binary32 patterns of the values; ``x``: a flat array of finite patterns, ``alpha``: one."""
    floored = _floored(alpha, made, xp)
    value, shift = _shifted(x, made, xp, scan)
    codes = _codes(value, floored, made, xp)
    size = xp.abs(codes)
    scaled = xp.where(size == 2, binary32.doubled(floored, xp), xp.where(size == 1, floored, xp.uint32(0)))
    scaled = scaled | xp.where(codes < 0, xp.uint32(binary32.SIGN), xp.uint32(0))
    return codes, binary32.add(scaled, shift, xp) if made.from_least else scaled


def backward(
    x: Array, alpha: Array, gradient: Array, made: ElasticQuantizer, xp: Namespace, scan: Scan
) -> tuple[Array, Array]:
    """Patterns of the gradients of ``x`` and of ``alpha``."""
    value, _ = _shifted(x, made, xp, scan)
    ratio = binary32.div(value, xp.broadcast_to(_floored(alpha, made, xp), value.shape), xp)
    integer = binary32.round_even(ratio, 1 << 20, xp)
    below = _less(ratio, _pattern(made.least), xp)
    above = _less(xp.uint32(_pattern(made.greatest)), ratio, xp)
    if made.by_sign:
        slope = _float(xp.where(value & xp.uint32(binary32.MAGNITUDE) == 0, 0, _sign(value, xp)), xp)
    else:
        inside = binary32.add(_float(integer, xp), binary32.negate(ratio, xp), xp)
        slope = xp.where(below, xp.uint32(_pattern(made.least)), inside)
        slope = xp.where(above, xp.uint32(_pattern(made.greatest)), slope)
    step = xp.full_like(slope, gradient_scale(x.size, made))
    terms = binary32.mul(binary32.mul(slope, gradient, xp), step, xp)
    return xp.where(below | above, xp.uint32(0), gradient), ternary_mean.total(terms, xp, scan)


def start(x: Array, made: ElasticQuantizer, xp: Namespace, scan: Scan) -> Array:
    """The pattern of the first ``alpha``."""
    mean = ternary_mean.mean_of_magnitudes(x & xp.uint32(binary32.MAGNITUDE), Fraction(made.start), xp, scan)
    return binary32.div(mean, xp.full_like(mean, binary32.constant(math.sqrt(made.start_levels))), xp)


def gradient_scale(size: int, made: ElasticQuantizer) -> int:
    """The pattern of ``(size * greatest)^(-1/2)``, rounded once; of 1 where gradients are not scaled.

    >>> from formats.ternary.activations import TBT_UNSIGNED_2BIT_CODE
    >>> gradient_scale(8, TBT_UNSIGNED_2BIT_CODE) == binary32.constant(0.25)
    True
    """
    if not made.scaled_gradient:
        return _ONE
    root = math.isqrt((1 << 160) // (size * made.greatest))  # 2^80 times the value, cut off
    return binary32.constant(Fraction(2 * root + 1, 1 << 81))  # a tie of binary32 is never so close


def _floored(alpha: Array, made: ElasticQuantizer, xp: Namespace) -> Array:
    return xp.maximum(alpha, xp.uint32(binary32.constant(made.floor)))


def _shifted(x: Array, made: ElasticQuantizer, xp: Namespace, scan: Scan) -> tuple[Array, Array]:
    """``v``, and what was subtracted for it."""
    if made.centred:
        shift = ternary_mean.mean(x, Fraction(1), xp, scan)
    elif made.from_least:
        shift = _from_ordered(_ordered(x, xp).min(axis=-1), xp)
    else:
        return x, xp.uint32(0)
    return binary32.add(x, xp.broadcast_to(binary32.negate(shift, xp), x.shape), xp), shift


def _codes(value: Array, alpha: Array, made: ElasticQuantizer, xp: Namespace) -> Array:
    magnitude = value & xp.uint32(binary32.MAGNITUDE)
    if made.by_sign:
        return xp.where(magnitude == 0, 0, _sign(value, xp))
    if made.stepwise:
        ratio = binary32.div(value, xp.broadcast_to(alpha, value.shape), xp)
        return xp.clip(binary32.round_even(ratio, 1 << 20, xp), made.least, made.greatest)
    size = binary32.round_quotient(magnitude, alpha, 1, made.greatest, xp)
    return xp.maximum(size * _sign(value, xp), made.least)


def _sign(bits: Array, xp: Namespace) -> Array:
    return xp.where(bits >> xp.uint32(31) != 0, -1, 1)


def _ordered(bits: Array, xp: Namespace) -> Array:
    """int32 in the order of the numbers; of -0 and +0 the first is less."""
    whole = bits.astype(xp.uint32).view(xp.int32)
    return xp.where(whole < 0, whole ^ xp.int32(binary32.MAGNITUDE), whole)


def _from_ordered(ordered: Array, xp: Namespace) -> Array:
    return xp.where(ordered < 0, ordered ^ xp.int32(binary32.MAGNITUDE), ordered).astype(xp.uint32)


def _less(a: Array, b: Array | int, xp: Namespace) -> Array:
    """Whether ``a < b``; zeros are equal."""
    x, y = (xp.asarray(part, dtype=xp.uint32) for part in (a, b))
    x, y = (xp.where(part == xp.uint32(binary32.SIGN), xp.uint32(0), part) for part in (x, y))
    return _ordered(x, xp) < _ordered(y, xp)


def _pattern(integer: int) -> int:
    return binary32.constant(float(integer))


def _float(integer: Array, xp: Namespace) -> Array:
    return integer.astype(xp.float32).view(xp.uint32)
