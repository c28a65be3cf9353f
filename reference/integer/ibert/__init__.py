"""I-BERT's integer functions on NumPy arrays: exp, softmax, GELU, square root, LayerNorm."""

from reference.integer.ibert.clip import clip
from reference.integer.ibert.exp import exp
from reference.integer.ibert.gelu import gelu
from reference.integer.ibert.layer_norm import layer_norm, layer_norm_shift
from reference.integer.ibert.polynomial import polynomial
from reference.integer.ibert.softmax import softmax
from reference.integer.ibert.sqrt import isqrt, isqrt_steps
from reference.integer.ibert.widths import exp_widths, gelu_widths, layer_norm_widths, softmax_widths

__all__ = [
    "clip",
    "exp",
    "exp_widths",
    "gelu",
    "gelu_widths",
    "isqrt",
    "isqrt_steps",
    "layer_norm",
    "layer_norm_shift",
    "layer_norm_widths",
    "polynomial",
    "softmax",
    "softmax_widths",
]
