"""WHAT IT COSTS: metrics, real tensors, comparisons, plots, and the command line."""
