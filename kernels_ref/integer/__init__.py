"""Integer-only operators and networks in JAX."""

from kernels_ref.integer.addition import add
from kernels_ref.integer.audit import Audit, audit
from kernels_ref.integer.network import compile_network, executor
from kernels_ref.integer.requantise import requantise

__all__ = ["Audit", "add", "audit", "compile_network", "executor", "requantise"]
