"""Kernels on the clock: beside XLA's products, cuBLAS, Triton, and what the memory and the matrix unit allow."""

from analysis.bench.plan import Case, plan
from analysis.bench.run import require_gpu, run
from analysis.bench.timing import Timing, timed

__all__ = ["Case", "Timing", "plan", "require_gpu", "run", "timed"]
