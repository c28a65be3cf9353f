"""NaNs and infinities on their way into formats that have neither."""

from __future__ import annotations

from peers import rules
from peers.disagreements import links
from peers.disagreements.names import ALL, FOLD, FP4, FP6, JIT, LARGE, ML, NOSAT
from peers.disagreements.record import Disagreement, Example

NAN_INTO_FORMATS_WITHOUT = (
    Disagreement(
        peers=(ML, NOSAT, LARGE),
        formats=FP4,
        sources=ALL,
        inputs="NaNs without sign",
        judge="no NaN exists: an error, or the code that `nan=` names (+0 here)",
        peer="-0; NaNs with a sign give +0",
        where=rules.positive_nan,
        says=rules.always(0x8),
        why="the sign comes out inverted",
        example=Example(fmt="float4_e2m1fn", source="float32", value=float("nan"), judge=0x0, peer=0x8),
    ),
    Disagreement(
        peers=(ML,),
        formats=FP6,
        sources=ALL,
        inputs="NaNs without sign",
        judge="no NaN exists: an error, or the code that `nan=` names (+0 here)",
        peer="-0; NaNs with a sign give +0",
        where=rules.positive_nan,
        says=rules.always(0x20),
        why="the sign comes out inverted",
        example=Example(fmt="float6_e3m2fn", source="float32", value=float("nan"), judge=0x00, peer=0x20),
    ),
    Disagreement(
        peers=(JIT,),
        formats=FP4,
        sources=ALL,
        inputs="NaNs",
        judge="no NaN exists: an error, or the code that `nan=` names (+0 here)",
        peer="-0",
        where=rules.any_nan,
        says=rules.always(0x8),
        why="both signs take one path",
        example=Example(fmt="float4_e2m1fn", source="float32", value=float("nan"), judge=0x0, peer=0x8),
    ),
    Disagreement(
        peers=(FOLD,),
        formats=FP4,
        sources=ALL,
        inputs="NaNs with a sign",
        judge="no NaN exists: an error, or the code that `nan=` names (+0 here)",
        peer="-0; NaNs without give +0",
        where=rules.negative_nan,
        says=rules.always(0x8),
        why="APFloat drops the NaN and keeps the sign",
        link=links.APFLOAT_INF,
        example=Example(fmt="float4_e2m1fn", source="float32", value=-float("nan"), judge=0x0, peer=0x8),
    ),
    Disagreement(
        peers=(FOLD,),
        formats=FP4,
        sources=ALL,
        inputs="infinities",
        judge="clamps to 6 with the sign, as compiled code and larger constants do",
        peer="0 with the sign",
        where=rules.infinite,
        says=rules.signed,
        why="APFloat has no infinity to convert to in this format",
        link=links.APFLOAT_INF,
        example=Example(fmt="float4_e2m1fn", source="float32", value=float("inf"), judge=0x7, peer=0x0),
    ),
)
