"""gfloat: rounding and encoding of arrays, and the scalar functions, which are separate code."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pytest
from peers.adapters.peer import FLOATS, Codes, Peer, Policy, Values

import formats
from formats import Rounding, Saturation
from formats.p3109 import all_p3109
from kernels_ref import landmarks

gfloat = pytest.importorskip("gfloat")
infos = pytest.importorskip("gfloat.formats")

OTHERS = {
    "float16": infos.format_info_binary16,
    "bfloat16": infos.format_info_bfloat16,
    "float8_e5m2": infos.format_info_ocp_e5m2,
    "float8_e4m3fn": infos.format_info_ocp_e4m3,
    "float8_e8m0fnu": infos.format_info_ocp_e8m0,
    "float6_e2m3fn": infos.format_info_ocp_e2m3,
    "float6_e3m2fn": infos.format_info_ocp_e3m2,
    "float4_e2m1fn": infos.format_info_ocp_e2m1,
}
P3109 = tuple(spec.name for bits in range(3, 9) for spec in all_p3109(bits))
MODES = {
    Rounding.NEAREST_TIES_TO_EVEN: gfloat.RoundMode.TiesToEven,
    Rounding.NEAREST_TIES_TO_AWAY: gfloat.RoundMode.TiesToAway,
    Rounding.TOWARD_ZERO: gfloat.RoundMode.TowardZero,
    Rounding.TOWARD_POSITIVE: gfloat.RoundMode.TowardPositive,
    Rounding.TOWARD_NEGATIVE: gfloat.RoundMode.TowardNegative,
    Rounding.STOCHASTIC_A: gfloat.RoundMode.StochasticFastest,
    Rounding.STOCHASTIC_B: gfloat.RoundMode.StochasticFast,
    Rounding.STOCHASTIC_C: gfloat.RoundMode.Stochastic,
}
DETERMINISTIC = tuple(mode for mode in MODES if not mode.is_stochastic)


def info(fmt: str) -> Any:
    if fmt in OTHERS:
        return OTHERS[fmt]
    bits, precision, sign, domain = re.fullmatch(r"Binary(\d+)p(\d+)(.)(.)", fmt).groups()
    signedness = gfloat.Signedness.Signed if sign == "s" else gfloat.Signedness.Unsigned
    return infos.format_info_p3109(
        int(bits), int(precision), signedness, gfloat.Domain.Extended if domain == "e" else gfloat.Domain.Finite
    )


def encode(values: Values, fmt: str, *, policy: Policy) -> Codes:
    """By arrays, from float64, which holds every input exactly.

    For values outside an unsigned format's range `gfloat.encode_ndarray` returns words that are no code of it; they
    are given as one more than the last code.
    """
    bits = policy.random_bits
    with np.errstate(all="ignore"):
        rounded = gfloat.round_ndarray(
            info(fmt),
            values.astype(np.float64),
            MODES[policy.rounding],
            policy.saturation is Saturation.SAT_FINITE,
            None if bits is None else np.full(values.shape, bits, np.int64),
            policy.random_bit_count or 0,
        )
        codes = gfloat.encode_ndarray(info(fmt), rounded)
    return np.minimum(codes, 1 << formats.get(fmt).bits)


def encode_scalar(values: Values, fmt: str, *, policy: Policy) -> Codes:
    saturate = policy.saturation is Saturation.SAT_FINITE
    with np.errstate(all="ignore"):
        exact = values.astype(np.float64).tolist()
    rounded = [gfloat.round_float(info(fmt), value, MODES[policy.rounding], saturate) for value in exact]
    return np.array([gfloat.encode_float(info(fmt), value) for value in rounded], np.uint64)


def decode(codes: Codes, fmt: str) -> Values:
    return gfloat.decode_ndarray(info(fmt), codes.astype(np.int64))


def decode_scalar(codes: Codes, fmt: str) -> Values:
    return np.array([gfloat.decode_float(info(fmt), code).fval for code in codes.tolist()])


def defined(values: Values, fmt: str, *, saturate: bool) -> np.ndarray:
    """Where gfloat returns: it raises for NaN in a format without, and for overflow that nothing can express."""
    if info(fmt).num_nans:
        return np.ones(values.shape, bool)
    with np.errstate(all="ignore"):
        return ~landmarks.is_nan(values) & (saturate | (np.abs(values.astype(np.float64)) <= info(fmt).max))


def _arrays(policy: Policy, names: tuple[str, ...], sources: tuple[str, ...]) -> Peer:
    return Peer(
        name=f"gfloat {MODES[policy.rounding].name}, sat={policy.saturation is Saturation.SAT_FINITE}",
        policy=dict.fromkeys(names, policy),
        sources=sources,
        encode=partial(encode, policy=policy),
        accepts=partial(defined, saturate=policy.saturation is Saturation.SAT_FINITE),
    )


_SATURATIONS = (Saturation.SAT_FINITE, Saturation.SAT_NONE)
_DRAWS = tuple((count, bits) for count in (1, 2, 3, 4) for bits in range(1 << count))
DECODERS = (
    Peer(name="gfloat decode_ndarray", decodes=(*OTHERS, *P3109), decode=decode),
    Peer(name="gfloat decode_float", decodes=tuple(fmt for fmt in OTHERS if "16" not in fmt), decode=decode_scalar),
)
PEERS = tuple(
    _arrays(Policy(rounding=rounding, saturation=saturation), tuple(OTHERS), FLOATS)
    for rounding in DETERMINISTIC
    for saturation in _SATURATIONS
)
P3109_PEERS = tuple(
    _arrays(Policy(rounding=rounding, saturation=saturation), P3109, ("float32", "float64"))
    for rounding in DETERMINISTIC
    for saturation in _SATURATIONS
)
STOCHASTIC_PEERS = tuple(
    _arrays(
        Policy(rounding=rounding, saturation=Saturation.SAT_FINITE, random_bits=bits, random_bit_count=count),
        ("float8_e4m3fn", "Binary8p3se", "Binary4p2sf", "float4_e2m1fn"),
        ("float64",),
    )
    for rounding in (Rounding.STOCHASTIC_A, Rounding.STOCHASTIC_B, Rounding.STOCHASTIC_C)
    for count, bits in _DRAWS
)
SCALAR_PEERS = tuple(
    Peer(
        name=f"gfloat scalar {MODES[rounding].name}, sat=True",
        policy=dict.fromkeys(
            ("float8_e4m3fn", "float8_e5m2", "float6_e3m2fn", "float4_e2m1fn", "Binary8p3se", "Binary6p1sf"), policy
        ),
        sources=("float64",),
        encode=partial(encode_scalar, policy=policy),
        accepts=partial(defined, saturate=True),
    )
    for rounding in DETERMINISTIC
    for policy in [Policy(rounding=rounding, saturation=Saturation.SAT_FINITE)]
)
