"""Integer-only operators and networks in JAX."""
