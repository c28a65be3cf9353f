"""Where a result comes from."""

from __future__ import annotations

import datetime
import hashlib
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path

_PACKAGES = ("assay", "numpy", "jax", "jaxlib", "pandas", "pyarrow", "matplotlib")


def provenance(source: str, file: Path | None = None) -> dict[str, str]:
    """Input (with the SHA-256 of its file), command line, time, and versions.

    >>> provenance("normal, seed 0")["input"]
    'normal, seed 0'
    """
    found = {"input": source}
    if file is not None:
        with file.open("rb") as content:
            found["SHA-256"] = hashlib.file_digest(content, "sha256").hexdigest()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)
    return {
        **found,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": f"Python {platform.python_version()}, {versions}",
        "machine": f"{platform.system()} {platform.machine()}",
    }
