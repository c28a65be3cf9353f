"""Integer-only networks of a few nodes in a row, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

import formats
from reference.integer.network import Affine, Input, Linear, Network, Node

INT8 = formats.get("int8")
ONE = Affine(format=INT8, scale=1.0)


def line(*nodes: Node) -> Network:
    return Network(name="line", nodes=nodes)


def linear(weight: Any, *, out: Affine = ONE, **options: Any) -> Linear:
    array = np.array(weight, np.int8)
    standard: dict[str, Any] = {
        "weight_scale": (1.0,),
        "bias": np.zeros(len(array), np.int32),
        "weight_format": INT8,
        "rule": "tvm_tonearest",
    }
    return Linear(name="y", inputs=("x",), out=out, weight=array, **standard | options)


def features(size: int, out: Affine = ONE) -> Input:
    return Input(name="x", out=out, shape=(size,))
