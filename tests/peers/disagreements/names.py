"""The names of paths, formats and dtypes that the entries use."""

from __future__ import annotations

from formats.p3109 import all_p3109

ML, TORCH, APY = "ml_dtypes astype", "torch to", "apytypes from_float"
JIT, FOLD, LARGE = "JAX compiled", "JAX folded", "JAX folded, large"
SAT, NOSAT = "ONNX reference, saturate=1", "ONNX reference, saturate=0"
UP = ("ONNX reference, round_mode=up, saturate=1", "ONNX reference, round_mode=up, saturate=0")
DOWN = ("ONNX reference, round_mode=down, saturate=1", "ONNX reference, round_mode=down, saturate=0")
NEAREST = ("ONNX reference, round_mode=nearest, saturate=1", "ONNX reference, round_mode=nearest, saturate=0")

ALL = ("float16", "bfloat16", "float32", "float64")
DOUBLE = ("float64",)
OCP = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")
FP8 = (*OCP, "float8_e4m3", "float8_e3m4", "float8_e4m3b11fnuz")
FP6 = ("float6_e2m3fn", "float6_e3m2fn")
FP4, E8M0 = ("float4_e2m1fn",), ("float8_e8m0fnu",)

_DIRECTIONS = ("TiesToEven", "TiesToAway", "TowardZero", "TowardPositive", "TowardNegative")
GF_TRUE = tuple(f"gfloat {mode}, sat=True" for mode in _DIRECTIONS)
GF_FALSE = tuple(f"gfloat {mode}, sat=False" for mode in _DIRECTIONS)
GF_SCALAR = tuple(f"gfloat scalar {mode}, sat=True" for mode in _DIRECTIONS)
GF_DRAWN = tuple(f"gfloat {mode}, sat=True" for mode in ("StochasticFastest", "StochasticFast", "Stochastic"))
P3109 = tuple(spec.name for bits in range(3, 9) for spec in all_p3109(bits))
UNSIGNED = tuple(fmt for fmt in P3109 if fmt[-2] == "u")
FINITE_DOMAIN = tuple(fmt for fmt in P3109 if fmt[-1] == "f")
WIDE = ("float32", "float64")
