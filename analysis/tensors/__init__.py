"""Real tensors in: safetensors, GGUF, ``.npz``, ONNX and CTranslate2 files, as stored, and nothing silently lost.

Quantised weights are loaded decoded; `quantised` (safetensors) and `block_tensors` (GGUF), loaded on first use, give
their codes and scales.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.tensors.installed import default
from analysis.tensors.loading import load
from analysis.tensors.tensor import Loaded, Skipped, Tensor

if TYPE_CHECKING:
    from analysis.tensors.checkpoints import Quantised, quantised
    from analysis.tensors.gguf_file import block_tensors

__all__ = ["Loaded", "Quantised", "Skipped", "Tensor", "block_tensors", "default", "load", "quantised"]


def __getattr__(name: str) -> Any:
    if name in ("Quantised", "quantised"):
        from analysis.tensors import checkpoints

        return getattr(checkpoints, name)
    if name == "block_tensors":
        from analysis.tensors.gguf_file import block_tensors

        return block_tensors
    raise AttributeError(f"module 'analysis.tensors' has no attribute {name!r}")
