"""E8M0: powers of two, without zero or sign."""

from __future__ import annotations

import numpy as np
from peers import rules
from peers.disagreements import links
from peers.disagreements.names import ALL, DOUBLE, DOWN, E8M0, FOLD, JIT, LARGE, ML, NEAREST, TORCH, UP
from peers.disagreements.record import Disagreement, Example

_TIES = {
    "formats": E8M0,
    "inputs": "ties 1.5 * 2^k whose lower neighbour has an even code",
    "judge": "down, to the even code",
    "peer": "up, as every tie",
    "where": rules.tie_below_odd,
    "says": rules.next_code,
    "why": "the significand's implicit bit, always 1, is taken for the parity that breaks ties",
    "example": Example(fmt="float8_e8m0fnu", source="float32", value=3.0, judge=0x80, peer=0x81),
}
_ABOVE_LEAST = {
    "formats": E8M0,
    "inputs": "values between 2^-127 and 1.5 * 2^-127",
    "judge": "down, to 2^-127",
    "peer": "up, to 2^-126: up to a factor of 2 off",
    "says": rules.always(0x01),
    "why": "2^-127 is a subnormal float32, whose leading bit is taken for the rounding bit",
    "link": links.ORT_E8M0,
    "example": Example(fmt="float8_e8m0fnu", source="float32", value=1.25 * 2.0**-127, judge=0x00, peer=0x01),
}
_STOP_E8M0 = {
    "formats": E8M0,
    "sources": DOUBLE,
    "inputs": "positive values that float32 rounds onto a tie or a power of two",
    "judge": "rounds once",
    "peer": "rounds to float32 first, then again",
}


def _stop_nearest(case):
    return rules.nearest_power(case.singles, case)


POWERS_OF_TWO = (
    Disagreement(peers=(ML, TORCH, JIT, FOLD, LARGE, NEAREST[1]), sources=ALL, **_TIES),
    Disagreement(
        peers=(NEAREST[0],),
        sources=ALL,
        **_TIES
        | {
            "where": rules.both(rules.tie_below_odd, lambda case: case.doubles < 2.0**127),
            "inputs": "the same ties, save the one above 2^127, which saturates",
        },
    ),
    Disagreement(
        peers=(ML, TORCH, *NEAREST),
        sources=("bfloat16", "float32", "float64"),
        where=rules.above_least(lambda case: case.singles),
        **_ABOVE_LEAST,
    ),
    Disagreement(
        peers=(JIT, LARGE),
        sources=("bfloat16", "float32", "float64"),
        where=rules.above_least(lambda case: case.doubles),
        **_ABOVE_LEAST,
    ),
    Disagreement(
        peers=(ML, TORCH, *NEAREST),
        **_STOP_E8M0,
        where=rules.both(
            rules.positive_in_float32,
            lambda case: case.judged(case.singles, rounding=rules.AWAY) != case.judged(rounding=rules.AWAY),
        ),
        says=_stop_nearest,
        why="float64 goes through float32",
        link=links.PR401,
        example=Example(fmt="float8_e8m0fnu", source="float64", value=1.5 * (1 - 2.0**-40), judge=0x7F, peer=0x80),
    ),
    Disagreement(
        peers=(ML,),
        **_STOP_E8M0
        | {"inputs": "positive values that float32 rounds to zero", "judge": "the smallest value", "peer": "NaN"},
        where=rules.vanishing,
        says=rules.always(0xFF),
        why="float64 goes through float32, and zero has no code",
        link=links.PR401,
        example=Example(fmt="float8_e8m0fnu", source="float64", value=2.0**-200, judge=0x00, peer=0xFF),
    ),
    Disagreement(
        peers=(JIT,),
        **_STOP_E8M0 | {"inputs": "positive values below 2^-127", "judge": "the smallest value", "peer": "NaN"},
        where=lambda case: (case.doubles > 0) & (case.doubles < rules.LEAST),
        says=rules.always(0xFF),
        why="small values are flushed to zero, which has no code",
        example=Example(fmt="float8_e8m0fnu", source="float64", value=2.0**-200, judge=0x00, peer=0xFF),
    ),
    Disagreement(
        peers=(*UP, *DOWN),
        **_STOP_E8M0,
        where=rules.both(
            lambda case: case.singles > rules.LEAST,
            rules.differs(rules.through_float32),
        ),
        says=rules.through_float32,
        why="float64 goes through float32",
        example=Example(fmt="float8_e8m0fnu", source="float64", value=1 + 2.0**-40, judge=0x80, peer=0x7F),
    ),
    Disagreement(
        peers=UP,
        formats=E8M0,
        sources=("bfloat16", "float32", "float64"),
        inputs="positive values up to 2^-127 itself",
        judge="2^-127",
        peer="2^-126",
        where=rules.both(rules.positive_in_float32, lambda case: case.doubles <= rules.LEAST),
        says=rules.always(0x01),
        why="these are float32 subnormals: fraction bits that are not zero under exponent field 0",
        example=Example(fmt="float8_e8m0fnu", source="float32", value=2.0**-127, judge=0x00, peer=0x01),
    ),
    Disagreement(
        peers=(UP[0], DOWN[0], NEAREST[0]),
        formats=E8M0,
        sources=ALL,
        inputs="infinities (from float64: all that float32 rounds to them)",
        judge="clamps: to the largest value, or from below to the smallest",
        peer="NaN",
        where=lambda case: np.isinf(case.singles),
        says=rules.always(0xFF),
        why="infinity and NaN share an exponent field; ONNX's text says the largest value",
        example=Example(fmt="float8_e8m0fnu", source="float32", value=float("inf"), judge=0xFE, peer=0xFF),
    ),
    Disagreement(
        peers=(TORCH, FOLD, UP[1], DOWN[1], NEAREST[1]),
        formats=E8M0,
        sources=ALL,
        inputs="zeros",
        judge="NaN: no code is near",
        peer="the smallest value, 2^-127",
        where=rules.zero,
        says=rules.always(0x00),
        why="the exponent field of zero is 0",
        example=Example(fmt="float8_e8m0fnu", source="float32", value=0.0, judge=0xFF, peer=0x00),
    ),
)
