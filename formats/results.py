"""Formats of results and of wide activations: too wide for the registry, whose formats are exhausted."""

from __future__ import annotations

from formats.floating import FloatSpec, Nan
from formats.integer import IntSpec
from formats.policy import Overflow
from formats.registry import get

FLOAT32 = FloatSpec(
    name="float32",
    bits=32,
    precision=24,
    bias=127,
    max_code=0x7F7FFFFF,
    has_infinity=True,
    nan=Nan.ABOVE,
    overflow=Overflow.INFINITY,
    source="IEEE 754-2019 binary32",
)


def _float(name: str) -> FloatSpec:
    spec = get(name)
    assert isinstance(spec, FloatSpec)
    return spec


FLOAT16, BFLOAT16 = _float("float16"), _float("bfloat16")


def _integer(bits: int) -> IntSpec:
    half = 1 << (bits - 1)
    return IntSpec(name=f"int{bits}", bits=bits, minimum=-half, maximum=half - 1, source="two's complement")


INT16, INT32 = _integer(16), _integer(32)
