"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write(path: Path, content: bytes) -> Path:
    """Write a file under another name in its folder, then rename it; an interrupt leaves what was there before.

    >>> folder = tempfile.TemporaryDirectory()
    >>> write(Path(folder.name) / "a.txt", b"gold").read_bytes()
    b'gold'
    >>> folder.cleanup()
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
