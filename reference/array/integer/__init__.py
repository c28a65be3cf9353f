"""Integer-only operators, once for NumPy and jax.numpy."""
