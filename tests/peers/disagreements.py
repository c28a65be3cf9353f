"""The table: where peers are known to differ from the judge. It must stay true in both directions."""

from __future__ import annotations

import math

import numpy as np
from peers import rules
from peers.disagreement import Disagreement, Example

from formats.p3109 import all_p3109

ML, TORCH, APY = "ml_dtypes astype", "torch to", "apytypes from_float"
JIT, FOLD, LARGE = "JAX compiled", "JAX folded", "JAX folded, large"
SAT, NOSAT = "ONNX reference, saturate=1", "ONNX reference, saturate=0"
UP = ("ONNX reference, round_mode=up, saturate=1", "ONNX reference, round_mode=up, saturate=0")
DOWN = ("ONNX reference, round_mode=down, saturate=1", "ONNX reference, round_mode=down, saturate=0")
NEAREST = ("ONNX reference, round_mode=nearest, saturate=1", "ONNX reference, round_mode=nearest, saturate=0")

ALL = ("float16", "bfloat16", "float32", "float64")
UP_TO_32 = ALL[:3]
DOUBLE = ("float64",)
OCP = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")
FP8 = (*OCP, "float8_e4m3", "float8_e3m4", "float8_e4m3b11fnuz")
SEVERAL_NANS = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3", "float8_e3m4")
FP6 = ("float6_e2m3fn", "float6_e3m2fn")
FP4, E8M0 = ("float4_e2m1fn",), ("float8_e8m0fnu",)

PR401 = "https://github.com/jax-ml/ml_dtypes/pull/401"
APFLOAT_INF = "https://github.com/llvm/llvm-project/issues/185351"
APFLOAT_SIGN = "https://github.com/llvm/llvm-project/issues/215445"
APFLOAT_DOUBLE = "https://github.com/llvm/llvm-project/issues/131531"
ORT_E8M0 = "https://github.com/microsoft/onnxruntime/pull/28435"
GFLOAT_SR = "https://github.com/graphcore-research/gfloat/pull/55"
GFLOAT_E8M0 = "https://github.com/graphcore-research/gfloat/issues/62"

_STOP = {
    "sources": DOUBLE,
    "inputs": "values that float32 rounds onto, or across, a tie or the overflow limit of the format",
    "judge": "rounds once",
    "peer": "rounds to float32 first, then again",
    "where": rules.differs(rules.through_float32),
    "says": rules.through_float32,
}
_JUST_OVER = 2.0**-10 * (1 + 2.0**-40)
_FLUSHED_STOP = _STOP | {
    "formats": ("bfloat16",),
    "inputs": "values that float32 rounds onto a tie or across it, and float32's subnormals",
    "peer": "rounds to float32, flushes its subnormals to zero, then rounds again",
    "where": rules.differs(rules.through_flushed_float32),
    "says": rules.through_flushed_float32,
    "why": "XLA on the CPU narrows float64 by way of float32, whose subnormals it flushes",
    "link": APFLOAT_DOUBLE,
    "example": Example(fmt="bfloat16", source="float64", value=2.0**-130, judge=0x0008, peer=0x0000),
}

STOP_OVER = (
    Disagreement(
        peers=(ML,),
        formats=(*FP8, *FP6, *FP4, "bfloat16"),
        **_STOP,
        why="float64 is cast to float32 before the narrow type sees it",
        link=PR401,
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
        link=PR401,
        example=Example(fmt="float8_e4m3fn", source="float64", value=_JUST_OVER, judge=0x01, peer=0x00),
    ),
    Disagreement(
        peers=(NOSAT,),
        formats=(*OCP, *FP4, "bfloat16"),
        **_STOP,
        why="the conversion is ml_dtypes'",
        link=PR401,
        example=Example(fmt="float4_e2m1fn", source="float64", value=0.25 * (1 + 2.0**-40), judge=0x1, peer=0x0),
    ),
    Disagreement(
        peers=(JIT, LARGE),
        formats=("float16",),
        **_STOP,
        why="XLA on the CPU narrows float64 by way of float32; a folded small constant is right",
        link=APFLOAT_DOUBLE,
        example=Example(fmt="float16", source="float64", value=2.0**-25 * (1 + 2.0**-40), judge=0x0001, peer=0x0000),
    ),
    Disagreement(peers=(JIT,), **_FLUSHED_STOP),
    Disagreement(peers=(LARGE,), **_FLUSHED_STOP, jax="<0.12"),
    Disagreement(
        peers=(LARGE,),
        formats=("bfloat16",),
        **_STOP,
        why="folding no longer flushes float32's subnormals, but still goes by way of float32",
        link=APFLOAT_DOUBLE,
        example=Example(fmt="bfloat16", source="float64", value=2.0**-134 * (1 + 2.0**-40), judge=0x0001, peer=0x0000),
        jax=">=0.12",
    ),
)

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
        link=APFLOAT_INF,
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
        link=APFLOAT_INF,
        example=Example(fmt="float4_e2m1fn", source="float32", value=float("inf"), judge=0x7, peer=0x0),
    ),
)

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
    "link": ORT_E8M0,
    "example": Example(fmt="float8_e8m0fnu", source="float32", value=1.25 * 2.0**-127, judge=0x00, peer=0x01),
}
_NEGATIVE = {
    "formats": E8M0,
    "sources": ALL,
    "inputs": "negative values, except where the judge and the peer both give NaN or both the smallest value",
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
        link=PR401,
        example=Example(fmt="float8_e8m0fnu", source="float64", value=1.5 * (1 - 2.0**-40), judge=0x7F, peer=0x80),
    ),
    Disagreement(
        peers=(ML,),
        **_STOP_E8M0
        | {"inputs": "positive values that float32 rounds to zero", "judge": "the smallest value", "peer": "NaN"},
        where=rules.vanishing,
        says=rules.always(0xFF),
        why="float64 goes through float32, and zero has no code",
        link=PR401,
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
        link=APFLOAT_SIGN,
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
        link=APFLOAT_SIGN,
        example=Example(fmt="float8_e8m0fnu", source="float32", value=-0.5, judge=0xFF, peer=0x7E),
        jax=">=0.12",
    ),
)

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

NAN_CODES = (
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

_DIRECTIONS = ("TiesToEven", "TiesToAway", "TowardZero", "TowardPositive", "TowardNegative")
GF_TRUE = tuple(f"gfloat {mode}, sat=True" for mode in _DIRECTIONS)
GF_FALSE = tuple(f"gfloat {mode}, sat=False" for mode in _DIRECTIONS)
GF_SCALAR = tuple(f"gfloat scalar {mode}, sat=True" for mode in _DIRECTIONS)
GF_DRAWN = tuple(f"gfloat {mode}, sat=True" for mode in ("StochasticFastest", "StochasticFast", "Stochastic"))
P3109 = tuple(spec.name for bits in range(3, 9) for spec in all_p3109(bits))
UNSIGNED = tuple(fmt for fmt in P3109 if fmt[-2] == "u")
FINITE_DOMAIN = tuple(fmt for fmt in P3109 if fmt[-1] == "f")
WIDE = ("float32", "float64")
_ONE_NAN = _NAN | {
    "peer": "0xFF, whatever the sign",
    "where": rules.any_result,
    "says": rules.always(0xFF),
    "why": "one code stands for all NaNs",
    "example": Example(fmt="float8_e4m3fn", source="float64", value=float("nan"), judge=0x7F, peer=0xFF),
}

GFLOAT = (
    Disagreement(
        peers=(*GF_TRUE, *GF_FALSE),
        formats=("float8_e4m3fn", "float8_e5m2"),
        sources=ALL,
        **_ONE_NAN,
    ),
    Disagreement(peers=GF_SCALAR, formats=("float8_e4m3fn", "float8_e5m2"), sources=DOUBLE, **_ONE_NAN),
    Disagreement(peers=GF_DRAWN, formats=("float8_e4m3fn",), sources=DOUBLE, **_ONE_NAN),
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
        link=GFLOAT_E8M0,
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
        link=GFLOAT_SR,
        example=Example(fmt="float4_e2m1fn", source="float64", value=math.nextafter(0.25, 0.0), judge=0x0, peer=0x1),
        draws=lambda policy: policy.random_bits >= 1 << (policy.random_bit_count - 1),
    ),
)

TABLE = (
    *STOP_OVER,
    *NAN_INTO_FORMATS_WITHOUT,
    *POWERS_OF_TWO,
    *NEGATIVES_TO_POWERS_OF_TWO,
    *GFLOAT,
    *NAN_CODES,
)
