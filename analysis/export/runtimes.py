"""Runs of exported models in ONNX Runtime and LiteRT."""

from __future__ import annotations

import enum
import importlib
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

import formats

Array = NDArray[Any]


class Resolver(enum.Enum):
    """Which kernels LiteRT takes: its reference ones, its optimised ones, or XNNPACK's where that has one."""

    REFERENCE = "reference"
    OPTIMISED = "optimised"
    XNNPACK = "xnnpack"


_RESOLVERS = {
    Resolver.REFERENCE: "BUILTIN_REF",
    Resolver.OPTIMISED: "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    Resolver.XNNPACK: "BUILTIN",
}


def run_litert(content: bytes, x: Array, resolver: Resolver | str) -> Array:
    """What LiteRT's interpreter makes of ``x``, on one thread.

    ``content``: a flatbuffer of one input and one output. ``resolver``: a `Resolver` or its lower-case name. Needs the
    package ai-edge-litert.
    """
    chosen = formats.parse_enum(Resolver, resolver, "resolver")
    module: Any = importlib.import_module("ai_edge_litert.interpreter")
    interpreter = module.Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=getattr(module.OpResolverType, _RESOLVERS[chosen]),
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.ascontiguousarray(x))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).copy()


def run_onnxruntime(model: onnx.ModelProto, x: Array, *, optimised: bool, precise: bool = False) -> Array:
    """What ONNX Runtime's CPU provider makes of ``x``, on one thread.

    ``optimised``: whether the graph is rewritten before it runs. ``precise``: ``session.x64quantprecision``, which
    moves weights to uint8 where the processor would saturate sums of pairs; it is one of those rewrites. Needs the
    package onnxruntime.
    """
    module: Any = importlib.import_module("onnxruntime")
    options = module.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    level = module.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimised else level.ORT_DISABLE_ALL
    if precise:
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = module.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]
