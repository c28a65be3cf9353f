"""Which code stands for NaN."""

from __future__ import annotations

from peers import rules
from peers.disagreements.names import (
    ALL,
    APY,
    DOUBLE,
    FOLD,
    GF_DRAWN,
    GF_FALSE,
    GF_SCALAR,
    GF_TRUE,
    JIT,
    LARGE,
    ML,
    NOSAT,
    SAT,
    TORCH,
)
from peers.disagreements.record import Disagreement, Example

_NAN = {
    "inputs": "inputs that become NaN",
    "judge": "one canonical NaN, without sign",
    "about_nan": True,
}


def _nan_example(fmt: str, judge: int, peer: int) -> Example:
    return Example(fmt=fmt, source="float32", value=-float("nan"), judge=judge, peer=peer)


_SIGN_KEPT = _NAN | {
    "inputs": "inputs with a sign that become NaN",
    "peer": "the canonical NaN with the input's sign",
    "where": lambda case: case.is_negative,
    "says": rules.nan_with_sign(rules.canonical_nan),
    "why": "the sign is carried through",
}
_E5M2 = ("float8_e5m2",)
_LONG = ("float8_e4m3", "float8_e3m4")

_ONE_NAN = _NAN | {
    "peer": "0xFF, whatever the sign",
    "where": rules.any_result,
    "says": rules.always(0xFF),
    "why": "one code stands for all NaNs",
    "example": Example(fmt="float8_e4m3fn", source="float64", value=float("nan"), judge=0x7F, peer=0xFF),
}

NAN_CODES = (
    Disagreement(
        peers=(*GF_TRUE, *GF_FALSE),
        formats=("float8_e4m3fn", "float8_e5m2"),
        sources=ALL,
        **_ONE_NAN,
    ),
    Disagreement(peers=GF_SCALAR, formats=("float8_e4m3fn", "float8_e5m2"), sources=DOUBLE, **_ONE_NAN),
    Disagreement(peers=GF_DRAWN, formats=("float8_e4m3fn",), sources=DOUBLE, **_ONE_NAN),
    Disagreement(
        peers=(ML, SAT, NOSAT, TORCH, JIT, FOLD, LARGE),
        formats=("float8_e4m3fn",),
        sources=ALL,
        **_SIGN_KEPT,
        example=_nan_example("float8_e4m3fn", 0x7F, 0xFF),
    ),
    Disagreement(
        peers=(ML, SAT, NOSAT),
        formats=_E5M2,
        sources=ALL,
        **_SIGN_KEPT,
        example=_nan_example("float8_e5m2", 0x7E, 0xFE),
    ),
    Disagreement(
        peers=(ML, JIT, LARGE),
        formats=_LONG,
        sources=ALL,
        **_SIGN_KEPT,
        example=_nan_example("float8_e4m3", 0x7C, 0xFC),
    ),
    Disagreement(
        peers=(JIT,),
        formats=_E5M2,
        sources=("float32", "float64"),
        **_SIGN_KEPT,
        example=_nan_example("float8_e5m2", 0x7E, 0xFE),
    ),
    Disagreement(
        peers=(LARGE,),
        formats=_E5M2,
        sources=("bfloat16", "float32", "float64"),
        **_SIGN_KEPT,
        example=_nan_example("float8_e5m2", 0x7E, 0xFE),
    ),
    Disagreement(
        peers=(JIT,),
        formats=_E5M2,
        sources=("float16", "bfloat16"),
        **_NAN,
        peer="0x7F, whatever the sign",
        where=rules.any_nan,
        says=rules.always(0x7F),
        why="the short source types take a path of their own",
        example=Example(fmt="float8_e5m2", source="float16", value=float("nan"), judge=0x7E, peer=0x7F),
    ),
    Disagreement(
        peers=(TORCH,),
        formats=_E5M2,
        sources=ALL,
        **_NAN,
        peer="all ones below the sign",
        where=rules.any_nan,
        says=rules.nan_with_sign(rules.full_nan),
        why="payload and sign are fixed apart",
        example=_nan_example("float8_e5m2", 0x7E, 0xFF),
    ),
    Disagreement(
        peers=(APY,),
        formats=(*_E5M2, *_LONG),
        sources=("float32", "float64"),
        **_NAN,
        peer="the first code after infinity, with the input's sign",
        where=rules.any_nan,
        says=rules.nan_with_sign(rules.least_nan),
        why="a NaN is kept as fraction 1",
        example=_nan_example("float8_e5m2", 0x7E, 0xFD),
    ),
    Disagreement(
        peers=(FOLD,),
        formats=(*_E5M2, *_LONG),
        sources=ALL,
        **_NAN | {"inputs": "NaNs with a sign or with payload bits at the top"},
        peer="the sign and the leading payload bits, made quiet",
        where=lambda case: case.is_nan & (rules.nan_with_payload(case) != case.spec.nan_code),
        says=rules.nan_with_payload,
        why="APFloat carries payloads through",
        example=_nan_example("float8_e5m2", 0x7E, 0xFE),
    ),
    Disagreement(
        peers=(LARGE,),
        formats=_E5M2,
        sources=("float16",),
        **_NAN | {"inputs": "NaNs with a sign or with payload bits at the top"},
        peer="the sign and the leading payload bits, made quiet",
        where=lambda case: case.is_nan & (rules.nan_with_payload(case) != case.spec.nan_code),
        says=rules.nan_with_payload,
        why="between formats of one exponent width the fraction is cut short",
        example=Example(fmt="float8_e5m2", source="float16", value=-float("nan"), judge=0x7E, peer=0xFE),
    ),
)
