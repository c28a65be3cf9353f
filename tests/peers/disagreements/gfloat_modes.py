"""gfloat: out of range, and sums that round."""

from __future__ import annotations

import math

from peers import rules
from peers.disagreements import links
from peers.disagreements.names import ALL, DOUBLE, E8M0, FINITE_DOMAIN, GF_FALSE, GF_TRUE, UNSIGNED, WIDE
from peers.disagreements.record import Disagreement, Example

GFLOAT = (
    Disagreement(
        peers=GF_FALSE,
        formats=FINITE_DOMAIN,
        sources=WIDE,
        inputs="values that leave the range of a finite-domain format when rounded, and infinities of its sign",
        judge="the largest magnitude: these formats have nothing to overflow to (P3109 v4.0, Projection)",
        peer="NaN",
        where=rules.beyond_range,
        says=lambda case: rules.always(case.spec.nan_code)(case),
        why="without sat, overflow goes to NaN where there is no infinity",
        example=Example(fmt="Binary4p2sf", source="float32", value=6.0, judge=0x7, peer=0x8),
    ),
    Disagreement(
        peers=(*GF_TRUE, *GF_FALSE),
        formats=UNSIGNED,
        sources=WIDE,
        inputs="negative values that the rounding does not bring to zero; under TowardZero all of them",
        judge="0, or NaN under SAT_NONE",
        peer="a number that is no code of the format",
        where=rules.below_zero,
        says=rules.no_code,
        why="negative values pass unchecked, and TowardZero takes the floor",
        example=Example(fmt="Binary4p2uf", source="float32", value=-1.0, judge=0x0, peer=0x10),
    ),
    Disagreement(
        peers=("gfloat TiesToAway, sat=False",),
        formats=UNSIGNED,
        sources=WIDE,
        inputs="minus half of the smallest value",
        judge="away from zero, hence out of range: NaN",
        peer="0",
        where=rules.half_of_least,
        says=rules.always(0),
        why="ties go toward +infinity where the sign is not taken off first",
        example=Example(fmt="Binary4p2uf", source="float32", value=-(2.0**-5), judge=0xF, peer=0x0),
    ),
    Disagreement(
        peers=(*GF_TRUE, *GF_FALSE),
        formats=E8M0,
        sources=ALL,
        inputs="negative values, and positive ones that would round below 2^-127",
        judge="the smallest value; under SAT_NONE NaN for negative ones",
        peer="a number that is no code; its low byte, 0xEA for 2^-149, is a huge power of two",
        where=rules.below_least_power,
        says=rules.no_code,
        why="rounding leaves the value set downward, and the exponent field turns negative",
        link=links.GFLOAT_E8M0,
        example=Example(fmt="float8_e8m0fnu", source="float32", value=2.0**-149, judge=0x00, peer=0x100),
    ),
    Disagreement(
        peers=GF_FALSE,
        formats=E8M0,
        sources=ALL,
        inputs="zeros",
        judge="NaN: no code is near",
        peer="the smallest value, 2^-127",
        where=rules.zero,
        says=rules.always(0x00),
        why="zero skips the encoding and keeps the code it began with",
        example=Example(fmt="float8_e8m0fnu", source="float32", value=0.0, judge=0xFF, peer=0x00),
    ),
    Disagreement(
        peers=("gfloat scalar TiesToAway, sat=True",),
        formats=("float8_e4m3fn", "float8_e5m2", "float6_e3m2fn", "float4_e2m1fn", "Binary8p3se", "Binary6p1sf"),
        sources=DOUBLE,
        inputs="the float64 just below half of the smallest subnormal value, either sign",
        judge="0",
        peer="the smallest subnormal value",
        where=rules.just_below_half_of_least,
        says=rules.one_up,
        why="0.5 is added in float64, and the sum rounds to 1; the array function compares and is right",
        example=Example(fmt="float4_e2m1fn", source="float64", value=math.nextafter(0.25, 0.0), judge=0x0, peer=0x1),
    ),
    Disagreement(
        peers=("gfloat StochasticFastest, sat=True", "gfloat StochasticFast, sat=True"),
        formats=("float8_e4m3fn", "Binary8p3se", "Binary4p2sf", "float4_e2m1fn"),
        sources=DOUBLE,
        inputs="values below the smallest subnormal one, less than 2^-53 of it short of a tick of the random bits",
        judge="down: P3109's StochasticA and StochasticB are exact",
        peer="up",
        where=rules.sum_rounds_to_one,
        says=rules.one_up,
        why="fraction and random bits are added in float64, and the sum rounds to 1",
        link=links.GFLOAT_SR,
        example=Example(fmt="float4_e2m1fn", source="float64", value=math.nextafter(0.25, 0.0), judge=0x0, peer=0x1),
        draws=lambda policy: policy.random_bits >= 1 << (policy.random_bit_count - 1),
    ),
)
