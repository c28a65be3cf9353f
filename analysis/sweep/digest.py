"""What a cell's outcome depends on, as a digest: a stored result counts only while this is the same."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import formats
from analysis.evidence import versions
from analysis.sweep.cells import Cell

_ROOT = Path(__file__).parents[2]
#: every file whose code runs in a cell
SOURCES = (
    "formats/floating.py",
    "formats/integer.py",
    "formats/policy.py",
    "reference/codec.py",
    "reference/exact/codec.py",
    "reference/exact/rounding.py",
    "reference/array/carrier.py",
    "reference/array/codec.py",
    "reference/array/conversion.py",
    "reference/array/decode.py",
    "reference/array/rounding.py",
    "reference/array/table.py",
    "reference/array/wrap.py",
    "kernels_ref/codec.py",
    "kernels_ref/rounding.py",
    "analysis/sweep/decoding.py",
    "analysis/sweep/encoding.py",
    "analysis/sweep/folding.py",
    "analysis/sweep/outcome.py",
)


def source_digest() -> str:
    """SHA-256 of the code that is compared and that compares, and of the versions that run it.

    The registry is left out: what it says about a format is in the format's record, part of the cell's own key.
    """
    digest = hashlib.sha256()
    for source in SOURCES:
        digest.update(f"{source}\n".encode() + (_ROOT / source).read_bytes())
    digest.update(repr((platform.python_version(), versions(("jax", "jaxlib", "numpy", "ml_dtypes")))).encode())
    return digest.hexdigest()


def key(cell: Cell, sources: str) -> str:
    """The digest of a cell: its name, its format's record and `source_digest`."""
    record = repr(formats.get(cell.fmt)) if cell.fmt else ""
    return hashlib.sha256("\n".join([cell.name, record, sources]).encode()).hexdigest()
