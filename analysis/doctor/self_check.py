"""Whether this project's own encode and decode agree with the judge here, on every executor."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kernels_ref
import reference
from analysis.doctor.finding import Probe
from formats import get
from kernels_ref import landmarks, mosaic
from reference import exact

Codes = NDArray[Any]

#: formats and policies that between them take every branch of the codecs
POLICIES: dict[str, dict[str, Any]] = {
    "float8_e4m3fn": {"rounding": "nearest_ties_to_even", "saturation": "sat_none"},
    "float8_e5m2": {"rounding": "stochastic_b", "saturation": "sat_propagate", "random_bit_count": 5},
    "float8_e4m3fnuz": {"rounding": "toward_negative", "saturation": "sat_none"},
    "float8_e8m0fnu": {"rounding": "nearest_ties_to_even", "saturation": "sat_none"},
    "float4_e2m1fn": {"rounding": "to_odd", "saturation": "sat_finite", "nan": "maximum"},
    "Binary8p3ue": {"rounding": "nearest_ties_to_away", "saturation": "sat_none"},
    "int8": {"rounding": "nearest_ties_to_even", "saturation": "wrap", "nan": "zero"},
    "mxint8_narrow": {"rounding": "toward_zero", "saturation": "sat_finite", "nan": "minimum"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Inputs of one format and policy, and the judge's codes; every code of the format, and the judge's values."""

    fmt: str
    policy: dict[str, Any]
    inputs: NDArray[np.float32]
    expected: Codes
    values: NDArray[np.float32]


@functools.cache
def cases() -> tuple[Case, ...]:
    """The judge's answers, worked out once."""
    return tuple(_case(fmt, policy) for fmt, policy in POLICIES.items())


def _case(fmt: str, policy: dict[str, Any]) -> Case:
    spec = get(fmt)
    beyond = landmarks.as_dtype(landmarks.edges(spec), "float32")
    groups = [landmarks.near_ties(spec, "float32"), beyond, -beyond, landmarks.signed_zeros("float32")]
    groups += [landmarks.dtype_subnormals("float32"), landmarks.nan_payloads("float32")]
    inputs = np.unique(np.concatenate(groups).view(np.uint32)).view(np.float32)
    terms = dict(policy)
    if "random_bit_count" in terms:
        count = 1 << terms["random_bit_count"]
        terms["random_bits"] = (np.arange(inputs.size, dtype=np.uint32) * np.uint32(7)) % np.uint32(count)
    drawn = terms.get("random_bits", np.full(inputs.size, None)).tolist()
    codes = [exact.encode(v, spec, **{**policy, "random_bits": r}) for v, r in zip(inputs.tolist(), drawn, strict=True)]
    values = np.array([float(exact.decode(code, spec)) for code in range(1 << spec.bits)], np.float32)
    return Case(fmt=fmt, policy=terms, inputs=inputs, expected=np.array(codes, np.uint8), values=values)


def check(encode: Callable[[Case], Codes], decode: Callable[[Codes, str], Codes]) -> tuple[str, str]:
    """Every case through one executor, both ways."""
    pairs: list[tuple[str, Codes, Codes, Codes]] = [
        (f"encode {case.fmt}", case.inputs, case.expected, encode(case)) for case in cases()
    ]
    for case in cases():
        every = np.arange(case.values.size, dtype=np.uint8)
        pairs.append((f"decode {case.fmt}", every, _bits(case.values), _bits(decode(every, case.fmt))))
    return compare(pairs)


def compare(pairs: list[tuple[str, Codes, Codes, Codes]]) -> tuple[str, str]:
    """``equal`` or ``differs``, from tuples of what was done, inputs, expected and found results."""
    compared, wrong, first = 0, 0, ""
    for verb, inputs, expected, got in pairs:
        bad = np.flatnonzero(expected != got)
        compared, wrong = compared + expected.size, wrong + bad.size
        if bad.size and not first:
            i = int(bad[0])
            first = f"; first: {verb} of {inputs[i]!r}: {expected[i]:#04x} expected, {got[i]:#04x} found"
    return ("differs" if wrong else "equal"), f"{wrong:,} of {compared:,} results differ from the judge's{first}"


def _bits(values: NDArray[Any]) -> NDArray[np.uint32]:
    """The patterns of float32 values, every NaN the same one."""
    return np.where(np.isnan(values), np.float32(np.nan), values).astype(np.float32).view(np.uint32)


def direct() -> tuple[str, str]:
    """NumPy, by the integer code: arrays too short for a table to pay."""
    return check(lambda case: reference.encode(case.inputs, case.fmt, **case.policy), reference.decode)


def by_table() -> tuple[str, str]:
    """NumPy, by look-up in a table: the same inputs over and over, until the arrays are long enough."""

    def encode(case: Case) -> Codes:
        times = -(-4096 // case.inputs.size)
        terms = {**case.policy}
        if "random_bits" in terms:
            terms["random_bits"] = np.tile(terms["random_bits"], times)
        return reference.encode(np.tile(case.inputs, times), case.fmt, **terms)[-case.inputs.size :]

    return check(encode, reference.decode)


def in_jax() -> tuple[str, str]:
    """JAX under jit, on the default device."""
    return check(
        lambda case: np.asarray(kernels_ref.encode(case.inputs, case.fmt, **case.policy)),
        lambda codes, fmt: np.asarray(kernels_ref.decode(codes, fmt)),
    )


def in_mosaic() -> tuple[str, str]:
    """The Mosaic GPU kernel under Pallas' interpreter, on the first case."""
    case = cases()[0]
    try:
        codes = mosaic.encode(case.inputs, case.fmt, interpret=True, **case.policy)
    except ImportError as error:
        return "absent", str(error)
    return compare([(f"encode {case.fmt}", case.inputs, case.expected, np.asarray(codes))])


GROUP = "self-check"
ANSWERS = {"equal": "trustworthy here", "differs": "DO NOT TRUST this executor on this machine; please report it"}
ABSENT = {"absent": "kernels_ref.mosaic cannot be used with this JAX"}


def _probe(name: str, measure: Callable[[], tuple[str, str]], *, absent: bool = False) -> Probe:
    return Probe(group=GROUP, name=name, answers=ANSWERS | (ABSENT if absent else {}), measure=measure)


HOST = (
    _probe("NumPy, short arrays", direct),
    _probe("NumPy, long arrays", by_table),
    _probe("Mosaic GPU kernel, interpreted", in_mosaic, absent=True),
)
DEVICE = (_probe("JAX", in_jax),)
