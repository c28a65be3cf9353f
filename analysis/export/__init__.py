"""Integer-only networks as files of other runtimes, runs there, and the golden output by those runtimes' rules."""

from analysis.export.float_onnx import to_float_onnx
from analysis.export.golden import golden
from analysis.export.kernels import KERNELS, Kernel, Operator, Runtime, kernel
from analysis.export.onnx_network import to_onnx
from analysis.export.runtimes import Resolver, run_litert, run_onnxruntime
from analysis.export.suitable import with_binary32_scales
from analysis.export.tflite_network import to_tflite

__all__ = [
    "KERNELS",
    "Kernel",
    "Operator",
    "Resolver",
    "Runtime",
    "golden",
    "kernel",
    "run_litert",
    "run_onnxruntime",
    "to_float_onnx",
    "to_onnx",
    "to_tflite",
    "with_binary32_scales",
]
