"""``assay sweep``."""

from __future__ import annotations


def sweep() -> None:
    """To be written."""
    raise NotImplementedError
