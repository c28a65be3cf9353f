"""Sums of products in JAX, one module for each kind of accumulator; `kernels_ref.matmul` is their door."""
