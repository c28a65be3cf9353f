"""Ternary and binary quantisers, and where their digits lie."""
