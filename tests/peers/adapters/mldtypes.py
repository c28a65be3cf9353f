"""ml_dtypes (and NumPy, which it extends): ``astype``, the basis of JAX's and ONNX's NumPy arrays."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from peers.adapters.peer import CUT_AND_WRAP, NONE, Codes, Peer, Values

FP8 = (
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3",
    "float8_e3m4",
    "float8_e4m3fnuz",
    "float8_e5m2fnuz",
    "float8_e4m3b11fnuz",
)
FP6 = ("float6_e2m3fn", "float6_e3m2fn")
FLOATS = (*FP8, "float8_e8m0fnu", *FP6, "float4_e2m1fn", "bfloat16", "float16")
INTEGERS = ("int8", "uint8", "int4", "uint4", "int2", "uint2")


def dtype(fmt: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, fmt, None) or fmt)


def codes_of(array: np.ndarray, fmt: str) -> Codes:
    """The stored bits; narrow integers lie sign-extended in a byte."""
    bits = array.view(f"u{array.dtype.itemsize}")
    return bits & np.uint8((1 << ml_dtypes.iinfo(array.dtype).bits) - 1) if "int" in fmt else bits


def encode(values: Values, fmt: str) -> Codes:
    with np.errstate(all="ignore"):  # overflow and NaN are what is being looked at
        return codes_of(values.astype(dtype(fmt)), fmt)


def decode(codes: Codes, fmt: str) -> Values:
    with np.errstate(invalid="ignore"):
        return codes.astype(f"u{dtype(fmt).itemsize}").view(dtype(fmt)).astype(np.float32)


def in_int32(values: Values, fmt: str) -> np.ndarray:
    """Where C defines a float's conversion to a narrow integer, which goes through int32; all for float formats."""
    if "int" not in fmt:
        return np.ones(values.shape, bool)
    with np.errstate(all="ignore"):
        return np.abs(values.astype(np.float64)) < 2.0**31


PEERS = (
    Peer(
        name="ml_dtypes astype",
        policy=dict.fromkeys(FLOATS, NONE) | dict.fromkeys(INTEGERS, CUT_AND_WRAP),
        encode=encode,
        decodes=(*FLOATS, *INTEGERS),
        decode=decode,
        accepts=in_int32,
    ),
)
