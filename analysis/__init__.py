"""WHAT IT COSTS: metrics, real tensors, comparisons, plots, and the command line.

`compare` is loaded on first use, so that importing the package stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.comparison import compare

__all__ = ["compare"]


def __getattr__(name: str) -> Any:
    if name == "compare":
        from analysis.comparison import compare

        return compare
    raise AttributeError(f"module 'analysis' has no attribute {name!r}")
