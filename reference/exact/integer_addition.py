"""The judge of residual additions: two integers with scales of their own, to a third scale."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from formats.integer_only.additions import AdditionForm, AdditionRule, addition_rule
from reference.exact.integer_requantise import fit, scaled, significant


def add(
    a: int,
    a_affine: Any,
    b: int,
    b_affine: Any,
    out_affine: Any,
    *,
    rule: str | AdditionRule,
    clamp: tuple[int, int] | None = None,
) -> int:
    """``clamp(a + b)`` in the quantisation ``out_affine``; definition: `formats.integer_only.AdditionForm`.

    Quantisations have ``scale``, ``zero_point`` and ``format``, as `reference.integer.network.Affine` has. Raises
    ``OverflowError`` where a shifted term or a sum does not fit int32, or a number its step of the requantiser.

    >>> from types import SimpleNamespace
    >>> import formats
    >>> half = SimpleNamespace(scale=0.5, zero_point=0, format=formats.get("int8"))
    >>> add(3, half, 4, half, half, rule="tflite")
    7
    """
    record = addition_rule(rule)
    low, high = clamp or (out_affine.format.minimum, out_affine.format.maximum)
    first, second = (fit(q - affine.zero_point, 32, "a term") for q, affine in ((a, a_affine), (b, b_affine)))
    scales = a_affine.scale, b_affine.scale, out_affine.scale
    if record.form is AdditionForm.BINARY32:
        total = _in_floats(first, second, record.scales(*scales))
    else:
        total = _in_integers(first, second, record, scales, max(a_affine.format.bits, b_affine.format.bits))
    return min(max(total + out_affine.zero_point, low), high)


def _in_integers(a: int, b: int, rule: AdditionRule, scales: tuple[float, float, float], bits: int) -> int:
    assert rule.requantiser is not None
    first, second, last = rule.ratios(*scales, bits=bits)
    terms = [
        scaled(fit(q * 2 ** rule.shift(bits), 32, "a term shifted left"), ratio, rule.requantiser)
        for q, ratio in ((a, first), (b, second))
    ]
    total = fit(sum(terms), 32, "the sum")
    return total if rule.form is AdditionForm.SEPARATE else scaled(total, last, rule.requantiser)


def _in_floats(a: int, b: int, scales: tuple[float, float, float]) -> int:
    """Every operation rounded to binary32's 24 bits; the result to an integer, half to even."""
    first, second, out = map(Fraction, scales)
    total = _binary32(_binary32(first * a) + _binary32(second * b))
    return round(_binary32(total / out))


def _binary32(number: Fraction) -> Fraction:
    return significant(number, 24)
