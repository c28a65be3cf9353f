"""Rules that mark inputs and say what a peer makes of them, shared by the entries of the table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
from peers.adapters.peer import Codes
from peers.case import Case, Mask

from formats import FloatSpec, Overflow, Rounding, Saturation
from reference.exact import magnitude

Rule = Callable[[Case], Codes]
AWAY = Rounding.NEAREST_TIES_TO_AWAY


def always(code: int) -> Rule:
    """The same code everywhere."""
    return lambda case: np.full(case.values.shape, code, np.uint32)


def differs(says: Rule) -> Callable[[Case], Mask]:
    """Where ``says`` is not what the golden model gives (for numbers; NaN inputs have entries of their own)."""
    return lambda case: ~case.is_nan & (case.canonical(says(case)) != case.judged())


def both(*rules: Callable[[Case], Mask]) -> Callable[[Case], Mask]:
    return lambda case: np.logical_and.reduce([rule(case) for rule in rules])


def through_float32(case: Case) -> Codes:
    """Rounded to float32 first, then by the policy."""
    return case.judged(case.singles)


def through_flushed_float32(case: Case) -> Codes:
    """As `through_float32`, with float32's subnormals flushed to zero on the way."""
    singles = case.singles
    return case.judged(
        np.where(np.abs(singles) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), singles), singles)
    )


def signed(case: Case) -> Codes:
    """The sign bit alone, in the format's place: a zero with the input's sign."""
    return np.where(case.is_negative, case.spec.sign_code, 0).astype(np.uint32)


def positive_nan(case: Case) -> Mask:
    return case.is_nan & ~case.is_negative


def negative_nan(case: Case) -> Mask:
    return case.is_nan & case.is_negative


def any_nan(case: Case) -> Mask:
    return case.is_nan


def any_result(case: Case) -> Mask:
    """Everything, where only the results are in question."""
    return np.ones(case.values.shape, bool)


def infinite(case: Case) -> Mask:
    return np.isinf(case.doubles)


# NaN codes


def nan_with_sign(fraction: Callable[[Case], int]) -> Rule:
    """The NaN of the given magnitude code, with the input's sign."""
    return lambda case: signed(case) | np.uint32(fraction(case))


def canonical_nan(case: Case) -> int:
    return case.spec.nan_code


def full_nan(case: Case) -> int:
    """All ones."""
    return (1 << case.spec.magnitude_bits) - 1


def least_nan(case: Case) -> int:
    """The first one after infinity."""
    return case.spec.infinity_code + 1


def nan_with_payload(case: Case) -> Codes:
    """The leading payload bits that fit, made quiet, and the sign."""
    width = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}[case.values.dtype.name]
    bits = case.values.view(f"u{case.values.dtype.itemsize}").astype(np.uint64) & np.uint64((1 << width) - 1)
    payload = (bits >> np.uint64(width - case.spec.fraction_bits)).astype(np.uint32)
    return signed(case) | np.where(case.is_nan, np.uint32(case.spec.nan_code) | payload, case.spec.nan_code)


# E8M0: powers of two from 2^-127 to 2^127


LEAST = 2.0**-127


def nearest_power(values: np.ndarray, case: Case) -> Codes:
    """Nearest with ties upward, and everything between ``2^-127`` and its upper neighbour rounded up."""
    codes = case.judged(values, rounding=AWAY)
    return np.where((values > LEAST) & (values < 1.5 * LEAST), 1, codes).astype(np.uint32)


def nearest_of_magnitude(case: Case) -> Codes:
    """The sign dropped, zero made the smallest value, after a stop in float32."""
    magnitude = np.abs(case.singles)
    return np.where(magnitude == 0, 0, nearest_power(magnitude, case)).astype(np.uint32)


def nearest_of_exact_magnitude(case: Case) -> Codes:
    """The sign dropped, zero made the smallest value; nearest with ties upward."""
    magnitude = np.abs(case.values)
    return np.where(magnitude == 0, 0, case.judged(magnitude, rounding=AWAY)).astype(np.uint32)


def nearest_with_sign_in_exponent(case: Case) -> Codes:
    """As `nearest_of_exact_magnitude`, with the sign ORed into the exponent's top bit unless zero is nearer."""
    signed_up = case.doubles < -LEAST / 2
    return nearest_of_exact_magnitude(case) | np.where(signed_up, 0x80, 0).astype(np.uint32)


def directed_magnitude(case: Case) -> Codes:
    """The sign dropped after a stop in float32, rounded up or down; up takes all subnormals to ``2^-126``."""
    magnitude = np.abs(case.singles)
    up = case.policy.rounding is Rounding.TOWARD_POSITIVE
    codes = np.where(magnitude == 0, 0, case.judged(magnitude))
    return np.where(up & (magnitude > 0) & (magnitude <= LEAST), 1, codes).astype(np.uint32)


def next_code(case: Case) -> Codes:
    return case.judged() + 1


def tie_below_odd(case: Case) -> Mask:
    """Exactly half-way between two powers of two, the lower of which has the even code."""
    significand, exponent = np.frexp(case.doubles)
    tie = (significand == 0.75) & (exponent > -127) & (exponent <= 128)
    return tie & (exponent % 2 == 0) & np.isfinite(case.doubles)


def above_least(values: Callable[[Case], np.ndarray]) -> Callable[[Case], Mask]:
    """Strictly between ``2^-127`` and the tie above it."""
    return lambda case: (values(case) > LEAST) & (values(case) < 1.5 * LEAST)


def zero(case: Case) -> Mask:
    return case.doubles == 0


def negative(case: Case) -> Mask:
    return case.doubles < 0


def vanishing(case: Case) -> Mask:
    """Positive, and zero once rounded to float32."""
    return (case.doubles > 0) & (case.singles == 0)


def positive_in_float32(case: Case) -> Mask:
    return case.singles > 0


# gfloat


def beyond_range(case: Case) -> Mask:
    """Where the rounded value lies beyond the largest magnitude, or the input is infinite (unsigned: upward only)."""
    codes = case.judged(spec=replace(case.spec, overflow=Overflow.NAN), saturation=Saturation.SAT_NONE)
    return case.to_nan(codes) & ~case.is_nan & (case.spec.signed | (case.doubles > 0))


def below_zero(case: Case) -> Mask:
    """Negative, and not brought to zero by the rounding, which takes the direction from the signed value."""
    least = float(magnitude(1, case.spec))
    limit = {
        Rounding.TOWARD_POSITIVE: np.nextafter(least, 0),
        Rounding.NEAREST_TIES_TO_EVEN: least / 2,
        AWAY: least / 2,
    }
    return case.doubles < -limit.get(case.policy.rounding, 0)


def below_least_power(case: Case) -> Mask:
    """Below ``2^-127`` after rounding with an unbounded exponent; all negative values."""
    ups = {Rounding.TOWARD_POSITIVE: np.nextafter(LEAST / 2, 1), Rounding.NEAREST_TIES_TO_EVEN: 0.75 * LEAST}
    limit = (ups | {AWAY: 0.75 * LEAST}).get(case.policy.rounding, LEAST)
    return (case.doubles < limit) & (case.doubles != 0)


def half_of_least(case: Case) -> Mask:
    return case.doubles == -float(magnitude(1, case.spec)) / 2


def just_below_half_of_least(case: Case) -> Mask:
    """The float64 before half of the smallest subnormal value, with either sign."""
    return np.abs(case.doubles) == np.nextafter(float(magnitude(1, case.spec)) / 2, 0)


def no_code(case: Case) -> Codes:
    return np.full(case.values.shape, 1 << case.spec.bits, np.uint32)


def sum_rounds_to_one(case: Case) -> Mask:
    """Where the fraction and the random bits add up to less than one exactly, and to one in float64."""
    bits, count = case.policy.random_bits, case.policy.random_bit_count
    drawn = Fraction(bits, 1 << count)
    if case.policy.rounding is Rounding.STOCHASTIC_B:
        drawn += Fraction(1, 2 << count)
    tiny = np.abs(case.doubles) < float(magnitude(1, case.spec))  # larger fractions are not as fine
    sums = [
        _fraction(value, case.spec) + drawn if small else 0
        for value, small in zip(case.doubles.tolist(), tiny, strict=True)
    ]
    return np.array([1 - Fraction(1, 1 << 54) <= total < 1 for total in sums])


def _fraction(value: float, spec: FloatSpec) -> Fraction:
    """What of ``|value|`` lies below the unit in the last place."""
    exponent = max(math.frexp(value)[1] - 1, spec.emin) - spec.fraction_bits
    return abs(Fraction(value)) / Fraction(2) ** exponent % 1


def one_up(case: Case) -> Codes:
    """The next larger magnitude."""
    return case.judged() + np.uint32(1) | np.where(case.spec.signed & case.is_negative, case.spec.sign_code, 0)
