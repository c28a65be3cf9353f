"""A GPU that is not there, described well enough to compile for it."""

from __future__ import annotations

import pytest

from kernels_ref.hopper import aot


def h100():
    """A sharding on one described H100; skips where the compiler is not installed."""
    if reason := aot.missing():
        pytest.skip(reason)
    return aot.sharding("h100")
