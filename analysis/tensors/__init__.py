"""Real tensors in: safetensors, GGUF, ``.npz``, ONNX and CTranslate2 files, as stored, and nothing silently lost."""

from analysis.tensors.installed import default
from analysis.tensors.loading import load
from analysis.tensors.tensor import Loaded, Skipped, Tensor

__all__ = ["Loaded", "Skipped", "Tensor", "default", "load"]
