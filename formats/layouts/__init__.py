"""Layouts as permutations of bits, and what published systems use."""
