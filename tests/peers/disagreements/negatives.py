"""E8M0: negative values."""

from __future__ import annotations

import numpy as np
from peers import rules
from peers.disagreements import links
from peers.disagreements.names import ALL, DOWN, E8M0, FOLD, NEAREST, TORCH, UP
from peers.disagreements.record import Disagreement, Example

_NEGATIVE = {
    "formats": E8M0,
    "sources": ALL,
    "inputs": "negative values, except where the judge and the peer both give NaN or both the smallest value",
}
_MINUS_TWO = {"fmt": "float8_e8m0fnu", "source": "float32", "value": -2.0, "peer": 0x80}
NEGATIVES_TO_POWERS_OF_TWO = (
    Disagreement(
        peers=(TORCH, NEAREST[1]),
        **_NEGATIVE,
        judge="NaN",
        peer="the code of the magnitude, rounded as above",
        where=rules.both(rules.negative, rules.differs(rules.nearest_of_magnitude)),
        says=rules.nearest_of_magnitude,
        why="the exponent field is taken and the sign ignored",
        example=Example(**_MINUS_TWO, judge=0xFF),
    ),
    Disagreement(
        peers=(NEAREST[0],),
        **_NEGATIVE,
        judge="clamps to the smallest value",
        peer="the code of the magnitude, rounded as above",
        where=rules.both(
            rules.negative, lambda case: np.isfinite(case.singles), rules.differs(rules.nearest_of_magnitude)
        ),
        says=rules.nearest_of_magnitude,
        why="the exponent field is taken and the sign ignored",
        example=Example(**_MINUS_TWO, judge=0x00),
    ),
    *(
        Disagreement(
            peers=(peer,),
            **_NEGATIVE,
            judge="NaN" if judge else "clamps to the smallest value",
            peer="the code of the magnitude, rounded in the same direction",
            where=rules.both(
                rules.negative,
                lambda case: np.isfinite(case.singles),
                rules.differs(rules.directed_magnitude),
            ),
            says=rules.directed_magnitude,
            why="the exponent field is taken and the sign ignored",
            example=Example(**_MINUS_TWO, judge=judge),
        )
        for peer, judge in zip((*UP, *DOWN), (0x00, 0xFF, 0x00, 0xFF), strict=True)
    ),
    Disagreement(
        peers=(FOLD,),
        **_NEGATIVE,
        judge="NaN, as compiled code and larger constants do",
        peer="the code of the magnitude with its top bit set: -0.5 becomes 2^127",
        where=rules.both(rules.negative, rules.differs(rules.nearest_with_sign_in_exponent)),
        says=rules.nearest_with_sign_in_exponent,
        why="APFloat reports no loss of the sign, which is then ORed into the exponent",
        link=links.APFLOAT_SIGN,
        example=Example(fmt="float8_e8m0fnu", source="float32", value=-0.5, judge=0xFF, peer=0xFE),
        jax="<0.12",
    ),
    Disagreement(
        peers=(FOLD,),
        **_NEGATIVE,
        judge="NaN, as compiled code and larger constants do",
        peer="the code of the magnitude",
        where=rules.both(rules.negative, rules.differs(rules.nearest_of_exact_magnitude)),
        says=rules.nearest_of_exact_magnitude,
        why="the sign is no longer ORed into the exponent, but still dropped",
        link=links.APFLOAT_SIGN,
        example=Example(fmt="float8_e8m0fnu", source="float32", value=-0.5, judge=0xFF, peer=0x7E),
        jax=">=0.12",
    ),
)
