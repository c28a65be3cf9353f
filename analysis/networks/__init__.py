"""Networks in float32, calibrated and quantised to integer-only ones."""
