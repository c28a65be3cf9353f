"""HAWQ-V3: which layers get 4 bits and which 8."""
