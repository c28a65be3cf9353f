"""Two roundings: float64 that stops over in float32."""

from __future__ import annotations

from peers import rules
from peers.disagreements import links
from peers.disagreements.names import DOUBLE, FP4, FP6, FP8, JIT, LARGE, ML, NOSAT, OCP, SAT, TORCH
from peers.disagreements.record import Disagreement, Example

_STOP = {
    "sources": DOUBLE,
    "inputs": "values that float32 rounds onto, or across, a tie or the overflow limit of the format",
    "judge": "rounds once",
    "peer": "rounds to float32 first, then again",
    "where": rules.differs(rules.through_float32),
    "says": rules.through_float32,
}
_JUST_OVER = 2.0**-10 * (1 + 2.0**-40)
_HALF_STOP = _STOP | {
    "formats": ("float16",),
    "why": "XLA on the CPU narrows float64 by way of float32; a folded small constant is right",
    "link": links.APFLOAT_DOUBLE,
    "example": Example(fmt="float16", source="float64", value=2.0**-25 * (1 + 2.0**-40), judge=0x0001, peer=0x0000),
}
_FLUSHED_STOP = _STOP | {
    "formats": ("bfloat16",),
    "inputs": "values that float32 rounds onto a tie or across it, and float32's subnormals",
    "peer": "rounds to float32, flushes its subnormals to zero, then rounds again",
    "where": rules.differs(rules.through_flushed_float32),
    "says": rules.through_flushed_float32,
    "why": "XLA on the CPU narrows float64 by way of float32, whose subnormals it flushes",
    "link": links.APFLOAT_DOUBLE,
    "example": Example(fmt="bfloat16", source="float64", value=2.0**-130, judge=0x0008, peer=0x0000),
}

STOP_OVER = (
    Disagreement(
        peers=(ML,),
        formats=(*FP8, *FP6, *FP4, "bfloat16"),
        **_STOP,
        why="float64 is cast to float32 before the narrow type sees it",
        link=links.PR401,
        example=Example(fmt="float8_e4m3fn", source="float64", value=_JUST_OVER, judge=0x01, peer=0x00),
    ),
    Disagreement(
        peers=(TORCH,),
        formats=(*OCP, "bfloat16", "float16"),
        **_STOP,
        why="the narrow types convert from float only",
        example=Example(fmt="float8_e4m3fn", source="float64", value=_JUST_OVER, judge=0x01, peer=0x00),
    ),
    Disagreement(
        peers=(SAT,),
        formats=OCP,
        **_STOP,
        why="the conversion is ml_dtypes'",
        link=links.PR401,
        example=Example(fmt="float8_e4m3fn", source="float64", value=_JUST_OVER, judge=0x01, peer=0x00),
    ),
    Disagreement(
        peers=(NOSAT,),
        formats=(*OCP, *FP4, "bfloat16"),
        **_STOP,
        why="the conversion is ml_dtypes'",
        link=links.PR401,
        example=Example(fmt="float4_e2m1fn", source="float64", value=0.25 * (1 + 2.0**-40), judge=0x1, peer=0x0),
    ),
    Disagreement(peers=(LARGE,), **_HALF_STOP),
    Disagreement(
        peers=(JIT,),
        **_HALF_STOP | {"why": "XLA on the CPU narrows float64 by way of float32; with AVX512-FP16 in one step"},
        lacking="avx512_fp16",
    ),
    Disagreement(peers=(JIT,), **_FLUSHED_STOP),
    Disagreement(peers=(LARGE,), **_FLUSHED_STOP, jax="<0.12"),
    Disagreement(
        peers=(LARGE,),
        formats=("bfloat16",),
        **_STOP,
        why="folding no longer flushes float32's subnormals, but still goes by way of float32",
        link=links.APFLOAT_DOUBLE,
        example=Example(fmt="bfloat16", source="float64", value=2.0**-134 * (1 + 2.0**-40), judge=0x0001, peer=0x0000),
        jax=">=0.12",
    ),
)
