"""Reports of these disagreements elsewhere."""

from __future__ import annotations

PR401 = "https://github.com/jax-ml/ml_dtypes/pull/401"
APFLOAT_INF = "https://github.com/llvm/llvm-project/issues/185351"
APFLOAT_SIGN = "https://github.com/llvm/llvm-project/issues/215445"
APFLOAT_DOUBLE = "https://github.com/llvm/llvm-project/issues/131531"
ORT_E8M0 = "https://github.com/microsoft/onnxruntime/pull/28435"
GFLOAT_SR = "https://github.com/graphcore-research/gfloat/pull/55"
GFLOAT_E8M0 = "https://github.com/graphcore-research/gfloat/issues/62"
