"""I-BERT's integer functions in JAX, in 32-bit words alone: bit for bit those of `reference.integer.ibert`."""

from kernels_ref.integer.ibert.exp import exp
from kernels_ref.integer.ibert.gelu import gelu
from kernels_ref.integer.ibert.layer_norm import layer_norm
from kernels_ref.integer.ibert.softmax import softmax
from kernels_ref.integer.ibert.sqrt import isqrt
from kernels_ref.integer.ibert.words import Wide

__all__ = ["Wide", "exp", "gelu", "isqrt", "layer_norm", "softmax"]
