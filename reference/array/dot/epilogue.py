"""What follows a sum: slices of K added up, then ``acc * alpha + beta * c + bias`` in float32."""

from __future__ import annotations

from dataclasses import replace

from formats import (
    FLOAT32,
    FloatSpec,
    Format,
    FusedSteps,
    HalvedSteps,
    IntegerSum,
    Rounding,
    Saturation,
    Summation,
)
from formats.dot import output
from formats.summation import unpromoted
from reference.array.carrier import Array, Namespace
from reference.array.dot.operand import multiply, unpack
from reference.array.dot.ordered import add_codes, rounded
from reference.array.dot.rounded import Target, ieee


def nan_code(rule: Summation, spec: FloatSpec) -> int | None:
    """The NaN of sums of results where it is not the format's own: a matrix unit's has every bit below the sign."""
    return spec.sign_code - 1 if isinstance(unpromoted(rule), FusedSteps | HalvedSteps) else None


def addition(rule: Summation, spec: FloatSpec) -> Target:
    """How results of a summation are added to one another, RNE, with the `nan_code` of it."""
    target = ieee(spec, Rounding.NEAREST_TIES_TO_EVEN)
    nan = nan_code(rule, spec)
    return target if nan is None else replace(target, nan_code=nan)


def joined(x: Array, y: Array, rule: Summation, xp: Namespace) -> Array:
    """Codes of the sum of two results of a summation."""
    if not isinstance(rule, IntegerSum):
        spec = output(rule)
        assert isinstance(spec, FloatSpec)
        return add_codes(x, y, addition(rule, spec), xp)
    top, mask = 1 << (rule.bits - 1), (1 << rule.bits) - 1
    total = x + y - ((x & top) << 1) - ((y & top) << 1)
    return (total if rule.saturation is Saturation.WRAP else xp.clip(total, -top, top - 1)) & mask


def epilogue(
    acc: Array,
    c: Array | None,
    alpha: Array | None,
    beta: Array | None,
    bias: Array | None,
    rule: Summation,
    xp: Namespace,
) -> Array:
    """float32 codes (int64) of ``acc * alpha + beta * c + bias``, rounded to nearest even after each operation.

    ``acc`` and ``c`` are codes of the summation's output, ``alpha``, ``beta`` and ``bias`` float32 codes or None.
    """
    target = addition(rule, FLOAT32)
    y = _float32(acc, output(rule), target, xp)
    if alpha is not None:
        y = _times(y, alpha, target, xp)
    if beta is not None:
        y = add_codes(y, _times(_float32(c, output(rule), target, xp), beta, target, xp), target, xp)
    return y if bias is None else add_codes(y, bias, target, xp)


def _float32(codes: Array, spec: Format, target: Target, xp: Namespace) -> Array:
    """The same floats, or integers rounded."""
    return rounded(unpack(codes, spec, xp), target, xp)


def _times(x: Array, y: Array, target: Target, xp: Namespace) -> Array:
    return rounded(multiply(unpack(x, FLOAT32, xp), unpack(y, FLOAT32, xp)), target, xp)
