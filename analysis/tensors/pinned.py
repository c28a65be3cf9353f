"""Pinned files of installed packages, which are read as data: nothing is imported or executed."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path


def located(package: str, member: str, *, absent: str, remedy: str) -> Path:
    """Where a file of a package lies.

    Raises ``FileNotFoundError`` where there is no such package, ``ValueError`` where it lacks the file; both say how to
    install it (``remedy``: a clause that begins with "install").
    """
    try:
        path = Path(str(metadata.distribution(package).locate_file(member)))
    except metadata.PackageNotFoundError:
        raise FileNotFoundError(f"{absent}; {remedy}") from None
    if not path.is_file():
        raise ValueError(f"{package} is installed, but {path} is missing; re-{remedy}")
    return path


def check_digest(path: Path, sha256: str, *, remedy: str) -> None:
    """``ValueError`` where a file is not the pinned one."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise ValueError(f"{path} has SHA-256 {found}, not the pinned {sha256}; re-{remedy}")
