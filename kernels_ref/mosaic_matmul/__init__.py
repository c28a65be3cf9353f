"""Hopper's FP8 matrix product, golden and fast: one Mosaic GPU kernel."""

from kernels_ref.mosaic_matmul.kernel import Variant
from kernels_ref.mosaic_matmul.product import matmul

__all__ = ["Variant", "matmul"]
