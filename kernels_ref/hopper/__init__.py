"""Matrix kernels for Hopper GPUs."""
