"""Weights to two or three levels on binary32 patterns, once for NumPy and jax.numpy."""

from __future__ import annotations

from fractions import Fraction

from formats.ternary.weights import Decision, Guard, NoScale, WeightQuantizer
from reference.array import ternary_binary32 as binary32
from reference.array import ternary_mean
from reference.array.carrier import Array, Namespace
from reference.array.ternary_blocks import signed
from reference.array.ternary_mean import Scan

_ONE = binary32.constant(1.0)


def quantize_rows(bits: Array, made: WeightQuantizer, xp: Namespace, scan: Scan) -> tuple[Array, Array]:
    """Codes (int8) of rows ``(rows, n)`` of finite binary32 patterns, and the pattern of each row's scale."""
    if made.centred:
        centre = ternary_mean.mean(bits, Fraction(1), xp, scan)
        bits = binary32.add(bits, binary32.negate(centre, xp)[:, None], xp)
    magnitude = bits & xp.uint32(binary32.MAGNITUDE)
    statistic = _statistic(magnitude, made, xp, scan)
    above, scale = _decide(magnitude, statistic, made, xp, scan)
    trits = signed(above.astype(xp.int8), bits, xp)
    if made.decision is Decision.SIGN:
        trits = xp.where(magnitude == 0, xp.int8(made.sign_of_zero), trits)
    nothing = (scale == 0)[:, None]
    if made.no_scale is NoScale.NAN:
        scale = xp.where(scale == 0, xp.uint32(binary32.NAN), scale)
    return xp.where(nothing, xp.int8(0), trits), scale


def _statistic(magnitude: Array, made: WeightQuantizer, xp: Namespace, scan: Scan) -> Array:
    """``factor * mean|d|``, in the declared steps."""
    if not made.stepwise:
        return ternary_mean.mean_of_magnitudes(magnitude, made.factor, xp, scan)
    mean = ternary_mean.mean_of_magnitudes(magnitude, Fraction(1), xp, scan)
    return mean if made.factor == 1 else binary32.mul(mean, xp.full_like(mean, binary32.constant(made.factor)), xp)


def _decide(
    magnitude: Array, statistic: Array, made: WeightQuantizer, xp: Namespace, scan: Scan
) -> tuple[Array, Array]:
    """Which codes are not 0, and the scales."""
    divisor = _guarded(statistic, made, xp)
    scale = divisor if made.guard is Guard.FLOOR else statistic
    match made.decision:
        case Decision.SIGN:
            return magnitude != 0, scale
        case Decision.ABOVE:
            above = magnitude > divisor[:, None]
            return above, ternary_mean.mean_of_selected(magnitude, above, xp, scan)
        case Decision.QUOTIENT:
            return binary32.doubled(magnitude, xp) > divisor[:, None], scale
        case Decision.RECIPROCAL:
            one = xp.full_like(divisor, _ONE)
            inverse = binary32.div(one, divisor, xp)
            above = binary32.mul(magnitude, inverse[:, None], xp) > xp.uint32(binary32.HALF)
            return above, binary32.div(one, inverse, xp)


def _guarded(statistic: Array, made: WeightQuantizer, xp: Namespace) -> Array:
    eps = xp.full_like(statistic, binary32.constant(made.eps))
    match made.guard:
        case Guard.NONE:
            return statistic
        case Guard.ADDED:
            return binary32.add(statistic, eps, xp)
        case Guard.FLOOR:
            return xp.maximum(statistic, eps)
