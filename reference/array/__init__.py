"""The golden model on arrays: integer-only on bit patterns, written once over ``xp`` (numpy or jax.numpy)."""
