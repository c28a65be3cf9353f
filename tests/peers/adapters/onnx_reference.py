"""The ONNX reference implementation of Cast (version 25), with each value of its attributes."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from peers.adapters import mldtypes
from peers.adapters.peer import CUT_AND_WRAP, FINITE, NONE, Codes, Peer, Policy, Values

from formats import Rounding

FP8 = {
    "float8_e4m3fn": TensorProto.FLOAT8E4M3FN,
    "float8_e5m2": TensorProto.FLOAT8E5M2,
    "float8_e4m3fnuz": TensorProto.FLOAT8E4M3FNUZ,
    "float8_e5m2fnuz": TensorProto.FLOAT8E5M2FNUZ,
}
E8M0 = {"float8_e8m0fnu": TensorProto.FLOAT8E8M0}
OTHERS = {"float4_e2m1fn": TensorProto.FLOAT4E2M1, "bfloat16": TensorProto.BFLOAT16, "float16": TensorProto.FLOAT16}
INTEGERS = {
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
    "int4": TensorProto.INT4,
    "uint4": TensorProto.UINT4,
    "int2": TensorProto.INT2,
    "uint2": TensorProto.UINT2,
}
_TARGETS = FP8 | E8M0 | OTHERS | INTEGERS
_SOURCES = {
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
}
MODES = {"up": Rounding.TOWARD_POSITIVE, "down": Rounding.TOWARD_ZERO, "nearest": Rounding.NEAREST_TIES_TO_EVEN}


@cache
def _cast(source: str, fmt: str, saturate: int, mode: str) -> ReferenceEvaluator:
    """A model of one Cast node."""
    attributes = {"saturate": saturate} | ({"round_mode": mode} if fmt in E8M0 else {})
    node = helper.make_node("Cast", ["x"], ["y"], to=_TARGETS[fmt], **attributes)
    x = helper.make_tensor_value_info("x", _SOURCES[source], [None])
    y = helper.make_tensor_value_info("y", _TARGETS[fmt], [None])
    return ReferenceEvaluator(
        helper.make_model(helper.make_graph([node], "cast", [x], [y]), opset_imports=[helper.make_opsetid("", 25)])
    )


def encode(values: Values, fmt: str, *, saturate: int, mode: str = "up") -> Codes:
    with np.errstate(all="ignore"):
        (y,) = _cast(values.dtype.name, fmt, saturate, mode).run(None, {"x": values})
    return mldtypes.codes_of(y, fmt)


PEERS = (
    Peer(name="ONNX reference, saturate=1", policy=dict.fromkeys(FP8, FINITE), encode=partial(encode, saturate=1)),
    Peer(
        name="ONNX reference, saturate=0",
        policy=dict.fromkeys(FP8, NONE) | dict.fromkeys(OTHERS, NONE) | dict.fromkeys(INTEGERS, CUT_AND_WRAP),
        encode=partial(encode, saturate=0),
        accepts=mldtypes.in_int32,
    ),
    *(
        Peer(
            name=f"ONNX reference, round_mode={mode}, saturate={saturate}",
            policy=dict.fromkeys(E8M0, Policy(rounding=MODES[mode], saturation=saturation.saturation)),
            encode=partial(encode, saturate=saturate, mode=mode),
        )
        for mode in MODES
        for saturate, saturation in ((1, FINITE), (0, NONE))
    ),
)
