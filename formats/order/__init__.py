"""Finite posets, and networks with integer weights, as data."""
