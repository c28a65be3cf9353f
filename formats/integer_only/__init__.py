"""Requantisers and residual additions of integer-only systems, as data."""
