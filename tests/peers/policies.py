"""The policies that peers follow, in our terms, where no entry of the table says otherwise."""

from __future__ import annotations

from typing import NamedTuple

from peers.disagreements.names import (
    APY,
    DOWN,
    E8M0,
    FOLD,
    FP4,
    FP6,
    FP8,
    GF_FALSE,
    GF_TRUE,
    JIT,
    LARGE,
    ML,
    NEAREST,
    NOSAT,
    OCP,
    P3109,
    SAT,
    TORCH,
    UP,
)

INTEGERS = ("int8", "uint8", "int4", "uint4", "int2", "uint2")
SHORT = ("bfloat16", "float16")


class Row(NamedTuple):
    """Peers that convert into the formats under one policy."""

    peers: tuple[str, ...]
    formats: tuple[str, ...]
    rounding: str
    saturation: str


_EVEN = "nearest_ties_to_even"
POLICIES = (
    Row((ML,), (*FP8, *E8M0, *FP6, *FP4, *SHORT), _EVEN, "sat_none"),
    Row((JIT, FOLD, LARGE), (*FP8, *E8M0, *FP4, *SHORT), _EVEN, "sat_none"),
    Row((TORCH,), ("float8_e4m3fn",), _EVEN, "sat_finite"),
    Row((TORCH,), (*OCP[1:], *E8M0, *SHORT), _EVEN, "sat_none"),
    Row((SAT,), OCP, _EVEN, "sat_finite"),
    Row((NOSAT,), (*OCP, *FP4, *SHORT), _EVEN, "sat_none"),
    Row((APY,), ("float8_e5m2", "float8_e4m3", "float8_e3m4", *SHORT), _EVEN, "sat_none"),
    *(
        Row((peer,), E8M0, rounding, saturation)
        for peers, rounding in ((UP, "toward_positive"), (DOWN, "toward_zero"), (NEAREST, _EVEN))
        for peer, saturation in zip(peers, ("sat_finite", "sat_none"), strict=True)
    ),
    *(
        Row((peer,), ("float8_e4m3fn", "float8_e5m2", *E8M0, *FP6, *FP4, *SHORT, *P3109), rounding, saturation)
        for peers, saturation in ((GF_TRUE, "sat_finite"), (GF_FALSE, "sat_none"))
        for peer, rounding in zip(
            peers,
            (_EVEN, "nearest_ties_to_away", "toward_zero", "toward_positive", "toward_negative"),
            strict=True,
        )
    ),
    Row((JIT, FOLD, LARGE), INTEGERS, "toward_zero", "sat_finite"),
    Row((ML, NOSAT), INTEGERS, "toward_zero", "wrap"),
    Row((TORCH,), INTEGERS[:2], "toward_zero", "wrap"),
)
