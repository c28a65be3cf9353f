"""APyTypes: ``APyFloatArray``, IEEE 754 style formats of any width, rounded to nearest even from float64."""

from __future__ import annotations

import pytest
from peers.adapters.peer import NONE, Codes, Peer, Values

import formats

APyFloatArray = pytest.importorskip("apytypes").APyFloatArray
FORMATS = ("float8_e5m2", "float8_e4m3", "float8_e3m4", "float16", "bfloat16")


def _fields(fmt: str) -> dict[str, int]:
    spec = formats.get(fmt)
    return {"exp_bits": spec.exponent_bits, "man_bits": spec.fraction_bits}


def encode(values: Values, fmt: str) -> Codes:
    return APyFloatArray.from_float(values, **_fields(fmt)).to_bits(numpy=True)


def decode(codes: Codes, fmt: str) -> Values:
    return APyFloatArray.from_bits(codes, **_fields(fmt)).to_numpy()


PEERS = (
    Peer(
        name="apytypes from_float",
        policy=dict.fromkeys(FORMATS, NONE),
        sources=("float32", "float64"),
        encode=encode,
        decodes=FORMATS,
        decode=decode,
    ),
)
