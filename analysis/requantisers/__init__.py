"""Where requantisers differ: accumulators on which two rules give different integers."""

from analysis.requantisers.differences import Difference, compare_rules, matrix, picture

__all__ = ["Difference", "compare_rules", "matrix", "picture"]
