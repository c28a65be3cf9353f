"""Dot products on arrays: every summation of `formats.summation` in int64 words, once for NumPy and jax.numpy (x64)."""
